//! Parts of the login that take long.

use std::time::Duration;

use super::{seconds, shell_word};
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

/// Parts that are at least one answer to something of ours.
const ANSWERS: [&str; 5] =
    ["key exchange", "first answer", "answer about a key", "login", "session"];

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
    let round_trip = round_trip(visit);
    if let Some(round_trip) = round_trip.filter(|time| *time >= limits::SLOW_ROUND_TRIP) {
        found.push(slow_network(visit, round_trip));
    }
    // What the network takes is not the part's own.
    let network = round_trip.unwrap_or_default() * 2;
    let is_slow = |took: Duration| took.saturating_sub(network) >= limits::SLOW;
    for moment in visit.talk.moments.iter().filter(|moment| is_slow(moment.took)) {
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

/// What every answer took at least, where there were some.
fn round_trip(visit: &Visit) -> Option<Duration> {
    let answers = visit.talk.moments.iter().filter(|one| ANSWERS.contains(&one.what.as_str()));
    let times: Vec<Duration> = answers.map(|one| one.took).collect();
    if times.len() < 2 { None } else { times.into_iter().min() }
}

fn slow_network(visit: &Visit, round_trip: Duration) -> Finding {
    let name = &visit.target.host_name;
    let connection = visit.talk.moments.iter().find(|one| one.what == "connection");
    let (sure, why) = match connection {
        Some(one) if one.took >= round_trip / 2 => (
            Sure::Certain,
            format!(
                "The way to {name} is slow: every packet and its answer take long, before SSH begins already."
            ),
        ),
        _ => (
            Sure::Likely,
            format!(
                "Every answer from {name} takes long: what stands between passes data on late, or the server is slow in all it does."
            ),
        ),
    };
    let parts = visit.talk.moments.iter();
    Finding::new("slow-network", sure, why)
        .seen(format!("every answer took {} or more", seconds(round_trip)))
        .seen_all(parts.map(|one| format!("{} took {}", one.what, seconds(one.took))))
        .mend(format!(
            "ping {}; mtr -rw {}    # where the time goes",
            shell_word(name),
            shell_word(name)
        ))
}
