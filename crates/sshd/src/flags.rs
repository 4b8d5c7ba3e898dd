//! The command line of `sshd`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What `sshd -?` prints.
pub(crate) const USAGE: &str = "\
usage: sshd [-46DdeGiqTtV] [-C connection_spec] [-c host_cert_file]
            [-E log_file] [-f config_file] [-g login_grace_time]
            [-h host_key_file] [-o option] [-p port]
";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Task {
    /// Serve.
    #[default]
    Serve,
    /// `-t`: check the configuration and the host keys.
    Test,
    /// `-T`: the same, and print the configuration in force.
    Dump,
    /// `-G`: print the configuration in force, and look at no key.
    DumpUnchecked,
    /// `-V`.
    Version,
    /// `-?`.
    Usage,
}

/// The command line, understood.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// What is to be done.
    pub(crate) task: Task,
    /// `-f`.
    pub(crate) config_file: Option<PathBuf>,
    /// Lines that go before the file, in order: `-o`, and the flags that stand for one.
    pub(crate) options: Vec<String>,
    /// `-D`: stay in the foreground.
    pub(crate) foreground: bool,
    /// How often `-d` was given, up to 3.
    pub(crate) debug: u8,
    /// `-e`: log to standard error.
    pub(crate) log_to_stderr: bool,
    /// `-E`: log to a file.
    pub(crate) log_file: Option<PathBuf>,
    /// `-i`: the connection is standard input and output.
    pub(crate) inetd: bool,
    /// `-q`: log nothing.
    pub(crate) quiet: bool,
    /// `-C`: the connection that `-T` is about, each `keyword=value`.
    pub(crate) connection: Vec<(String, String)>,
}

impl Flags {
    /// Understands the arguments after the program's name.
    ///
    /// # Errors
    /// What to print before the usage.
    pub(crate) fn parse(arguments: &[OsString]) -> Result<Flags, String> {
        let mut flags = Flags::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let bytes = argument.as_bytes();
            let Some(letters) = bytes.strip_prefix(b"-").filter(|letters| !letters.is_empty())
            else {
                return Err(format!("Extra argument {}.", argument.display()));
            };
            if letters == b"-" {
                if let Some(extra) = arguments.next() {
                    return Err(format!("Extra argument {}.", extra.display()));
                }
                break;
            }
            for (at, &letter) in letters.iter().enumerate() {
                if !takes_value(letter) {
                    flags.switch(letter)?;
                    continue;
                }
                let rest = letters.get(at + 1..).unwrap_or_default();
                let value = if rest.is_empty() {
                    let next = arguments.next().ok_or_else(|| {
                        format!("option requires an argument -- '{}'", char::from(letter))
                    })?;
                    next.clone()
                } else {
                    OsString::from_vec(rest.to_vec())
                };
                flags.value(letter, &value)?;
                break;
            }
        }
        Ok(flags)
    }

    fn switch(&mut self, letter: u8) -> Result<(), String> {
        match letter {
            b'4' => self.options.push("AddressFamily inet".into()),
            b'6' => self.options.push("AddressFamily inet6".into()),
            b'D' => self.foreground = true,
            b'd' => self.debug = (self.debug + 1).min(3),
            b'e' => self.log_to_stderr = true,
            b'i' => self.inetd = true,
            b'q' => self.quiet = true,
            b't' => self.task = Task::Test,
            b'T' => self.task = Task::Dump,
            b'G' => self.task = Task::DumpUnchecked,
            b'V' => self.task = Task::Version,
            b'?' => self.task = Task::Usage,
            // Every connection is served by the program executed again; nothing to switch off.
            b'r' => return Err("-r is not supported: sshd always executes itself again".into()),
            other => {
                return Err(format!("unknown option -- '{}'", char::from(other).escape_default()));
            }
        }
        Ok(())
    }

    fn value(&mut self, letter: u8, value: &OsStr) -> Result<(), String> {
        let text = || {
            value
                .to_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("the argument of -{} is not UTF-8", char::from(letter)))
        };
        match letter {
            b'f' => self.config_file = Some(value.into()),
            b'E' => self.log_file = Some(value.into()),
            b'o' => self.options.push(text()?),
            b'p' => {
                let port: u16 =
                    text()?.parse().ok().filter(|port| *port != 0).ok_or("Bad port number.")?;
                self.options.push(format!("Port {port}"));
            }
            b'g' => self.options.push(format!("LoginGraceTime {}", text()?)),
            b'h' => self.options.push(format!("HostKey {}", quoted(&text()?))),
            b'c' => self.options.push(format!("HostCertificate {}", quoted(&text()?))),
            b'C' => {
                for part in text()?.split(',').filter(|part| !part.is_empty()) {
                    let (keyword, value) = part
                        .split_once('=')
                        .map_or((part, ""), |(keyword, value)| (keyword, value));
                    let known =
                        ["user", "host", "addr", "laddr", "lport", "rdomain", "invalid-user"];
                    if !known.contains(&keyword) {
                        return Err(format!("Invalid test mode specification {part}"));
                    }
                    self.connection.push((keyword.into(), value.into()));
                }
            }
            other => return Err(format!("-{} is not supported", char::from(other))),
        }
        Ok(())
    }

    /// One part of `-C`.
    pub(crate) fn connection_part(&self, keyword: &str) -> Option<&str> {
        self.connection.iter().find(|(name, _)| name == keyword).map(|(_, value)| value.as_str())
    }
}

/// Flags with an argument, those that are refused with a reason too.
fn takes_value(letter: u8) -> bool {
    b"fEopghcCubkR".contains(&letter)
}

/// As one word of a configuration line.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Flags, String> {
        Flags::parse(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn letters_may_stand_together_and_values_may_follow_at_once() {
        let flags = parse(&["-Dddep2222", "-f", "/tmp/config", "-oUsePAM=no"]).unwrap();
        assert!(flags.foreground && flags.log_to_stderr);
        assert_eq!(flags.debug, 2);
        assert_eq!(flags.options, ["Port 2222", "UsePAM=no"]);
        assert_eq!(flags.config_file, Some("/tmp/config".into()));
    }

    #[test]
    fn what_is_unknown_is_refused() {
        assert!(parse(&["-z"]).is_err());
        assert!(parse(&["-u", "0"]).unwrap_err().contains("not supported"));
        assert!(parse(&["-p", "0"]).is_err());
        assert!(parse(&["-f"]).is_err());
        assert!(parse(&["start"]).is_err());
        assert!(parse(&["-T", "-C", "colour=red"]).is_err());
    }

    #[test]
    fn a_connection_is_taken_apart() {
        let flags = parse(&["-T", "-C", "user=me,host=h,addr=::1,lport=22,"]).unwrap();
        assert_eq!(flags.task, Task::Dump);
        assert_eq!(flags.connection_part("addr"), Some("::1"));
        assert_eq!(flags.connection_part("laddr"), None);
    }
}
