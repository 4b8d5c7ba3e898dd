//! Escapes typed into a session: `~` behind a line end, and a letter.

/// What an escape asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// One of OpenSSH's that this version lacks.
    Lacking(char),
}

/// Finds escapes in what is typed.
#[derive(Debug)]
pub struct Escapes {
    character: u8,
    at_line_start: bool,
    pending: bool,
}

impl Escapes {
    /// Starts at the beginning of a line.
    pub fn new(character: u8) -> Self {
        Escapes { character, at_line_start: true, pending: false }
    }

    /// Takes the escapes out of `typed` and says what they ask for, in order.
    pub fn filter(&mut self, typed: &mut Vec<u8>) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut sent = Vec::with_capacity(typed.len());
        for &byte in typed.iter() {
            if self.pending {
                self.pending = false;
                self.at_line_start = true;
                if let Some(action) = action_of(byte) {
                    actions.push(action);
                    if action == Action::Disconnect {
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
             {c}I   - show connection information\r\n \
             {c}R   - request rekey\r\n \
             {c}V/v - decrease/increase verbosity (LogLevel)\r\n \
             {c}^Z  - suspend ssh\r\n \
             {c}#   - list forwarded connections\r\n \
             {c}?   - this message\r\n \
             {c}{c}   - send the escape character by typing it twice\r\n\
             (Note that escapes are only recognized immediately after newline.)\r\n"
        )
    }
}

fn action_of(byte: u8) -> Option<Action> {
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
        b'&' | b'C' => Action::Lacking(char::from(byte)),
        _ => return None,
    })
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
    fn binary_data_without_an_escape_is_untouched() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(filtered(&mut Escapes::new(0x1d), &all).0.len(), 256);
    }
}
