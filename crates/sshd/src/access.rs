//! Whether an account may log in at all: its state, and the allow and deny lists.
//!
//! Asked once per connection, as soon as the user's name is known. A refusal is for the server's log only; to the
//! peer it looks like any other failed login.

use crate::accounts::{Account, ShellState, Term};
use keys::{address, pattern};
use std::fmt;
use std::net::IpAddr;

/// The rules of the configuration, as patterns in the order in which they stand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// `DenyUsers`: `user` or `user@host` patterns.
    pub deny_users: &'a [String],
    /// `AllowUsers`: the same.
    pub allow_users: &'a [String],
    /// `DenyGroups`: patterns of group names.
    pub deny_groups: &'a [String],
    /// `AllowGroups`: the same.
    pub allow_groups: &'a [String],
    /// `UsePAM`: whether an account is locked or over is PAM's to say.
    pub use_pam: bool,
    /// `ChrootDirectory` is set: the shell is in another file system and cannot be looked at.
    pub chroot: bool,
}

/// Where the peer is.
#[derive(Clone, Copy, Debug)]
pub struct Peer<'a> {
    /// Its name, or its address as text without `UseDNS`.
    pub host: &'a str,
    /// Its address; `None` when it did not come over IP.
    pub address: Option<IpAddr>,
}

/// Why an account may not log in. `Display` gives the line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    user: String,
    host: String,
    reason: Reason,
}

/// The reasons, in the order in which they are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no such account.
    Unknown,
    /// The account's own end has come.
    Expired,
    /// The password is locked.
    Locked,
    /// The shell is not there.
    ShellMissing(String),
    /// The shell cannot be executed.
    ShellNotExecutable(String),
    /// In `DenyUsers`.
    DenyUsers,
    /// Not in `AllowUsers`.
    AllowUsers,
    /// The groups cannot be found, and there is a rule about groups.
    NoGroups,
    /// A group is in `DenyGroups`.
    DenyGroups,
    /// No group is in `AllowGroups`.
    AllowGroups,
}

impl Denied {
    /// The reason alone.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, host) = (short(&self.user), short(&self.host));
        let because = match &self.reason {
            Reason::Unknown => return write!(f, "Invalid user {user} from {host}"),
            Reason::Expired => return write!(f, "Account {user} has expired"),
            Reason::Locked => {
                return write!(f, "User {user} not allowed because account is locked");
            }
            Reason::ShellMissing(shell) => {
                let shell = short(shell);
                return write!(f, "User {user} not allowed because shell {shell} does not exist");
            }
            Reason::ShellNotExecutable(shell) => {
                let shell = short(shell);
                return write!(
                    f,
                    "User {user} not allowed because shell {shell} is not executable"
                );
            }
            Reason::DenyUsers => "listed in DenyUsers",
            Reason::AllowUsers => "not listed in AllowUsers",
            Reason::NoGroups => "not in any group",
            Reason::DenyGroups => "a group is listed in DenyGroups",
            Reason::AllowGroups => "none of user's groups are listed in AllowGroups",
        };
        write!(f, "User {user} from {host} not allowed because {because}")
    }
}

