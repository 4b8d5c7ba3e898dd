//! The network's path below a connection: segment sizes and what is not acknowledged.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;

use crate::visit::PathState;
use crate::{limits, sys};

/// What the system knows of the connection.
pub fn state(socket: impl AsFd) -> Option<PathState> {
    sys::path_state(socket.as_fd())
}

/// A connection whose segments are so small, in both directions, that they go through every path.
///
/// # Errors
/// Those of connecting.
pub fn connect_with_small_segments(address: SocketAddr) -> io::Result<TcpStream> {
    sys::connect_with_segments(address, limits::SMALL_SEGMENT, limits::CONNECT)
}
