//! The message numbers, their names and where each may stand.

use crate::role::Side;

/// How far a connection has come; what may be said depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Idents are exchanged.
    Ident,
    /// The first key exchange.
    FirstKex,
    /// Keys are in use; no service yet.
    Service,
    /// `ssh-userauth` runs.
    Authentication,
    /// `ssh-connection` runs.
    Connection,
}

/// Who may receive a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Receiver {
    Both,
    Client,
    Server,
}

struct Row {
    number: u8,
    name: &'static str,
    receiver: Receiver,
    from: Phase,
    to: Phase,
}

macro_rules! messages {
    ($($number:literal $constant:ident $receiver:ident $from:ident $to:ident;)*) => {
        $(
            #[doc = concat!("SSH_MSG_", stringify!($constant))]
            pub const $constant: u8 = $number;
        )*
        static ROWS: &[Row] = &[
            $(Row {
                number: $number,
                name: concat!("SSH_MSG_", stringify!($constant)),
                receiver: Receiver::$receiver,
                from: Phase::$from,
                to: Phase::$to,
            },)*
        ];
    };
}

// Number, name, who receives it, from which phase to which. The numbers 30 to
// 49 and 60 to 79 mean what the method in use says; those rows stand for all.
messages! {
    1 DISCONNECT Both FirstKex Connection;
    2 IGNORE Both FirstKex Connection;
    3 UNIMPLEMENTED Both FirstKex Connection;
    4 DEBUG Both FirstKex Connection;
    5 SERVICE_REQUEST Server Service Authentication;
    6 SERVICE_ACCEPT Client Service Service;
    7 EXT_INFO Both Service Authentication;
    20 KEXINIT Both FirstKex Connection;
    21 NEWKEYS Both FirstKex Connection;
    30 KEX_ECDH_INIT Server FirstKex Connection;
    31 KEX_ECDH_REPLY Client FirstKex Connection;
    32 KEX_DH_GEX_INIT Server FirstKex Connection;
    33 KEX_DH_GEX_REPLY Client FirstKex Connection;
    34 KEX_DH_GEX_REQUEST Server FirstKex Connection;
    50 USERAUTH_REQUEST Server Authentication Connection;
    51 USERAUTH_FAILURE Client Authentication Authentication;
    52 USERAUTH_SUCCESS Client Authentication Authentication;
    53 USERAUTH_BANNER Client Authentication Authentication;
    60 USERAUTH_PK_OK Client Authentication Authentication;
    61 USERAUTH_INFO_RESPONSE Server Authentication Authentication;
    80 GLOBAL_REQUEST Both Connection Connection;
    81 REQUEST_SUCCESS Both Connection Connection;
    82 REQUEST_FAILURE Both Connection Connection;
    90 CHANNEL_OPEN Both Connection Connection;
    91 CHANNEL_OPEN_CONFIRMATION Both Connection Connection;
    92 CHANNEL_OPEN_FAILURE Both Connection Connection;
    93 CHANNEL_WINDOW_ADJUST Both Connection Connection;
    94 CHANNEL_DATA Both Connection Connection;
    95 CHANNEL_EXTENDED_DATA Both Connection Connection;
    96 CHANNEL_EOF Both Connection Connection;
    97 CHANNEL_CLOSE Both Connection Connection;
    98 CHANNEL_REQUEST Both Connection Connection;
    99 CHANNEL_SUCCESS Both Connection Connection;
    100 CHANNEL_FAILURE Both Connection Connection;
    192 PING Both Service Connection;
    193 PONG Both Service Connection;
}

/// What to do with a message of this number now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Handle it.
    Here,
    /// Nobody knows it: answer UNIMPLEMENTED (RFC 4253 §11.4).
    Unknown,
    /// Known, but not now.
    OutOfTurn,
}

/// Whether `number` has a place on this side in this phase.
pub fn place(number: u8, side: Side, phase: Phase) -> Place {
    let Some(row) = ROWS.iter().find(|row| row.number == number) else {
        return Place::Unknown;
    };
    let mine = match row.receiver {
        Receiver::Both => true,
        Receiver::Client => side == Side::Client,
        Receiver::Server => side == Side::Server,
    };
    if !mine {
        return Place::OutOfTurn;
    }
    if phase < row.from {
        // Before authentication, messages of the connection protocol are
        // answered as unknown, as peers that try early channels expect.
        return if row.from == Phase::Connection { Place::Unknown } else { Place::OutOfTurn };
    }
    if phase > row.to { Place::OutOfTurn } else { Place::Here }
}

/// The name of a message number.
pub fn name(number: u8) -> &'static str {
    ROWS.iter().find(|row| row.number == number).map_or("an unknown message", |row| row.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(place(CHANNEL_DATA, Side::Server, Phase::Authentication), Place::Unknown);
        assert_eq!(place(CHANNEL_DATA, Side::Server, Phase::Connection), Place::Here);
        assert_eq!(place(USERAUTH_REQUEST, Side::Client, Phase::Authentication), Place::OutOfTurn);
        assert_eq!(place(USERAUTH_REQUEST, Side::Server, Phase::FirstKex), Place::OutOfTurn);
        assert_eq!(place(77, Side::Server, Phase::Connection), Place::Unknown);
        assert_eq!(name(KEXINIT), "SSH_MSG_KEXINIT");
    }
}