/// What a log line shows of a name that others chose.
fn short(text: &str) -> &str {
    let mut end = text.len().min(100);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Judges whether an account may log in from where the peer is.
///
/// # Errors
/// With the first reason against it.
pub fn check(
    account: &Account,
    rules: &Rules<'_>,
    peer: &Peer<'_>,
    now_seconds: u64,
) -> Result<(), Denied> {
    let denied =
        |reason| Err(Denied { user: account.name.clone(), host: peer.host.to_owned(), reason });
    if !account.exists {
        return denied(Reason::Unknown);
    }
    if !rules.use_pam
        && let Some(shadow) = account.shadow()
    {
        if shadow.account_term(now_seconds) == Term::Over {
            return denied(Reason::Expired);
        }
        if shadow.is_locked() {
            return denied(Reason::Locked);
        }
    }
    if !rules.chroot {
        let shell = || account.shell.display().to_string();
        match account.shell_state() {
            ShellState::Fine => {}
            ShellState::Missing => return denied(Reason::ShellMissing(shell())),
            ShellState::NotExecutable => return denied(Reason::ShellNotExecutable(shell())),
        }
    }
    // A pattern that makes no sense counts against the user, whichever list it is in.
    let listed = |patterns: &[String], senseless: bool| {
        let mut hits = patterns.iter().map(|pattern| matches_user(pattern, &account.name, peer));
        hits.any(|hit| hit.unwrap_or(senseless))
    };
    if listed(rules.deny_users, true) {
        return denied(Reason::DenyUsers);
    }
    if !rules.allow_users.is_empty() && !listed(rules.allow_users, false) {
        return denied(Reason::AllowUsers);
    }
    if rules.deny_groups.is_empty() && rules.allow_groups.is_empty() {
        return Ok(());
    }
    let groups = account.group_names().unwrap_or_default();
    if groups.is_empty() {
        return denied(Reason::NoGroups);
    }
    if matches_any(&groups, rules.deny_groups) {
        return denied(Reason::DenyGroups);
    }
    if !rules.allow_groups.is_empty() && !matches_any(&groups, rules.allow_groups) {
        return denied(Reason::AllowGroups);
    }
    Ok(())
}

/// Whether a group matches the patterns: a negated one that matches takes the group out.
fn matches_any(groups: &[String], patterns: &[String]) -> bool {
    groups.iter().any(|group| {
        let negated = |pattern: &&String| pattern.starts_with('!');
        let hit = |pattern: &String| pattern::matches(pattern.trim_start_matches('!'), group);
        !patterns.iter().filter(negated).any(hit)
            && patterns.iter().filter(|pattern| !negated(pattern)).any(hit)
    })
}

/// `user` or `user@host`, the host being patterns of names or addresses or networks.
///
/// # Errors
/// When what looks like a network is none.
fn matches_user(pattern: &str, user: &str, peer: &Peer<'_>) -> Result<bool, keys::Error> {
    // The last @ divides, as names may have one and hosts may not.
    let Some((user_pattern, hosts)) = pattern.rsplit_once('@') else {
        return Ok(pattern::matches(pattern, user));
    };
    if !pattern::matches(user_pattern, user) {
        return Ok(false);
    }
    match peer.address.map(|address| address.to_canonical()) {
        Some(client) => address::matches_host_and_address(hosts, Some(peer.host), client),
        None => Ok(pattern::matches_host_list(hosts, peer.host) == Some(true)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Account {
        Account::by_name("root").unwrap().unwrap()
    }

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|&pattern| pattern.to_owned()).collect()
    }

    const PEER: Peer<'_> = Peer {
        host: "client.example.org",
        address: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7))),
    };

    fn judge(rules: Rules<'_>) -> Result<(), String> {
        // PAM's judgement is left out, since the shadow file differs from system to system.
        check(&root(), &Rules { use_pam: true, ..rules }, &PEER, 0).map_err(|why| why.to_string())
    }

    #[test]
    fn users() {
        assert_eq!(judge(Rules::default()), Ok(()));
        let deny = list(&["nobody", "ro*"]);
        assert_eq!(
            judge(Rules { deny_users: &deny, ..Rules::default() }).unwrap_err(),
            "User root from client.example.org not allowed because listed in DenyUsers"
        );
        let allow = list(&["nobody"]);
        assert_eq!(
            judge(Rules { allow_users: &allow, ..Rules::default() }).unwrap_err(),
            "User root from client.example.org not allowed because not listed in AllowUsers"
        );
        // Denial counts before permission.
        let both = list(&["root"]);
        let rules = Rules { allow_users: &both, deny_users: &both, ..Rules::default() };
        assert!(judge(rules).unwrap_err().ends_with("DenyUsers"));
    }

    #[test]
    fn users_at_hosts() {
        for (pattern, matches) in [
            ("root@192.0.2.0/24", true),
            ("root@0.0.0.0/0", true),
            ("root@198.51.100.0/24", false),
            ("root@192.0.2.*", true),
            ("root@*.EXAMPLE.org", true),
            ("root@elsewhere", false),
            ("other@192.0.2.7", false),
            ("root@192.0.2.0/33", false),
            ("root@2001:db8::/32", false),
        ] {
            let allow = list(&[pattern]);
            let rules = Rules { allow_users: &allow, ..Rules::default() };
            assert_eq!(judge(rules).is_ok(), matches, "{pattern}");
        }
        let senseless = list(&["root@192.0.2.0/33"]);
        let rules = Rules { deny_users: &senseless, ..Rules::default() };
        assert!(judge(rules).is_err());
    }

    #[test]
    fn groups() {
        let root = list(&["root"]);
        let other = list(&["no-such-group"]);
        let negated = list(&["*", "!root"]);
        assert_eq!(judge(Rules { allow_groups: &root, ..Rules::default() }), Ok(()));
        assert_eq!(
            judge(Rules { deny_groups: &root, ..Rules::default() }).unwrap_err(),
            "User root from client.example.org not allowed because a group is listed in DenyGroups"
        );
        assert_eq!(
            judge(Rules { allow_groups: &other, ..Rules::default() }).unwrap_err(),
            "User root from client.example.org not allowed because none of user's groups are \
             listed in AllowGroups"
        );
        assert_eq!(judge(Rules { deny_groups: &negated, ..Rules::default() }), Ok(()));
    }

    #[test]
    fn shells() {
        let rules = Rules { use_pam: true, ..Rules::default() };
        let with = |shell: &str| {
            let account = Account { shell: shell.into(), ..root() };
            check(&account, &rules, &PEER, 0).map_err(|why| why.to_string())
        };
        assert_eq!(
            with("/no/shell").unwrap_err(),
            "User root not allowed because shell /no/shell does not exist"
        );
        assert_eq!(
            with("/etc/passwd").unwrap_err(),
            "User root not allowed because shell /etc/passwd is not executable"
        );
        let account = Account { shell: "/no/shell".into(), ..root() };
        assert_eq!(check(&account, &Rules { chroot: true, ..rules }, &PEER, 0), Ok(()));
    }

    #[test]
    fn nobody_is_let_in_as_an_unknown_user() {
        let denied = check(&Account::unknown(), &Rules::default(), &PEER, 0).unwrap_err();
        assert_eq!(denied.reason(), &Reason::Unknown);
    }
}
