//! A client and a server joined in memory, over a file system of a few vectors.

mod memory;
mod rules;
mod talk;
