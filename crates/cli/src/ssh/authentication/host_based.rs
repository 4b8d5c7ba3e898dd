//! Host-based login: this host vouches for its user, through `ssh-keysign`. RFC 4252 §9.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use keys::PublicKey;
use proto::Voucher;
use wire::{Reader, Writer};

use crate::keysign;
use crate::messages::debug;
use crate::text::reason;

/// Where a set-user-ID `ssh-keysign` may be.
const PLACES: [&str; 4] = [
    "/usr/local/libexec/ssh-keysign",
    "/usr/lib/openssh/ssh-keysign",
    "/usr/libexec/openssh/ssh-keysign",
    "/usr/libexec/ssh-keysign",
];

/// What is needed for it.
pub struct HostBased {
    keys: Vec<PublicKey>,
    /// The connection, whose own end gives this host its name.
    socket: Option<OwnedFd>,
    client_user: String,
}

impl HostBased {
    /// Reads this host's public keys.
    pub fn prepare(socket: Option<OwnedFd>, client_user: &str) -> Self {
        let socket = socket.or_else(|| keysign::no_socket().ok());
        HostBased { keys: keysign::host_keys(), socket, client_user: client_user.to_owned() }
    }

    /// The next key to try, by the first algorithm that fits.
    pub fn next(&mut self, accepted: &[String]) -> Option<Voucher> {
        let fits = |name: &String| {
            let at = self
                .keys
                .iter()
                .position(|key| key.signature_algorithms().contains(&name.as_str()))?;
            Some((at, name.clone()))
        };
        let Some((at, algorithm)) = accepted.iter().find_map(fits) else {
            debug!("No more client hostkeys for hostbased authentication.");
            return None;
        };
        let key = self.keys.remove(at);
        let host = keysign::local_name(self.socket.as_ref()?.as_fd());
        debug!("userauth_hostbased: trying key type {algorithm}, chost {host}.");
        Some(Voucher {
            algorithm,
            key,
            client_host: format!("{host}."),
            client_user: self.client_user.clone(),
        })
    }

    /// Has it signed.
    ///
    /// # Errors
    /// Why not.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>, String> {
        let socket = self.socket.as_ref().ok_or("no connection to name this host by")?;
        // A copy that the child inherits; nothing else is started meanwhile.
        let passed = rustix::io::dup(socket).map_err(|errno| reason(&errno.into()))?;
        rustix::io::fcntl_setfd(&passed, rustix::io::FdFlags::empty())
            .map_err(|errno| reason(&errno.into()))?;
        use std::os::fd::AsRawFd;
        let mut request = Vec::new();
        request.put_u32(passed.as_raw_fd().cast_unsigned());
        request.put_string(data);
        let mut command = program()?;
        debug!("userauth_hostbased: signing through {}", command.get_program().display());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|source| reason(&source))?;
        drop(passed);
        let answer = (|| {
            keysign::send(child.stdin.as_mut()?, &request).ok()?;
            keysign::receive(child.stdout.as_mut()?).ok()
        })();
        drop(child.stdin.take());
        // Its status says nothing that its answer does not.
        let _ = child.wait();
        let answer = answer.ok_or("ssh-keysign did not sign")?;
        let signature = Reader::new(&answer).string().map(<[u8]>::to_vec);
        signature.map_err(|_| "bad answer from ssh-keysign".to_owned())
    }
}

/// Root can read the keys itself and needs no other file.
fn program() -> Result<Command, String> {
    if rustix::process::geteuid().is_root() {
        let own = std::env::current_exe().map_err(|source| reason(&source))?;
        let mut command = Command::new(own);
        command.arg("ssh-keysign");
        return Ok(command);
    }
    let found = PLACES.iter().map(PathBuf::from).find(|path| path.is_file());
    found.map(Command::new).ok_or_else(|| "there is no ssh-keysign here".to_owned())
}
