//! What the server's processes say to each other.
//!
//! Every message is a struct or an enum of these files, sent whole and checked
//! whole. The receiver of each decides for itself whether it may come now:
//! the monitor trusts nothing the gate says, and the session little more.
//! Both ends are the same program file, started by executing it again, so
//! there is only one version of these at a time.

pub(crate) mod channel;
pub(crate) mod encoding;
#[cfg(any(not(target_os = "linux"), test))]
mod framed;
mod monitor;
mod process;
mod session;
#[cfg(target_os = "linux")]
mod whole;

pub(crate) use channel::{Channel, Error};
pub(crate) use encoding::{Bytes, SecretBytes};
pub(crate) use monitor::{
    GateFacts, Group, HowEnded, Method, SessionFacts, ToGate, ToMonitor, Verdict,
};
pub(crate) use process::{Ends, ListenerNews, LogTarget, MonitorNews, MonitorStart};
pub(crate) use session::{
    Ending, FromSession, Run, SessionNews, SessionStart, ToSession, WindowSize, X11Settings,
};

#[cfg(test)]
mod tests {
    use super::channel::MESSAGE_BYTES;
    use super::encoding::Field;
    use super::*;
    use zeroize::Zeroizing;

    #[test]
    fn messages_arrive_whole_with_their_descriptors() {
        let (a, b) = Channel::pair().unwrap();
        let sent = ToSession::Run {
            channel: 7,
            what: Run::Exec { command: Bytes(b"printf '\\0'".to_vec()) },
        };
        let null = std::fs::File::open("/dev/null").unwrap();
        use std::os::fd::AsFd;
        a.send(&sent, &[null.as_fd()]).unwrap();
        let (received, descriptors) = b.receive::<ToSession>().unwrap();
        assert_eq!(format!("{received:?}"), format!("{sent:?}"));
        assert_eq!(descriptors.len(), 1);
        assert!(b.try_receive::<ToSession>().unwrap().is_none());
    }

    #[test]
    fn a_closed_end_is_gone() {
        let (a, b) = Channel::pair().unwrap();
        drop(b);
        assert!(matches!(a.receive::<ToSession>(), Err(Error::Gone)));
        assert!(matches!(a.send(&ToSession::NoMoreSessions, &[]), Err(Error::Gone)));
    }

    #[test]
    fn what_is_too_large_is_not_sent() {
        let (a, _b) = Channel::pair().unwrap();
        let large = Run::Exec { command: Bytes(vec![0; MESSAGE_BYTES]) };
        assert!(matches!(a.send(&large, &[]), Err(Error::TooLarge)));
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        // Every short string of bytes, and every cut of a good message, as a peer that was
        // taken over might send them: refused or read, but never a panic.
        let mut good = Vec::new();
        ToMonitor::Authenticate {
            user: "me".into(),
            service: "ssh-connection".into(),
            method: Method::InfoResponse { responses: vec![Zeroizing::new("x".into())] },
        }
        .put(&mut good);
        for cut in 0..good.len() {
            assert!(ToMonitor::take(&mut wire::Reader::new(&good[..cut])).is_err());
        }
        for number in 0..=255u8 {
            for filler in [0, 1, 2, 3, 0xff] {
                let mut bytes = vec![filler; 40];
                bytes[0] = number;
                let _ = ToMonitor::take(&mut wire::Reader::new(&bytes));
                let _ = ToGate::take(&mut wire::Reader::new(&bytes));
                let _ = ToSession::take(&mut wire::Reader::new(&bytes));
                let _ = FromSession::take(&mut wire::Reader::new(&bytes));
                let _ = SessionNews::take(&mut wire::Reader::new(&bytes));
            }
        }
    }
}
