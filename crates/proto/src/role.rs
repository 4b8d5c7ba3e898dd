use crypto::kex::Started;

use crate::connection::Connection;
use crate::error::Error;
use crate::event::ChannelId;
use crate::kex::Exchange;

/// The packet of a guessed key exchange, and what goes on from it.
#[doc(hidden)]
pub type Guess = (Vec<u8>, Box<dyn Started>);

/// The end of the connection that is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that connects.
    Client,
    /// The one that is connected to.
    Server,
}

/// What differs between the two ends: who sends the key exchange's first
/// packet, who signs, who asks and who judges in userauth.
pub trait Role: Sized + private::Sealed {
    /// Which end this is.
    const SIDE: Side;

    /// What only this end keeps.
    type State;

    #[doc(hidden)]
    type Exchange;

    /// The first kex packet to send along with KEXINIT, if any.
    #[doc(hidden)]
    fn guess(connection: &Connection<Self>) -> Result<Option<Guess>, Error>;
    /// Both KEXINITs are known.
    #[doc(hidden)]
    fn begin_exchange(
        connection: &mut Connection<Self>,
        exchange: Exchange,
        guess: Option<Box<dyn Started>>,
    ) -> Result<(), Error>;
    /// A message of the method, 30 to 49.
    #[doc(hidden)]
    fn handle_kex(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error>;
    /// Our first NEWKEYS is out.
    #[doc(hidden)]
    fn sent_first_new_keys(connection: &mut Connection<Self>) -> Result<(), Error>;
    /// The remote's NEWKEYS is in.
    #[doc(hidden)]
    fn received_new_keys(connection: &mut Connection<Self>, first: bool) -> Result<(), Error>;
    /// No whole packet is there; whether that made something happen.
    #[doc(hidden)]
    fn input_drained(connection: &mut Connection<Self>) -> bool;
    /// SERVICE_REQUEST or SERVICE_ACCEPT.
    #[doc(hidden)]
    fn handle_service(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error>;
    /// A message of userauth, 50 to 79.
    #[doc(hidden)]
    fn handle_userauth(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error>;
    /// A global request that is not in the table; whether it was the role's.
    #[doc(hidden)]
    fn handle_global(
        connection: &mut Connection<Self>,
        name: &str,
        data: &[u8],
        want_reply: bool,
    ) -> Result<bool, Error>;
    /// The answer to a global request that the role made.
    #[doc(hidden)]
    fn answered_global(
        connection: &mut Connection<Self>,
        success: bool,
        data: &[u8],
    ) -> Result<(), Error>;
    /// The number a remote is guessed to give a channel that is opened before
    /// authentication has finished, if that may be done.
    #[doc(hidden)]
    fn early_channel(connection: &Connection<Self>) -> Option<u32>;
    /// Keeps a message of such a channel.
    #[doc(hidden)]
    fn keep_early(connection: &mut Connection<Self>, payload: &[u8]) -> Result<(), Error>;
    /// Such a channel was confirmed.
    #[doc(hidden)]
    fn opened_early(
        connection: &mut Connection<Self>,
        channel: ChannelId,
        guess: u32,
        remote: u32,
    ) -> Result<(), Error>;
}

/// The client's end.
#[derive(Debug)]
pub enum Client {}

/// The server's end.
#[derive(Debug)]
pub enum Server {}

pub(crate) mod private {
    pub trait Sealed {}
    impl Sealed for super::Client {}
    impl Sealed for super::Server {}
}
