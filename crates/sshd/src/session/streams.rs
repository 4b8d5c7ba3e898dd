//! What a program reads and writes.

use std::io;
use std::os::fd::OwnedFd;

use crate::pty::Pty;

/// A larger pipe means fewer system calls; a user may have 64 MiB of it, the rest get the usual size.
const PIPE_BYTES: usize = 1 << 20;

/// The ends of a program's standard streams.
pub(super) struct Streams {
    /// For the program: input, output, errors.
    pub(super) theirs: [OwnedFd; 3],
    /// For the gate: the terminal; or input, output, errors.
    pub(super) ours: Vec<OwnedFd>,
}

/// The terminal three times.
pub(super) fn terminal_streams(pty: &Pty) -> io::Result<Streams> {
    let slave = || pty.slave.try_clone();
    Ok(Streams { theirs: [slave()?, slave()?, slave()?], ours: vec![pty.master.try_clone()?] })
}

/// A pipe for each.
pub(super) fn pipe_streams() -> io::Result<Streams> {
    let pipe = || {
        let ends = net::open::pipe()?;
        net::open::enlarge_pipe(&ends.0, PIPE_BYTES);
        io::Result::Ok(ends)
    };
    let (input, to_program) = pipe()?;
    let (from_program, output) = pipe()?;
    let (errors_from_program, errors) = net::open::pipe()?;
    Ok(Streams {
        theirs: [input, output, errors],
        ours: vec![to_program, from_program, errors_from_program],
    })
}
