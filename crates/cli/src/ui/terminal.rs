//! Raw mode, undone whatever happens.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, Winsize,
    tcgetattr, tcgetwinsize, tcsetattr,
};

/// The terminal on standard input, switched between cooked and raw.
pub struct RawTerminal {
    cooked: Termios,
    raw: bool,
}

impl RawTerminal {
    /// Remembers the terminal's present modes.
    ///
    /// # Errors
    /// Standard input is no terminal.
    pub fn new() -> io::Result<Self> {
        Ok(RawTerminal { cooked: tcgetattr(io::stdin())?, raw: false })
    }

    /// Every key goes to the remote: no echo, no line editing, no signals.
    pub fn enter(&mut self) {
        let mut modes = self.cooked.clone();
        modes.input_modes |= InputModes::IGNPAR;
        modes.input_modes -= InputModes::ISTRIP
            | InputModes::INLCR
            | InputModes::IGNCR
            | InputModes::ICRNL
            | InputModes::IXON
            | InputModes::IXANY
            | InputModes::IXOFF;
        #[cfg(target_os = "linux")]
        {
            modes.input_modes -= InputModes::IUCLC;
        }
        modes.local_modes -= LocalModes::ISIG
            | LocalModes::ICANON
            | LocalModes::ECHO
            | LocalModes::ECHOE
            | LocalModes::ECHOK
            | LocalModes::ECHONL
            | LocalModes::IEXTEN;
        modes.output_modes -= OutputModes::OPOST;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        self.raw = tcsetattr(io::stdin(), OptionalActions::Drain, &modes).is_ok();
    }

    /// The modes the terminal had, which are those its user knows.
    pub fn cooked(&self) -> &Termios {
        &self.cooked
    }

    /// Back to the modes the terminal had.
    pub fn leave(&mut self) {
        if self.raw {
            // A terminal that went away needs no modes.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.cooked);
            self.raw = false;
        }
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The size of the terminal behind a descriptor; zeros where there is none.
pub fn window_size(terminal: BorrowedFd<'_>) -> Winsize {
    tcgetwinsize(terminal).unwrap_or(Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 })
}

/// The size of a terminal that may be missing.
pub fn window_size_of(terminal: Option<BorrowedFd<'_>>) -> Winsize {
    match terminal {
        Some(terminal) => window_size(terminal),
        None => Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 },
    }
}

/// The size of the terminal on standard input.
pub fn own_window_size() -> Winsize {
    window_size(io::stdin().as_fd())
}
