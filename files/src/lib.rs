//! What every crate here asks of the files it writes and reads: complete or absent, checksums, errors in one line.

#![forbid(unsafe_code)]

pub mod checksum;
pub mod durable;
pub mod message;
