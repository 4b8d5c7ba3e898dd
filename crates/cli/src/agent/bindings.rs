//! Which logins a connection to the agent stands for, and where a restricted key may go from
//! there. PROTOCOL.agent, `session-bind@openssh.com` and `restrict-destination-v00@openssh.com`.

use keys::agent::{DestinationConstraint, Hop, LoginRequest, SessionBind};
use keys::{CertificateKind, PublicKey};

use super::limits;

/// The algorithms a CA may have signed a host's certificate with: not SHA-1.
const WEAK_CA_ALGORITHM: &str = "ssh-rsa";

struct Binding {
    host_key: PublicKey,
    session_id: Vec<u8>,
    forwarded: bool,
}

/// The logins of one connection, from this machine outwards.
#[derive(Default)]
pub struct Bindings {
    hops: Vec<Binding>,
    /// Someone tried; a connection whose binding failed is not a local one.
    attempted: bool,
}

impl Bindings {
    /// Whether the connection comes from another machine, or may.
    pub fn is_remote(&self) -> bool {
        self.attempted
    }

    /// The last hop's key, where the connection is bound to one.
    pub fn destination(&self) -> Option<&PublicKey> {
        self.hops.last().map(|hop| &hop.host_key)
    }

    /// Takes a request to bind.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn bind(&mut self, contents: &[u8]) -> Result<(), String> {
        self.attempted = true;
        let bind = SessionBind::decode(contents).map_err(|problem| problem.to_string())?;
        if bind.session_id.len() > limits::SESSION_ID_BYTES {
            return Err("the session identifier is too long".to_owned());
        }
        bind.verify().map_err(|problem| format!("the host's signature: {problem}"))?;
        for hop in &self.hops {
            if !hop.forwarded {
                return Err("the connection is bound to a login already".to_owned());
            }
            match (hop.session_id == bind.session_id, hop.host_key == bind.host_key) {
                (true, true) => return Ok(()),
                (true, false) => return Err("the session is bound to another key".to_owned()),
                // Two logins to one host are fine.
                (false, _) => {}
            }
        }
        if self.hops.len() >= limits::SESSIONS {
            return Err("too many sessions are bound".to_owned());
        }
        let SessionBind { host_key, session_id, is_forwarding, .. } = bind;
        self.hops.push(Binding { host_key, session_id, forwarded: is_forwarding });
        Ok(())
    }

    /// Whether a key with these restrictions may be seen here and, when there is a `user`, used
    /// to log in as them at the last hop.
    ///
    /// # Errors
    /// Why not.
    pub fn permit(
        &self,
        destinations: &[DestinationConstraint],
        user: Option<&str>,
    ) -> Result<(), &'static str> {
        if destinations.is_empty() {
            return Ok(());
        }
        let Some((last, forwarding)) = self.hops.split_last() else {
            if self.attempted {
                return Err("the connection could not be bound to its session");
            }
            return Ok(());
        };
        let mut from = None;
        for hop in forwarding {
            if !hop.forwarded {
                return Err("it is forwarded over a connection that was to log in");
            }
            if !allowed(destinations, from, Some(&hop.host_key), None) {
                return Err("no restriction allows this way");
            }
            from = Some(&hop.host_key);
        }
        if last.forwarded && user.is_some() {
            return Err("the last session is for forwarding");
        }
        if !allowed(destinations, from, Some(&last.host_key), user) {
            return Err("no restriction allows this destination");
        }
        // A key that leads to a host but no further is not shown there.
        if last.forwarded
            && user.is_none()
            && !allowed(destinations, Some(&last.host_key), None, None)
        {
            return Err("it leads no further than this host");
        }
        Ok(())
    }

    /// Whether a key with these restrictions may sign `data`, and for what: it must be the
    /// request to log in of the session that was bound last.
    ///
    /// # Errors
    /// Why not.
    pub fn permit_signature(
        &self,
        destinations: &[DestinationConstraint],
        key: &PublicKey,
        data: &[u8],
    ) -> Result<LoginRequest, &'static str> {
        let Some(last) = self.hops.last() else {
            return Err("it is restricted, and the connection is bound to no session");
        };
        let login = LoginRequest::decode(data, key)
            .ok_or("it is restricted, and this is no request to log in")?;
        self.permit(destinations, Some(&login.user))?;
        if login.session_id != last.session_id {
            return Err("the request is for another session");
        }
        match &login.host_key {
            None if self.hops.len() > 1 => Err("the request does not name the host's key"),
            Some(host_key) if *host_key != last.host_key => {
                Err("the request names another host's key")
            }
            _ => Ok(login),
        }
    }
}

/// Whether one restriction allows the step. No `from` is this machine; no `to` is anywhere.
fn allowed(
    destinations: &[DestinationConstraint],
    from: Option<&PublicKey>,
    to: Option<&PublicKey>,
    user: Option<&str>,
) -> bool {
    destinations.iter().any(|destination| {
        let starts = match from {
            None => destination.from.host.is_empty(),
            Some(key) => !destination.from.host.is_empty() && is_of(key, &destination.from),
        };
        let ends = to.is_none_or(|key| is_of(key, &destination.to));
        let pattern = &destination.to.user;
        let user_fits =
            user.is_none_or(|user| pattern.is_empty() || keys::pattern::matches(pattern, user));
        starts && ends && user_fits
    })
}

/// Whether a host's key, or its certificate, is one of a hop's.
fn is_of(key: &PublicKey, hop: &Hop) -> bool {
    let Some(certificate) = key.certificate() else {
        return hop.keys.iter().any(|known| !known.is_ca && known.key == *key);
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_seconds = now.unwrap_or_default().as_secs();
    certificate.signature_algorithm != WEAK_CA_ALGORITHM
        && hop.keys.iter().any(|known| {
            known.is_ca
                && known.key == certificate.signature_key
                && certificate
                    .check(CertificateKind::Host, Some(&hop.host), now_seconds, true)
                    .is_ok()
        })
}
