//! The parts that use AWS, against local servers that speak Kinesis' and S3's protocols.

mod backups;
mod bucket;
mod bucket_service;
mod canned_server;
mod cluster;
mod credentials;
mod cutting_proxy;
mod end_to_end;
mod fake_s3;
mod fault_proxy;
mod odd_buckets;
mod replay;
mod servers;
mod simulate;
mod source;
mod streams;
