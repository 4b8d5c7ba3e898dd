//! Terminal modes as a `pty-req` carries them. RFC 4254 §8, and RFC 8160 for UTF-8.
//!
//! The client [`encode`]s its own terminal's modes, the server [`apply`]s them to the pty it opened. Modes that one
//! side does not have are left out or skipped.

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OutputModes, SpecialCodeIndex, Termios,
};

/// Ends the list.
const TTY_OP_END: u8 = 0;
/// Input and output speed in bits per second.
const TTY_OP_ISPEED: u8 = 128;
const TTY_OP_OSPEED: u8 = 129;
/// From here on opcodes have no known length, and parsing stops. RFC 4254 §8.
const UNDEFINED_FROM: u8 = 160;

/// "No such character", in the messages.
const DISABLED: u32 = 255;
/// The same in a terminal (`_POSIX_VDISABLE`).
#[cfg(target_os = "linux")]
const VDISABLE: u8 = 0;
#[cfg(not(target_os = "linux"))]
const VDISABLE: u8 = 0xff;

/// What an opcode stands for.
#[derive(Clone, Copy)]
enum Mode {
    Character(SpecialCodeIndex),
    Input(InputModes),
    Local(LocalModes),
    Output(OutputModes),
    Control(ControlModes),
    /// One of the values of the character size, which is not a bit.
    Size(ControlModes),
}

use Mode::{Character, Control, Input, Local, Output, Size};

/// Every mode of RFC 4254 §8 that this system has.
static MODES: &[(u8, Mode)] = &[
    (1, Character(SpecialCodeIndex::VINTR)),
    (2, Character(SpecialCodeIndex::VQUIT)),
    (3, Character(SpecialCodeIndex::VERASE)),
    (4, Character(SpecialCodeIndex::VKILL)),
    (5, Character(SpecialCodeIndex::VEOF)),
    (6, Character(SpecialCodeIndex::VEOL)),
    (7, Character(SpecialCodeIndex::VEOL2)),
    (8, Character(SpecialCodeIndex::VSTART)),
    (9, Character(SpecialCodeIndex::VSTOP)),
    (10, Character(SpecialCodeIndex::VSUSP)),
    (12, Character(SpecialCodeIndex::VREPRINT)),
    (13, Character(SpecialCodeIndex::VWERASE)),
    (14, Character(SpecialCodeIndex::VLNEXT)),
    #[cfg(target_os = "linux")]
    (16, Character(SpecialCodeIndex::VSWTC)),
    (18, Character(SpecialCodeIndex::VDISCARD)),
    (30, Input(InputModes::IGNPAR)),
    (31, Input(InputModes::PARMRK)),
    (32, Input(InputModes::INPCK)),
    (33, Input(InputModes::ISTRIP)),
    (34, Input(InputModes::INLCR)),
    (35, Input(InputModes::IGNCR)),
    (36, Input(InputModes::ICRNL)),
    #[cfg(target_os = "linux")]
    (37, Input(InputModes::IUCLC)),
    (38, Input(InputModes::IXON)),
    (39, Input(InputModes::IXANY)),
    (40, Input(InputModes::IXOFF)),
    (41, Input(InputModes::IMAXBEL)),
    (42, Input(InputModes::IUTF8)),
    (50, Local(LocalModes::ISIG)),
    (51, Local(LocalModes::ICANON)),
    #[cfg(target_os = "linux")]
    (52, Local(LocalModes::XCASE)),
    (53, Local(LocalModes::ECHO)),
    (54, Local(LocalModes::ECHOE)),
    (55, Local(LocalModes::ECHOK)),
    (56, Local(LocalModes::ECHONL)),
    (57, Local(LocalModes::NOFLSH)),
    (58, Local(LocalModes::TOSTOP)),
    (59, Local(LocalModes::IEXTEN)),
    (60, Local(LocalModes::ECHOCTL)),
    (61, Local(LocalModes::ECHOKE)),
    (62, Local(LocalModes::PENDIN)),
    (70, Output(OutputModes::OPOST)),
    #[cfg(target_os = "linux")]
    (71, Output(OutputModes::OLCUC)),
    (72, Output(OutputModes::ONLCR)),
    (73, Output(OutputModes::OCRNL)),
    (74, Output(OutputModes::ONOCR)),
    (75, Output(OutputModes::ONLRET)),
    (90, Size(ControlModes::CS7)),
    (91, Size(ControlModes::CS8)),
    (92, Control(ControlModes::PARENB)),
    (93, Control(ControlModes::PARODD)),
];

/// The modes of a terminal as the contents of the `encoded terminal modes` string.
pub fn encode(termios: &Termios) -> Vec<u8> {
    let mut modes = Vec::with_capacity((MODES.len() + 2) * 5 + 1);
    let mut push = |opcode: u8, value: u32| {
        modes.push(opcode);
        modes.extend_from_slice(&value.to_be_bytes());
    };
    push(TTY_OP_OSPEED, termios.output_speed());
    push(TTY_OP_ISPEED, termios.input_speed());
    for (opcode, mode) in MODES {
        let value = match *mode {
            Character(index) => match termios.special_codes[index] {
                VDISABLE => DISABLED,
                code => u32::from(code),
            },
            Input(bit) => u32::from(termios.input_modes.contains(bit)),
            Local(bit) => u32::from(termios.local_modes.contains(bit)),
            Output(bit) => u32::from(termios.output_modes.contains(bit)),
            Control(bit) => u32::from(termios.control_modes.contains(bit)),
            Size(size) => u32::from(termios.control_modes & ControlModes::CSIZE == size),
        };
        push(*opcode, value);
    }
    modes.push(TTY_OP_END);
    modes
}

