//! Which methods may let this user in: the account, root's rules, `AuthenticationMethods`.

use config::PermitRootLogin;

use super::{Authentication, Facts};

/// The methods that we have, in the order in which they are offered.
const METHODS: [&str; 4] = ["publickey", "password", "keyboard-interactive", "hostbased"];

impl Authentication {
    /// `PermitRootLogin`.
    pub(super) fn root_is_permitted(&self, method: &str) -> bool {
        if self.account.uid != 0 || !self.account.exists {
            return true;
        }
        match self.settings.permit_root_login.value {
            PermitRootLogin::Yes => true,
            PermitRootLogin::ProhibitPassword => matches!(method, "publickey" | "hostbased"),
            PermitRootLogin::ForcedCommandsOnly => {
                method == "publickey" && self.options.force_command.is_some()
            }
            PermitRootLogin::No => false,
        }
    }

    /// The same, with a line in the log when it matters.
    pub(super) fn root_may(&self, method: &str, facts: &Facts<'_>) -> bool {
        let permitted = self.root_is_permitted(method);
        let is_root = self.account.exists && self.account.uid == 0;
        if !permitted {
            let ends = facts.ends;
            log::info!("ROOT LOGIN REFUSED FROM {} port {}", ends.remote_address, ends.remote_port);
        } else if is_root
            && self.settings.permit_root_login.value == PermitRootLogin::ForcedCommandsOnly
        {
            log::info!("Root login accepted for forced command.");
        }
        permitted
    }

    /// What PAM says of the account itself.
    pub(super) fn account_allows(&mut self, facts: &Facts<'_>) -> bool {
        match self.interactive.account(&self.account, facts.ends) {
            Ok(messages) => {
                self.banner.push_str(&messages);
                true
            }
            Err(messages) => {
                self.banner.push_str(&messages);
                false
            }
        }
    }

    /// Takes the method off the lists of `AuthenticationMethods`. Whether one of them is done.
    pub(super) fn step_of_lists(&mut self, method: &str) -> bool {
        let Some(lists) = &mut self.lists else { return true };
        let (name, device) = method.split_once('/').map_or((method, None), |(n, d)| (n, Some(d)));
        let mut done = false;
        for list in lists.iter_mut() {
            let first = list.first().is_some_and(|first| {
                first.name == name
                    && first.device.as_deref().is_none_or(|wanted| Some(wanted) == device)
            });
            if first {
                list.remove(0);
                done |= list.is_empty();
            }
        }
        done
    }

    /// Whether a method is configured, and next in one of the lists.
    pub(super) fn offers(&self, method: &str) -> bool {
        let settings = &self.settings;
        let configured = match method {
            "publickey" => settings.pubkey_authentication.value,
            "password" => settings.password_authentication.value,
            "hostbased" => settings.hostbased_authentication.value,
            "keyboard-interactive" => {
                settings.kbd_interactive_authentication.value && self.interactive.uses_pam()
            }
            _ => false,
        };
        configured
            && self.lists.as_ref().is_none_or(|lists| {
                lists.iter().any(|list| list.first().is_some_and(|first| first.name == method))
            })
    }

    pub(super) fn can_continue(&self) -> Vec<String> {
        METHODS.iter().filter(|m| self.offers(m)).map(|m| (*m).to_owned()).collect()
    }
}
