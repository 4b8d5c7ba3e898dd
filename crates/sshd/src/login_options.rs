//! What the keys and certificates of a login leave of what the configuration allows.

/// Hosts and ports: an empty host is any, the port 0 too.
pub(crate) type Places = Vec<(String, u16)>;

/// Restrictions of one login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginOptions {
    /// The only command, whatever is asked for.
    pub(crate) force_command: Option<String>,
    /// Terminals.
    pub(crate) pty: bool,
    /// `ssh -A`.
    pub(crate) agent_forwarding: bool,
    /// TCP and Unix sockets, both ways.
    pub(crate) port_forwarding: bool,
    /// X11.
    pub(crate) x11_forwarding: bool,
    /// `~/.ssh/rc`.
    pub(crate) user_rc: bool,
    /// Where connections may lead; each list must agree, no list is anywhere.
    pub(crate) permit_open: Vec<Places>,
    /// Where listeners may be; in the same way.
    pub(crate) permit_listen: Vec<Places>,
    /// The only tunnel device.
    pub(crate) tunnel: Option<u32>,
    /// Variables of the session.
    pub(crate) environment: Vec<(String, String)>,
    /// The password must be changed first.
    pub(crate) must_change_password: bool,
    /// Which line each key was in and what it allows, for the client's debugging.
    pub(crate) remarks: Vec<String>,
}

impl LoginOptions {
    /// No restriction.
    pub(crate) fn everything() -> Self {
        LoginOptions {
            force_command: None,
            pty: true,
            agent_forwarding: true,
            port_forwarding: true,
            x11_forwarding: true,
            user_rc: true,
            permit_open: Vec::new(),
            permit_listen: Vec::new(),
            tunnel: None,
            environment: Vec::new(),
            must_change_password: false,
            remarks: Vec::new(),
        }
    }

    /// The same without anything that leads out of the session.
    pub(crate) fn without_forwarding(self) -> Self {
        LoginOptions {
            agent_forwarding: false,
            port_forwarding: false,
            x11_forwarding: false,
            ..self
        }
    }

    /// What both this and `other` allow.
    pub(crate) fn restrict(&mut self, other: LoginOptions) {
        // A second key with another command cannot free the session of the first one's.
        if self.force_command.is_none() {
            self.force_command = other.force_command;
        }
        self.pty &= other.pty;
        self.agent_forwarding &= other.agent_forwarding;
        self.port_forwarding &= other.port_forwarding;
        self.x11_forwarding &= other.x11_forwarding;
        self.user_rc &= other.user_rc;
        self.permit_open.extend(other.permit_open);
        self.permit_listen.extend(other.permit_listen);
        self.tunnel = self.tunnel.or(other.tunnel);
        self.environment.extend(other.environment);
        self.must_change_password |= other.must_change_password;
        self.remarks.extend(other.remarks);
    }

    /// What a key in a line of `authorized_keys` may do, in the words of OpenSSH's.
    pub(crate) fn describe(&self, place: &str) -> String {
        let words = [
            (self.agent_forwarding, " agent-forwarding"),
            (self.force_command.is_some(), " command"),
            (!self.environment.is_empty(), " environment"),
            (!self.permit_open.is_empty(), " permitopen"),
            (!self.permit_listen.is_empty(), " permitlisten"),
            (self.port_forwarding, " port-forwarding"),
            (self.pty, " pty"),
            (self.tunnel.is_some(), " tun"),
            (self.user_rc, " user-rc"),
            (self.x11_forwarding, " x11-forwarding"),
        ];
        let said = words.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| *word);
        format!("{place}: key options:{}", said.collect::<String>())
    }
}

/// Whether every list has a place that is this one.
pub(crate) fn permits(lists: &[Places], host: &str, port: u32) -> bool {
    lists.iter().all(|places| {
        places.iter().any(|(pattern, allowed)| {
            (*allowed == 0 || u32::from(*allowed) == port)
                && (pattern.is_empty() || pattern == "*" || pattern.eq_ignore_ascii_case(host))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_allow_only_what_both_do() {
        let mut options = LoginOptions::everything();
        options.restrict(LoginOptions {
            pty: false,
            force_command: Some("first".into()),
            permit_open: vec![vec![("a".into(), 1), ("b".into(), 0)]],
            ..LoginOptions::everything()
        });
        options.restrict(LoginOptions {
            force_command: Some("second".into()),
            permit_open: vec![vec![(String::new(), 2)]],
            ..LoginOptions::everything()
        });
        assert!(!options.pty && options.user_rc);
        assert_eq!(options.force_command.as_deref(), Some("first"));
        assert!(permits(&options.permit_open, "B", 2));
        assert!(!permits(&options.permit_open, "a", 1));
        assert!(!permits(&options.permit_open, "a", 2));
        assert!(permits(&[], "anywhere", 80));
        assert!(!permits(&[Vec::new()], "nowhere", 80));
    }
}
