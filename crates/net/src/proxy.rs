//! Transports that another program makes: `ProxyCommand` and
//! `ProxyUseFdpass`.

use std::ffi::OsString;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, SocketType};

use crate::open;
use crate::transport::Transport;

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    /// Its standard input and output.
    pub transport: Transport,
    /// The process. Dropping it leaves it running.
    pub child: Child,
}

/// Runs a command whose standard input and output are the transport. Its
/// standard error stays ours.
///
/// # Errors
/// Those of making pipes and starting the user's shell.
pub fn proxy_command(command: &str) -> io::Result<Proxy> {
    let (child_input, ours_out) = open::pipe()?;
    let (ours_in, child_output) = open::pipe()?;
    let child =
        shell(command).stdin(Stdio::from(child_input)).stdout(Stdio::from(child_output)).spawn()?;
    Ok(Proxy { transport: Transport::pair(ours_in, ours_out), child })
}

/// Runs a command that connects and passes the connected descriptor back
/// through its standard output, by `deadline` where there is one.
///
/// # Errors
/// Those of starting it, `UnexpectedEof` when it passes nothing, and `TimedOut`.
pub fn proxy_use_fdpass(command: &str, deadline: Option<Instant>) -> io::Result<OwnedFd> {
    let (ours, theirs) = open::socket_pair(SocketType::STREAM)?;
    let mut child = {
        let mut command = shell(command);
        command.stdin(Stdio::from(theirs.try_clone()?)).stdout(Stdio::from(theirs));
        // The command goes out of scope with its copies of the socket, so that
        // the end of the child is the end of the stream.
        command.spawn()?
    };
    let received = wait_readable(&ours, deadline).and_then(|()| receive_descriptor(&ours));
    if matches!(&received, Err(error) if error.kind() == io::ErrorKind::TimedOut) {
        // It may have ended just now.
        let _ = child.kill();
    }
    // Its work is done; a failure is told by the missing descriptor.
    let _ = child.wait();
    received
}

/// The user's shell is replaced by the command, so that a signal to the child
/// reaches the proxy itself.
fn shell(command: &str) -> Command {
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    let mut runner = Command::new(shell.unwrap_or_else(|| OsString::from("/bin/sh")));
    runner.arg("-c").arg(format!("exec {command}"));
    runner
}

fn wait_readable(socket: &OwnedFd, deadline: Option<Instant>) -> io::Result<()> {
    let Some(deadline) = deadline else { return Ok(()) };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
        }
    }
}

fn receive_descriptor(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    loop {
        let mut buffers = [IoSliceMut::new(&mut byte)];
        match rustix::net::recvmsg(socket, &mut buffers, &mut control, open::RECEIVE) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => break,
        }
    }
    let passed = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let passed = passed.ok_or_else(|| {
        io::Error::new(io::ErrorKind::UnexpectedEof, "proxy dialer did not pass back a connection")
    })?;
    Ok(open::received(passed)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
    use std::os::fd::AsFd;

    #[test]
    fn a_descriptor_comes_through() {
        let (a, b) = open::socket_pair(SocketType::STREAM).unwrap();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let passed = [reader.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
        let bytes = [io::IoSlice::new(b"x")];
        rustix::net::sendmsg(&a, &bytes, &mut control, SendFlags::empty()).unwrap();
        let received = receive_descriptor(&b).unwrap();
        rustix::io::write(&writer, b"hello").unwrap();
        let mut room = [0; 8];
        assert_eq!(rustix::io::read(&received, &mut room).unwrap(), 5);
        drop(a);
        assert!(receive_descriptor(&b).is_err());
    }
}
