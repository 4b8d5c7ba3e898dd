//! Escapes typed into a session: `~` behind a line end, and a letter.

/// What an escape asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `~.`: end the connection.
    Disconnect,
    /// `~^Z`: stop this program.
    Suspend,
    /// `~B`: send a break.
    Break,
    /// `~R`: exchange keys anew.
    Rekey,
    /// `~v`: log more.
    Louder,
    /// `~V`: log less.
    Quieter,
    /// `~?`: list the escapes.
    Help,
    /// `~#`: list the channels.
    Connections,
    /// `~I`: tell about the connection.
    Information,
    /// `~&`: leave the terminal once the session is over but its forwards are not.
    Background,
    /// `~C`: a command line begins.
    Prompt,
    /// `~C` where it is not enabled.
    Disabled,
    /// Show this: it was typed on the command line.
    Echo(String),
    /// The command line as it was entered; nothing if it was given up.
    Command(Option<String>),
}

/// The longest command line.
const LINE_BYTES: usize = 1024;

/// Finds escapes in what is typed.
#[derive(Debug)]
pub struct Escapes {
    character: u8,
    at_line_start: bool,
    pending: bool,
    /// `~C` works.
    has_commands: bool,
    /// The command line that is being typed.
    line: Option<Vec<u8>>,
}

impl Escapes {
    /// Starts at the beginning of a line.
    pub fn new(character: u8) -> Self {
        Escapes { character, at_line_start: true, pending: false, has_commands: false, line: None }
    }

    /// With `~C`.
    #[must_use]
    pub fn with_commands(mut self, has_commands: bool) -> Self {
        self.has_commands = has_commands;
        self
    }

    /// Takes the escapes out of `typed` and says what they ask for, in order.
    pub fn filter(&mut self, typed: &mut Vec<u8>) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut sent = Vec::with_capacity(typed.len());
        for &byte in typed.iter() {
            if self.line.is_some() {
                actions.push(self.edit(byte));
                continue;
            }
            if self.pending {
                self.pending = false;
                self.at_line_start = true;
                if let Some(action) = self.action_of(byte) {
                    let is_last = action == Action::Disconnect;
                    actions.push(action);
                    if is_last {
                        break;
                    }
                    continue;
                }
                // The escape character twice sends it once; anything else was no escape.
                if byte != self.character {
                    sent.push(self.character);
                }
            } else if self.at_line_start && byte == self.character {
                self.pending = true;
                continue;
            }
            self.at_line_start = matches!(byte, b'\r' | b'\n');
            sent.push(byte);
        }
        *typed = sent;
        actions
    }

    fn action_of(&mut self, byte: u8) -> Option<Action> {
        Some(match byte {
            b'.' => Action::Disconnect,
            0x1a => Action::Suspend,
            b'B' => Action::Break,
            b'R' => Action::Rekey,
            b'v' => Action::Louder,
            b'V' => Action::Quieter,
            b'?' => Action::Help,
            b'#' => Action::Connections,
            b'I' => Action::Information,
            b'&' => Action::Background,
            b'C' if self.has_commands => {
                self.line = Some(Vec::new());
                Action::Prompt
            }
            b'C' => Action::Disabled,
            _ => return None,
        })
    }

    /// One key on the command line, which nobody else edits: the terminal is raw.
    fn edit(&mut self, byte: u8) -> Action {
        let Some(line) = &mut self.line else { return Action::Echo(String::new()) };
        match byte {
            b'\r' | b'\n' => {
                let line = self.line.take().unwrap_or_default();
                Action::Command(Some(String::from_utf8_lossy(&line).into_owned()))
            }
            // Interrupt and end of file.
            3 | 4 => {
                self.line = None;
                Action::Command(None)
            }
            // Backspace, and the key that erases all.
            8 | 0x7f => Action::Echo(line.pop().map_or("", |_| "\x08 \x08").to_owned()),
            0x15 => Action::Echo("\x08 \x08".repeat(std::mem::take(line).len())),
            b' '..=b'~' if line.len() < LINE_BYTES => {
                line.push(byte);
                Action::Echo(char::from(byte).to_string())
            }
            _ => Action::Echo(String::new()),
        }
    }

    /// The character, as it is shown.
    pub fn character(&self) -> char {
        char::from(self.character)
    }

    /// What `~?` prints.
    pub fn help(&self) -> String {
        let c = self.character();
        format!(
            "{c}?\r\nSupported escape sequences:\r\n \
             {c}.   - terminate connection\r\n \
             {c}B   - send a BREAK to the remote system\r\n \
             {c}C   - open a command line\r\n \
             {c}I   - show connection information\r\n \
             {c}R   - request rekey\r\n \
             {c}V/v - decrease/increase verbosity (LogLevel)\r\n \
             {c}^Z  - suspend ssh\r\n \
             {c}#   - list forwarded connections\r\n \
             {c}&   - background ssh (when waiting for connections to terminate)\r\n \
             {c}?   - this message\r\n \
             {c}{c}   - send the escape character by typing it twice\r\n\
             (Note that escapes are only recognized immediately after newline.)\r\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(escapes: &mut Escapes, typed: &[u8]) -> (Vec<u8>, Vec<Action>) {
        let mut data = typed.to_vec();
        let actions = escapes.filter(&mut data);
        (data, actions)
    }

    #[test]
    fn only_behind_a_line_end() {
        let mut escapes = Escapes::new(b'~');
        assert_eq!(filtered(&mut escapes, b"a~."), (b"a~.".to_vec(), vec![]));
        assert_eq!(filtered(&mut escapes, b"\r~"), (b"\r".to_vec(), vec![]));
        assert_eq!(filtered(&mut escapes, b".x"), (vec![], vec![Action::Disconnect]));
    }

    #[test]
    fn doubled_and_unknown_are_data() {
        let mut escapes = Escapes::new(b'~');
        assert_eq!(filtered(&mut escapes, b"~~."), (b"~.".to_vec(), vec![]));
        assert_eq!(filtered(&mut escapes, b"\n~x"), (b"\n~x".to_vec(), vec![]));
        assert_eq!(
            filtered(&mut escapes, b"\n~B~?ls"),
            (b"\nls".to_vec(), vec![Action::Break, Action::Help])
        );
    }

    #[test]
    fn a_command_line_is_typed() {
        let mut escapes = Escapes::new(b'~').with_commands(true);
        let (sent, actions) = filtered(&mut escapes, b"\n~C-Lx\x7f 1\rls\n~Cno\x03");
        assert_eq!(sent, b"\nls\n");
        let entered: Vec<_> =
            actions.iter().filter(|one| !matches!(one, Action::Echo(_))).cloned().collect();
        let command = Action::Command(Some("-L 1".to_owned()));
        assert_eq!(entered, [Action::Prompt, command, Action::Prompt, Action::Command(None)]);
        let (_, actions) = filtered(&mut Escapes::new(b'~'), b"~C");
        assert_eq!(actions, [Action::Disabled]);
    }

    #[test]
    fn binary_data_without_an_escape_is_untouched() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(filtered(&mut Escapes::new(0x1d), &all).0.len(), 256);
    }
}