/// Sets what the peer sent. Modes that it did not send stay as they are; unknown ones are skipped, and the list ends at
/// its end, at an opcode whose length is unknown, or where it is cut off.
pub fn apply(modes: &[u8], termios: &mut Termios) {
    let mut rest = modes;
    while let [opcode, after @ ..] = rest {
        if *opcode == TTY_OP_END || *opcode >= UNDEFINED_FROM {
            return;
        }
        let Some((value, after)) = after.split_first_chunk() else { return };
        set(*opcode, u32::from_be_bytes(*value), termios);
        rest = after;
    }
}

fn set(opcode: u8, value: u32, termios: &mut Termios) {
    match opcode {
        // A speed that the system does not have is no reason to refuse the terminal; neither is zero, which hangs up.
        TTY_OP_ISPEED if value != 0 => drop(termios.set_input_speed(value)),
        TTY_OP_OSPEED if value != 0 => drop(termios.set_output_speed(value)),
        _ => {}
    }
    let Some((_, mode)) = MODES.iter().find(|(known, _)| *known == opcode) else { return };
    let on = value != 0;
    match *mode {
        Character(index) => {
            termios.special_codes[index] = match value {
                DISABLED => VDISABLE,
                // Only a byte means a character.
                code => u8::try_from(code).unwrap_or(VDISABLE),
            };
        }
        Input(bit) => termios.input_modes.set(bit, on),
        Local(bit) => termios.local_modes.set(bit, on),
        Output(bit) => termios.output_modes.set(bit, on),
        Control(bit) => termios.control_modes.set(bit, on),
        Size(size) if on => {
            termios.control_modes.remove(ControlModes::CSIZE);
            termios.control_modes.insert(size);
        }
        Size(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, openpt};
    use rustix::termios::tcgetattr;

    fn terminal() -> Termios {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        tcgetattr(&pty).unwrap()
    }

    fn one(opcode: u8, value: u32) -> Vec<u8> {
        let mut modes = vec![opcode];
        modes.extend_from_slice(&value.to_be_bytes());
        modes
    }

    #[test]
    fn there_and_back() {
        let mut ours = terminal();
        ours.local_modes.toggle(LocalModes::ECHO);
        ours.input_modes.toggle(InputModes::IUTF8 | InputModes::IXANY);
        ours.output_modes.toggle(OutputModes::ONLCR);
        ours.control_modes.remove(ControlModes::CSIZE);
        ours.control_modes.insert(ControlModes::CS7 | ControlModes::PARENB);
        ours.special_codes[SpecialCodeIndex::VERASE] = 8;
        ours.special_codes[SpecialCodeIndex::VQUIT] = VDISABLE;
        ours.set_speed(9600).unwrap();
        let mut theirs = terminal();
        apply(&encode(&ours), &mut theirs);
        assert_eq!(theirs.local_modes, ours.local_modes);
        assert_eq!(theirs.input_modes, ours.input_modes);
        assert_eq!(theirs.output_modes, ours.output_modes);
        assert_eq!(theirs.control_modes, ours.control_modes);
        assert_eq!(theirs.special_codes[SpecialCodeIndex::VERASE], 8);
        assert_eq!(theirs.special_codes[SpecialCodeIndex::VQUIT], VDISABLE);
        assert_eq!((theirs.input_speed(), theirs.output_speed()), (9600, 9600));
        assert_eq!(encode(&theirs), encode(&ours));
    }

    #[test]
    fn as_the_rfc_writes_them() {
        let modes = encode(&terminal());
        assert_eq!(modes.len() % 5, 1);
        assert_eq!(modes.last(), Some(&TTY_OP_END));
        // A fresh terminal interrupts with ^C.
        assert!(modes.chunks(5).any(|mode| mode == [1, 0, 0, 0, 3]));
    }

    #[test]
    fn odd_lists() {
        let before = encode(&terminal());
        for modes in [
            vec![],
            vec![0],
            vec![53],
            vec![53, 0, 0, 0],
            // An opcode without a known length ends the list.
            [vec![160], one(53, 0)].concat(),
            [vec![0], one(53, 0)].concat(),
            one(159, 7),
            one(TTY_OP_OSPEED, 0),
        ] {
            let mut termios = terminal();
            apply(&modes, &mut termios);
            assert_eq!(encode(&termios), before, "{modes:?}");
        }
        let mut termios = terminal();
        apply(&[one(20, 1), one(53, 0), one(1, 4), one(1, 700)].concat(), &mut termios);
        assert!(!termios.local_modes.contains(LocalModes::ECHO));
        assert_eq!(termios.special_codes[SpecialCodeIndex::VINTR], VDISABLE);
    }
}
