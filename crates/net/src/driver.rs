use std::io;
use std::time::Instant;

use proto::{ChannelId, Connection, Event, Role, Stream};

use crate::attached::EndpointEvent;
use crate::limits;
use crate::link::{Link, News, Passed};
use crate::reactor::{Readiness, UserToken};
use crate::transport::Transport;

/// What makes use of a connection: it hears events and acts on the [`Link`].
///
/// All of it is called on the thread of [`Driver::run`] and must not wait.
#[expect(unused_variables, reason = "the names document the defaults")]
pub trait Application<R: Role> {
    /// Something happened. Neither data nor the end comes this way.
    fn event(&mut self, link: &mut Link<R>, event: Event<'static>);

    /// Data of a channel without an output for it. The application tells
    /// [`Connection::consumed`] when it is done with it; the default is, at
    /// once.
    fn data(&mut self, link: &mut Link<R>, channel: ChannelId, stream: Stream, data: &[u8]) {
        // Refused only once the channel is closed.
        let _ = link.connection_mut().consumed(channel, data.len());
    }

    /// What was read from a filtered input; what is left in `data` is sent.
    fn input(&mut self, link: &mut Link<R>, channel: ChannelId, data: &mut Vec<u8>) {}

    /// A channel's local descriptors came to their end.
    fn endpoint(&mut self, link: &mut Link<R>, channel: ChannelId, event: EndpointEvent) {}

    /// A descriptor given to [`Link::watch`] is ready. Told once per edge:
    /// read or write until it would block.
    fn ready(&mut self, link: &mut Link<R>, token: UserToken, readiness: Readiness) {}

    /// When [`Application::timeout`] is to be called; asked every turn.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has passed. It must be moved on.
    fn timeout(&mut self, link: &mut Link<R>) {}

    /// Nothing has moved for [`limits::IDLE`], and the
    /// link has given its buffers back: a moment to do the same.
    fn idle(&mut self) {}

    /// Called once a turn before bytes are sent, for channels that the
    /// application feeds itself: there may be room again.
    fn turn(&mut self, link: &mut Link<R>) {}
}

/// How a run ended.
#[derive(Debug)]
pub enum End {
    /// The connection is over.
    Ended(proto::Error),
    /// Keep-alives were not answered.
    TimedOut,
    /// The application asked for it.
    Finished,
    /// The poll itself failed.
    Io(io::Error),
}

/// Runs one connection on the calling thread.
///
/// ```no_run
/// # use keyway_net as net;
/// use net::{Application, Driver, End, Link, Transport};
/// use proto::{Client, Connection, Event};
///
/// struct Watcher;
/// impl Application<Client> for Watcher {
///     fn event(&mut self, link: &mut Link<Client>, event: Event<'static>) {
///         if let Event::CheckHostKey(ask) = event {
///             println!("{}", ask.key().to_line(""));
///             link.finish();
///         }
///     }
/// }
///
/// let socket = std::net::TcpStream::connect("localhost:22")?;
/// let connection = Connection::<Client>::new(proto::Config::client(), std::time::Instant::now())?;
/// let mut driver = Driver::new(connection, Transport::socket(socket.into()))?;
/// assert!(matches!(driver.run(&mut Watcher), End::Finished));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Driver<R: Role> {
    link: Link<R>,
}

impl<R: Role> Driver<R> {
    /// Puts a connection on a transport. All that the loop needs of the
    /// system is made here, so a sandbox may be entered between this and
    /// [`Driver::run`].
    ///
    /// # Errors
    /// Those of the poll and of `fcntl`.
    pub fn new(connection: Connection<R>, transport: Transport) -> io::Result<Self> {
        Ok(Self { link: Link::new(connection, transport)? })
    }

    /// The link, to set up and to ask outside a run.
    pub fn link(&mut self) -> &mut Link<R> {
        &mut self.link
    }

    /// Runs until the connection ends or the application ends the run.
    ///
    /// A run that was finished may be taken up again by another call.
    pub fn run(&mut self, application: &mut impl Application<R>) -> End {
        self.link.begin_run();
        loop {
            match self.turn(application) {
                Ok(Some(end)) => return end,
                Ok(None) => {}
                Err(error) => return End::Io(error),
            }
        }
    }

    fn turn<A: Application<R>>(&mut self, application: &mut A) -> io::Result<Option<End>> {
        let link = &mut self.link;
        match link.handle_timeouts() {
            Passed::Nothing => {}
            Passed::FellIdle => application.idle(),
            Passed::TimedOut => return Ok(Some(End::TimedOut)),
        }
        if application.deadline().is_some_and(|at| at <= link.now()) {
            application.timeout(link);
        }
        for (token, readiness) in link.take_user_ready() {
            // One answer may have ended the watching of the next.
            if link.is_watched(token) {
                application.ready(link, token, readiness);
            }
        }
        deliver(link, application);

        let mut budget = limits::INPUT_TURN_BYTES;
        while link.receive(&mut budget) {
            deliver(link, application);
        }

        let mut again = false;
        loop {
            let (filtered, more) = link.pump();
            again |= more;
            if filtered.is_empty() {
                break;
            }
            for (channel, room) in filtered {
                let mut data = link.read_filtered(channel, room);
                if !data.is_empty() {
                    application.input(link, channel, &mut data);
                    link.queue_input(channel, Stream::Data, &data);
                }
            }
        }
        application.turn(link);
        // Endpoints that ended may have made the application say something.
        deliver(link, application);

        // A full output made channels wait; they may go on once it left. What
        // left only in part goes on by itself when there is room.
        let sent = link.transmit();
        again |= sent >= limits::CHANNEL_TURN_BYTES / 4 && !link.is_blocked();
        // The budget was used up, or an answer has made room.
        again |= link.can_receive();
        if link.is_done() {
            let ended = link.take_ended().filter(|_| !link.is_aborted());
            return Ok(Some(ended.map_or(End::Finished, End::Ended)));
        }
        let deadline = application.deadline();
        link.wait(again, deadline)?;
        Ok(None)
    }
}

/// Tells the application everything there is to tell.
fn deliver<R: Role>(link: &mut Link<R>, application: &mut impl Application<R>) {
    while !link.is_aborted() {
        if let Some(news) = link.next_news() {
            match news {
                News::Event(event) => application.event(link, event),
                News::Data(channel, stream, pieces) => {
                    for data in pieces {
                        application.data(link, channel, stream, &data);
                    }
                }
            }
        } else if let Some((channel, event)) = link.notices.pop_front() {
            application.endpoint(link, channel, event);
        } else {
            return;
        }
    }
}
