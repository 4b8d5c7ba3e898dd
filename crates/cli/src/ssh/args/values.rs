//! What flags do with their values.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use config::Direction;

use super::{Error, Reader, Setting};
use crate::ssh::mux::client::Command;
use crate::ssh::{destination, paths};

impl Reader {
    pub(super) fn flag(&mut self, keyword: &'static str, value: &str) {
        self.last_wins.push(Setting::Flag(keyword, value.to_owned()));
    }

    pub(super) fn flag_value(
        &mut self,
        keyword: &'static str,
        value: OsString,
    ) -> Result<(), Error> {
        let value = text(value)?;
        self.flag(keyword, &value);
        Ok(())
    }

    /// Forwards add up, in the order given.
    pub(super) fn forward(
        &mut self,
        keyword: &'static str,
        what: &str,
        value: OsString,
    ) -> Result<(), Error> {
        let value = text(value)?;
        let direction = match keyword {
            "LocalForward" => Direction::Local,
            "RemoteForward" => Direction::Remote,
            _ => Direction::Dynamic,
        };
        if config::parse_forward(&value, direction).is_none() {
            return Err(Error::Bad(format!("Bad {what} forwarding specification '{value}'")));
        }
        self.first_wins.push(Setting::Flag(keyword, value));
        Ok(())
    }

    pub(super) fn algorithm(
        &mut self,
        keyword: &'static str,
        what: &str,
        value: OsString,
    ) -> Result<(), Error> {
        let value = text(value)?;
        let known = |name: &str| match what {
            "cipher" => crypto::tables::cipher(name).is_some(),
            _ => crypto::tables::mac(name).is_some(),
        };
        let is_edit = value.starts_with(['+', '-', '^']);
        if !is_edit && (value.is_empty() || !value.split(',').all(known)) {
            return Err(Error::Bad(format!("Unknown {what} type '{value}'")));
        }
        self.flag(keyword, &value);
        Ok(())
    }

    pub(super) fn escape_character(&mut self, value: OsString) -> Result<(), Error> {
        let value = text(value)?;
        let good = match value.as_bytes() {
            [b'^', c] => (64..128).contains(c),
            [_] => true,
            _ => value == "none",
        };
        if !good {
            return Err(Error::Bad(format!("Bad escape character '{value}'.")));
        }
        self.flag("EscapeChar", &value);
        Ok(())
    }

    pub(super) fn identity(&mut self, value: OsString) -> Result<(), Error> {
        let value = text(value)?;
        let path = paths::expand_tilde(&value);
        if let Err(source) = std::fs::metadata(&path) {
            eprintln!(
                "Warning: Identity file {} not accessible: {}.",
                crate::ui::clean::visible(&path.display().to_string()),
                crate::text::reason(&source)
            );
            return Ok(());
        }
        self.first_wins.push(Setting::Flag("IdentityFile", value));
        Ok(())
    }

    pub(super) fn jump(&mut self, value: OsString) -> Result<(), Error> {
        if self.jumps {
            return Err(Error::Bad(
                "Only a single -J option is permitted (use commas to separate multiple jump hops)"
                    .to_owned(),
            ));
        }
        self.jumps = true;
        self.flag_value("ProxyJump", value)
    }

    pub(super) fn no_session(&mut self) -> Result<(), Error> {
        if self.arguments.subsystem {
            return Err(Error::Bad("Cannot specify -N with -s/SessionType".to_owned()));
        }
        self.no_session = true;
        self.flag("SessionType", "none");
        self.flag("RequestTTY", "no");
        Ok(())
    }

    pub(super) fn subsystem(&mut self) -> Result<(), Error> {
        if self.no_session {
            return Err(Error::Bad("Cannot specify -s with -N/SessionType".to_owned()));
        }
        self.arguments.subsystem = true;
        self.flag("SessionType", "subsystem");
        Ok(())
    }

    pub(super) fn port(&mut self, value: OsString) -> Result<(), Error> {
        let value = text(value)?;
        match value.parse::<u16>() {
            Ok(port) if port > 0 => {
                self.first_wins.push(Setting::Flag("Port", port.to_string()));
                Ok(())
            }
            _ => Err(Error::Bad(format!("Bad port '{value}'"))),
        }
    }

    pub(super) fn control(&mut self, value: OsString) -> Result<(), Error> {
        let bad = |why: &str| Err(Error::Bad(why.to_owned()));
        if self.arguments.stdio_forward.is_some() {
            return bad("Cannot specify multiplexing command with -W");
        }
        if self.arguments.control.is_some() {
            return bad("Multiplexing command already specified");
        }
        let Some(command) = Command::from_name(&text(value)?) else {
            return bad("Invalid multiplex command.");
        };
        self.arguments.control = Some(command);
        Ok(())
    }

    pub(super) fn stdio_forward(&mut self, value: OsString) -> Result<(), Error> {
        let value = text(value)?;
        if self.arguments.control.is_some() {
            return Err(Error::Bad("Cannot specify stdio forward with -O".to_owned()));
        }
        let Some(target) = destination::host_and_port(&value) else {
            return Err(Error::Bad(format!("Bad stdio forwarding specification '{value}'")));
        };
        self.arguments.stdio_forward = Some(target);
        self.flag("RequestTTY", "no");
        self.flag("SessionType", "none");
        Ok(())
    }
}

pub(super) fn text(value: OsString) -> Result<String, Error> {
    String::from_utf8(value.into_vec())
        .map_err(|_| Error::Bad("command line is not valid UTF-8".to_owned()))
}
