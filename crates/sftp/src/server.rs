//! The server: requests in, answers out, one after the other.

mod answering;

use crate::Error;
use crate::files::{Files, Refusal};
use crate::handles::{Handles, Open};
use crate::limits::{OUTPUT_BYTES, PATH_BYTES};
use crate::packet::{Input, Output};
use crate::request::{Request, RequestKind};

pub use self::answering::{AccountNames, Entries};

/// What a server does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// Nothing is changed.
    pub read_only: bool,
    denied: u32,
}

impl Policy {
    /// Everything may be done, or everything that changes nothing.
    pub fn new(read_only: bool) -> Self {
        Self { read_only, ..Self::default() }
    }

    /// Refuses requests of this kind.
    pub fn deny(&mut self, kind: RequestKind) {
        self.denied |= 1 << kind as u32;
    }

    fn refuses(self, kind: RequestKind) -> Option<Refusal> {
        if self.read_only && kind.row().writes {
            Some(Refusal::ReadOnly)
        } else if self.denied & (1 << kind as u32) != 0 {
            Some(Refusal::NotPermitted)
        } else {
            None
        }
    }
}

/// The server's end of one conversation.
///
/// Bytes go in through [`Self::room`] and [`Self::received`], [`Self::run`] handles what has arrived whole, and
/// answers come out of [`Self::output`] and [`Self::sent`].
pub struct Server<F: Files> {
    files: F,
    policy: Policy,
    handles: Handles<F::File, F::Directory>,
    initialised: bool,
    input: Input,
    output: Output,
}

impl<F: Files> Server<F> {
    /// Before the first byte.
    pub fn new(files: F, policy: Policy) -> Self {
        let handles = Handles::new(files.handles_max());
        Self {
            files,
            policy,
            handles,
            initialised: false,
            input: Input::new(),
            output: Output::default(),
        }
    }

    /// Where to put bytes that arrive. Not empty when [`Self::run`] has nothing more to do.
    pub fn room(&mut self) -> &mut [u8] {
        self.input.room()
    }

    /// So many bytes were put into the room.
    pub fn received(&mut self, count: usize) {
        self.input.received(count);
    }

    /// What is to be sent now.
    pub fn output(&self) -> &[u8] {
        self.output.waiting()
    }

    /// So many bytes of it have been sent.
    pub fn sent(&mut self, count: usize) {
        self.output.sent(count);
    }

    /// The file system behind it.
    pub fn files(&mut self) -> &mut F {
        &mut self.files
    }

    /// Handles requests until all that arrived are answered, or enough waits to be sent. Says whether there may be
    /// more to do once that is sent.
    ///
    /// # Errors
    /// When the client breaks the rules so that there is no going on; what waits may still be sent.
    pub fn run(&mut self) -> Result<bool, Error> {
        loop {
            if self.output.waiting().len() >= OUTPUT_BYTES {
                return Ok(true);
            }
            let Some(packet) = self.input.next()? else { return Ok(false) };
            let mut answering = Answering {
                files: &mut self.files,
                handles: &mut self.handles,
                output: &mut self.output,
                policy: self.policy,
            };
            answering.packet(packet, &mut self.initialised)?;
        }
    }

    /// The client has gone: closes what it left open. Says whether it went in the middle of a packet.
    pub fn end(&mut self) -> bool {
        for open in self.handles.drain() {
            // There is nobody to tell.
            let _ = match open {
                Open::File(file) => self.files.close(file),
                Open::Directory(directory) => self.files.close_directory(directory),
            };
        }
        self.input.is_inside_packet()
    }
}

/// All of a server but its input, which the packet at hand is borrowed from.
struct Answering<'s, F: Files> {
    files: &'s mut F,
    handles: &'s mut Handles<F::File, F::Directory>,
    output: &'s mut Output,
    policy: Policy,
}

/// No system takes these paths.
fn is_sound(request: &Request<'_>) -> bool {
    let good = |path: &[u8]| path.len() <= PATH_BYTES && !path.contains(&0);
    match request {
        Request::Open { path, .. }
        | Request::Lstat { path }
        | Request::Setstat { path, .. }
        | Request::Opendir { path }
        | Request::Remove { path }
        | Request::Mkdir { path, .. }
        | Request::Rmdir { path }
        | Request::Realpath { path }
        | Request::Stat { path }
        | Request::Readlink { path }
        | Request::Statvfs { path }
        | Request::Lsetstat { path, .. }
        | Request::ExpandPath { path }
        | Request::HomeDirectory { user: path } => good(path),
        Request::Rename { old_path, new_path }
        | Request::PosixRename { old_path, new_path }
        | Request::Hardlink { old_path, new_path }
        | Request::Symlink { target_path: old_path, link_path: new_path } => {
            good(old_path) && good(new_path)
        }
        _ => true,
    }
}
