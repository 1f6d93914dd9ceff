//! Runs the built binary. Each module tests one behaviour.

// Two attributes, because clippy accepts no other form for a module of tests.
#[cfg(test)]
mod as_of;
#[cfg(feature = "aws")]
#[cfg(test)]
mod aws;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bad_lines;
#[cfg(test)]
mod bans;
#[cfg(test)]
mod check;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod cluster_certificates;
#[cfg(test)]
mod cluster_end;
#[cfg(test)]
mod cluster_forming;
#[cfg(test)]
mod cluster_status;
#[cfg(test)]
mod cluster_strangers;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod firehose;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod integrity;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod limited_tokens;
#[cfg(test)]
mod merge;
#[cfg(test)]
mod missing_segments;
#[cfg(test)]
mod nginx;
#[cfg(test)]
mod node_cluster;
#[cfg(test)]
mod odd_files;
#[cfg(test)]
mod open_files;
#[cfg(test)]
mod open_rides;
#[cfg(test)]
mod open_rides_served;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod output_directories;
#[cfg(test)]
mod pressure;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod rejections;
#[cfg(test)]
mod restarts;
mod results;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod run;
#[cfg(test)]
mod served_results;
#[cfg(test)]
mod service;
#[cfg(test)]
mod serving;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod stream_clients;
#[cfg(test)]
mod stream_restarts;
#[cfg(test)]
mod streams_as_inputs;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod verify_changes;
#[cfg(all(test, not(feature = "aws")))]
mod without_aws;
