use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::descriptor::{Descriptor, Kind};
use crate::reactor::{Interest, Owner, Reactor, Slot};

/// The bytes below SSH: a socket, or a pair of pipes.
#[derive(Debug)]
pub struct Transport {
    input: OwnedFd,
    output: Option<OwnedFd>,
}

impl Transport {
    /// One descriptor for both directions.
    pub fn socket(fd: OwnedFd) -> Self {
        Self { input: fd, output: None }
    }

    /// One descriptor for each direction, as for `sshd -i` and ProxyCommand.
    pub fn pair(input: OwnedFd, output: OwnedFd) -> Self {
        Self { input, output: Some(output) }
    }
}

/// A transport in the poll.
#[derive(Debug)]
pub(crate) struct Wire {
    input: Descriptor,
    output: Option<Descriptor>,
    input_slot: Option<Slot>,
    output_slot: Option<Slot>,
    enlarged: bool,
}

/// What a read of the transport gave.
#[derive(Debug)]
pub(crate) enum Received {
    Bytes(usize),
    Nothing,
    End,
    Failed(Errno),
}

impl Wire {
    pub(crate) fn new(transport: Transport, reactor: &mut Reactor) -> io::Result<Self> {
        for fd in [Some(&transport.input), transport.output.as_ref()].into_iter().flatten() {
            // What is written is whole turns of the loop already; Nagle would
            // make the last of it wait for an acknowledgement that is delayed.
            // A transport that is no TCP socket refuses.
            let _ = rustix::net::sockopt::set_tcp_nodelay(fd, true);
        }
        let input = Descriptor::probe(transport.input)?;
        let Some(output) = transport.output else {
            let slot = reactor.add(&input, Owner::Transport, Interest::Both)?;
            let (input_slot, output_slot) = (slot, slot);
            return Ok(Self { input, output: None, input_slot, output_slot, enlarged: false });
        };
        let output = Descriptor::probe(output)?;
        let input_slot = reactor.add(&input, Owner::Transport, Interest::Readable)?;
        let output_slot = reactor.add(&output, Owner::Transport, Interest::Writable)?;
        Ok(Self { input, output: Some(output), input_slot, output_slot, enlarged: false })
    }

    pub(crate) fn output(&self) -> &Descriptor {
        self.output.as_ref().unwrap_or(&self.input)
    }

    pub(crate) fn is_readable(&self, reactor: &Reactor) -> bool {
        reactor.ready(self.input_slot).readable
    }

    pub(crate) fn is_writable(&self, reactor: &Reactor) -> bool {
        reactor.ready(self.output_slot).writable
    }

    pub(crate) fn receive(&mut self, reactor: &mut Reactor, room: &mut [u8]) -> Received {
        let closed = reactor.ready(self.input_slot).closed;
        loop {
            match rustix::io::read(&self.input, &mut *room) {
                Ok(0) => return Received::End,
                Ok(count) => {
                    // A short read emptied a pipe or socket; the end, if there
                    // is one, was or will be told separately.
                    if count < room.len() && !closed && self.input.kind() != Kind::Terminal {
                        reactor.not_readable(self.input_slot);
                    }
                    return Received::Bytes(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    reactor.not_readable(self.input_slot);
                    return Received::Nothing;
                }
                Err(error) => return Received::Failed(error),
            }
        }
    }

    /// Writes what the kernel takes.
    pub(crate) fn send(&mut self, reactor: &mut Reactor, bytes: &[u8]) -> Result<usize, Errno> {
        loop {
            match rustix::io::write(self.output(), bytes) {
                Ok(count) => {
                    if count < bytes.len() {
                        reactor.not_writable(self.output_slot);
                        if !self.enlarged {
                            self.enlarged = true;
                            self.output().enlarge();
                        }
                    }
                    return Ok(count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    reactor.not_writable(self.output_slot);
                    return Ok(0);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
