//! This machine as the cloud: servers are real isolated Linux systems.

pub mod records;
