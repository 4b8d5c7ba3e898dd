//! Parts of the login that take long.

use super::seconds;
use crate::finding::{Finding, Sure};
use crate::limits;
use crate::visit::{Ending, Visit};

/// A part of the login, by what it is called among the moments: the finding's name, what is slow
/// there, and what to look at.
const PARTS: &[(&str, &str, &str, &str)] = &[
    (
        "connection",
        "slow-connection",
        "the first address does not answer, or the network loses packets",
        "ssh -4 or ssh -6, or AddressFamily in ~/.ssh/config, when one family does not work",
    ),
    (
        "ident",
        "slow-greeting",
        "the server is busy, or looks the client's name up before it speaks (TCP wrapper)",
        "uptime; journalctl -u ssh -n 20    # on the server",
    ),
    (
        "proposals",
        "slow-greeting",
        "the server is busy, or the network loses packets",
        "uptime; journalctl -u ssh -n 20    # on the server",
    ),
    (
        "key exchange",
        "slow-key-exchange",
        "one of the two machines is slow, or has to make a group first",
        "ssh -o KexAlgorithms=curve25519-sha256 HOST    # is it faster?",
    ),
    (
        "first answer",
        "slow-user-lookup",
        "before it says how to log in the server looks the user up (LDAP, NSS), and perhaps the client's name (UseDNS)",
        "time getent passwd USER; time getent hosts CLIENT_ADDRESS; sshd explain | grep -i usedns    # on the server",
    ),
    (
        "answer about a key",
        "slow-key-check",
        "the server takes long to find keys: AuthorizedKeysCommand, or a home directory in the network",
        "sshd explain --user USER | grep -i authorizedkeys    # on the server; time that command, time ls ~USER",
    ),
    (
        "login",
        "slow-authentication",
        "the server waits for PAM (its rules for accounts, or for sessions), or a directory",
        "grep -E '^(account|session|@)' /etc/pam.d/sshd; journalctl -u ssh -n 20    # on the server",
    ),
    (
        "session",
        "slow-session",
        "the server waits for PAM to open the session, as modules for systemd or home directories do",
        "grep -E '^(session|@)' /etc/pam.d/sshd; journalctl -u ssh -u systemd-logind -n 20    # on the server",
    ),
    (
        "shell",
        "slow-shell",
        "the shell's start takes long: what is in its files",
        "ssh HOST 'for f in /etc/profile ~/.profile ~/.bashrc ~/.bash_profile ~/.zshrc; do echo $f; done'    # then: bash -lxc true",
    ),
];

pub fn check(visit: &Visit) -> Vec<Finding> {
    if !visit.is_in() && visit.talk.ending != Ending::Done {
        return Vec::new();
    }
    let mut found = Vec::new();
    let name = &visit.target.host_name;
    if visit.reach.resolve_time >= limits::SLOW {
        found.push(
            Finding::new(
                "slow-name-service",
                Sure::Certain,
                format!("The name service takes long for {name}."),
            )
            .seen(format!("it took {}", seconds(visit.reach.resolve_time)))
            .mend("cat /etc/resolv.conf    # its first server may be dead"),
        );
    }
    for moment in visit.talk.moments.iter().filter(|moment| moment.took >= limits::SLOW) {
        let part = PARTS.iter().find(|(what, ..)| *what == moment.what);
        let Some((_, finding, why, mend)) = part else { continue };
        found.push(
            Finding::new(finding, Sure::Likely, format!("The login to {name} is slow: {why}."))
                .seen(format!("{} took {}", moment.what, seconds(moment.took)))
                .mend(*mend),
        );
    }
    found
}
