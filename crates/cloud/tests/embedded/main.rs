//! Real servers on this machine, in a network namespace of each test's own, with real clients.

mod fixture;
mod image;
mod isolation;
mod life;
mod owner;
mod user;
