//! `ssh-keysign`: signs with this host's keys that its user is who they say. RFC 4252 §9.
//!
//! A copy of the program with this name is to be owned by root and set-user-ID: host keys are
//! root's. It reads the keys, gives up every right, and only then looks at what it is asked. It
//! signs nothing but a host-based login of the user who runs it, from this host.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;

use keys::{PrivateKey, PublicKey};
use proto::Voucher;
use wire::{Reader, Writer};
use zeroize::Zeroizing;

use crate::ssh::args::Arguments;
use crate::ssh::settings;
use crate::{files, sys};

/// Where this host's keys are.
pub const HOST_KEYS: [&str; 3] =
    ["/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key"];
/// The file that may allow it. No user's own file counts.
const CONFIG: &str = "/etc/ssh/ssh_config";
/// The version of the messages, which OpenSSH's `ssh-keysign` has as well.
pub const VERSION: u8 = 2;
/// No message is larger.
const MESSAGE_BYTES: usize = 256 * 1024;
/// No key file is larger.
const FILE_BYTES: u64 = 64 * 1024;
/// The lengths of exchange hashes.
const SESSION_ID_BYTES: [usize; 4] = [20, 32, 48, 64];

/// Runs the tool.
pub fn main(_words: &[OsString]) -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("ssh-keysign: {why}");
            ExitCode::from(255)
        }
    }
}

fn run() -> Result<(), String> {
    let texts: Vec<Zeroizing<Vec<u8>>> = HOST_KEYS
        .iter()
        .filter_map(|path| files::read_limited(path.as_ref(), FILE_BYTES).ok().map(Zeroizing::new))
        .collect();
    sys::give_up_rights().map_err(|source| format!("setuid: {}", crate::text::reason(&source)))?;
    if texts.is_empty() {
        return Err("could not open any host key".to_owned());
    }
    let user = sys::account_by_uid(rustix::process::getuid().as_raw()).ok_or("unknown user")?;
    let arguments = Arguments { config_file: Some(CONFIG.into()), ..Arguments::default() };
    let config = settings::load(&arguments, &user)?;
    if !*config.enable_ssh_keysign {
        return Err(format!("ssh-keysign not enabled in {CONFIG}"));
    }
    let keys: Vec<PrivateKey> =
        texts.iter().filter_map(|text| PrivateKey::parse(text, None).ok()).collect();
    drop(texts);

    let body = receive(&mut io::stdin().lock()).map_err(|_| "bad request".to_owned())?;
    let (socket, data) = read_request(&body).map_err(|_| "bad request".to_owned())?;
    let host = sys::with_inherited(socket, local_name).ok_or("bad fd")?;
    let voucher = check(&data, &host, &user.name)?;
    let public = voucher.key.plain();
    let key = keys.iter().find(|key| *key.public() == public);
    let key = key.ok_or_else(|| {
        let fingerprint = public.fingerprint(keys::FingerprintHash::Sha256);
        format!("no matching hostkey found for key {} {fingerprint}", public.algorithm())
    })?;
    let plain = keys::algorithms::lookup(&voucher.algorithm)
        .map_or(voucher.algorithm.as_str(), |row| row.signature_name);
    let signature = key.sign(plain, &data).map_err(|problem| problem.to_string())?;
    let mut answer = Vec::new();
    answer.put_string(&signature);
    send(&mut io::stdout().lock(), &answer).map_err(|source| crate::text::reason(&source))
}

fn read_request(body: &[u8]) -> Result<(u32, Vec<u8>), wire::Error> {
    let mut reader = Reader::new(body);
    let request = (reader.u32()?, reader.string()?.to_vec());
    reader.finish()?;
    Ok(request)
}

/// Only a login from here, of this user.
fn check(data: &[u8], host: &str, user: &str) -> Result<Voucher, String> {
    let (session_id, _, voucher) =
        Voucher::from_signed_data(data).map_err(|_| "not a valid request".to_owned())?;
    let is_ours = SESSION_ID_BYTES.contains(&session_id.len())
        && voucher.client_host.strip_suffix('.') == Some(host)
        && voucher.client_user == user
        && voucher.key.signature_algorithms().contains(&voucher.algorithm.as_str());
    if is_ours { Ok(voucher) } else { Err("not a valid request".to_owned()) }
}

/// The name of this host, as the connection has it: that of its own end, else of the machine.
pub fn local_name(connection: BorrowedFd<'_>) -> String {
    let address = rustix::net::getsockname(connection).ok();
    let address = address.and_then(|address| SocketAddr::try_from(address).ok());
    address
        .and_then(|address| net::names::of_address(&address))
        .unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// One message: a length, the version, and what it is about.
///
/// # Errors
/// It cannot be written.
pub fn send(to: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let mut message = Vec::with_capacity(5 + body.len());
    message.put_u32(u32::try_from(body.len() + 1).unwrap_or(u32::MAX));
    message.push(VERSION);
    message.extend_from_slice(body);
    to.write_all(&message)?;
    to.flush()
}

/// The other way.
///
/// # Errors
/// There is none, or it is of another version.
pub fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    from.read_exact(&mut head)?;
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length == 0 || length > MESSAGE_BYTES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    from.read_exact(&mut message)?;
    match message.split_first() {
        Some((&VERSION, body)) => Ok(body.to_vec()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// This host's public keys, certificates first.
pub fn host_keys() -> Vec<PublicKey> {
    let read = |suffix: &'static str| {
        HOST_KEYS.iter().filter_map(move |path| {
            let bytes = files::read_limited(format!("{path}{suffix}").as_ref(), FILE_BYTES).ok()?;
            let (key, _) = PublicKey::from_line(std::str::from_utf8(&bytes).ok()?.trim()).ok()?;
            Some(key)
        })
    };
    read("-cert.pub").chain(read(".pub")).collect()
}

/// Something to ask a name of where there is no socket.
///
/// # Errors
/// There is no `/dev/null`.
pub fn no_socket() -> io::Result<std::os::fd::OwnedFd> {
    std::fs::File::open("/dev/null")?.as_fd().try_clone_to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_login_of_this_user_from_here_is_signed() {
        let key = PrivateKey::generate(keys::KeyKind::Ed25519, None, "").expect("key");
        let voucher = |host: &str, user: &str| Voucher {
            algorithm: "ssh-ed25519".to_owned(),
            key: key.public().clone(),
            client_host: host.to_owned(),
            client_user: user.to_owned(),
        };
        let session_id = [7; 32];
        let judge = |one: &Voucher| check(&one.signed_data(&session_id, "root"), "here", "kim");
        assert!(judge(&voucher("here.", "kim")).is_ok());
        for (host, user) in
            [("there.", "kim"), ("here", "kim"), ("here.", "root"), ("here..", "kim")]
        {
            assert!(judge(&voucher(host, user)).is_err(), "{host} {user}");
        }
        let short = voucher("here.", "kim").signed_data(&[7; 5], "root");
        assert!(check(&short, "here", "kim").is_err());
        assert!(check(b"anything else", "here", "kim").is_err());
    }

    #[test]
    fn messages_come_out_as_they_went_in() {
        let mut bytes = Vec::new();
        send(&mut bytes, b"body").expect("sent");
        assert_eq!(bytes, [0, 0, 0, 5, 2, b'b', b'o', b'd', b'y']);
        assert_eq!(receive(&mut bytes.as_slice()).expect("received"), b"body");
        for bad in [&[0, 0, 0, 0][..], &[0xff; 8], &[0, 0, 0, 1, 9], &[0, 0]] {
            assert!(receive(&mut &*bad).is_err());
        }
    }
}
