"""The parts of scripts/docs: pages, bash sessions, and local servers of AWS."""
