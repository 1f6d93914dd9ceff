"""What scripts/docs is made of: pages, bash sessions, and local servers of AWS."""
