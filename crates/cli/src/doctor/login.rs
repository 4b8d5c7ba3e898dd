//! A login for the sake of looking: the methods, every key, and what the server says to each. It
//! signs only for a host that is known, asks the user nothing and runs nothing.

mod offers;
mod permissions;

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use config::ClientConfig;
use doctor::visit::{Ending, Fate, ForwardRefused, Moment, Shell, Stage};
use keys::PublicKey;
use net::{Application, Driver, End, Link, Transport};
use proto::{
    AuthAttempt, ChannelId, ChannelRequest, Client, Connection, Error, Event, Misbehaved, Stream,
};

use self::permissions::Asked;
use crate::ssh::identities::Identities;

/// Lines and remarks of a server that are kept.
const LINES_MAX: usize = 32;
/// Of a shell's output so much is kept.
const OUTPUT_MAX: usize = 512;

/// What to do about the host's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Log in.
    Known,
    /// Ask about keys, sign nothing.
    Unknown,
    /// Go no further.
    Bad,
}

/// One connection's worth of looking.
pub struct Examiner<'a> {
    pub config: &'a ClientConfig,
    pub identities: &'a mut Identities,
    /// What became of each identity so far.
    pub fates: &'a mut Vec<Option<Fate>>,
    pub judge: &'a dyn Fn(&PublicKey) -> Trust,
    /// How long nothing may happen.
    pub patience: Duration,
    /// Ends once keys are in use.
    pub only_exchange: bool,
    /// The socket, where it can be seen whether the server is still there.
    pub watched: Option<&'a OwnedFd>,
    /// Also starts the user's shell, and gives it nothing to do.
    pub try_shell: bool,
    pub seen: Seen,
    started: Instant,
    progress: Instant,
    moment: Instant,
    trusted: bool,
    current: Option<usize>,
    signed: bool,
    offers: usize,
    asked: Vec<Asked>,
    /// Remarks that belong to what was answered already.
    remarks_heard: usize,
    stopped: bool,
}

/// What was seen.
#[derive(Default)]
pub struct Seen {
    pub stage: Stage,
    pub ending: Ending,
    pub before_ident: Vec<String>,
    pub remarks: Vec<String>,
    pub ident: Option<String>,
    pub moments: Vec<Moment>,
    pub lasted: Duration,
    pub host_key: Option<PublicKey>,
    pub methods: Vec<String>,
    pub wants_more: Vec<String>,
    pub by_nothing: bool,
    pub offers_until_goodbye: Option<usize>,
    pub banners: Vec<String>,
    pub last_words: Vec<String>,
    pub hung_up_while_signing: Option<Duration>,
    pub shell: Option<Shell>,
    pub session_refused: Option<String>,
    pub forwards_refused: Vec<ForwardRefused>,
}

impl<'a> Examiner<'a> {
    pub fn new(
        config: &'a ClientConfig,
        identities: &'a mut Identities,
        fates: &'a mut Vec<Option<Fate>>,
        judge: &'a dyn Fn(&PublicKey) -> Trust,
        patience: Duration,
    ) -> Self {
        let now = Instant::now();
        fates.resize(identities.list.len(), None);
        Examiner {
            config,
            identities,
            fates,
            judge,
            patience,
            only_exchange: false,
            watched: None,
            try_shell: false,
            seen: Seen::default(),
            started: now,
            progress: now,
            moment: now,
            trusted: false,
            current: None,
            signed: false,
            offers: 0,
            asked: Vec::new(),
            remarks_heard: 0,
            stopped: false,
        }
    }

    /// Runs over a transport to its end.
    pub fn run(mut self, engine: proto::Config, transport: Transport) -> Seen {
        self.seen.stage = Stage::Connected;
        let driver = Connection::<Client>::new(engine, self.started)
            .map_err(|problem| problem.to_string())
            .and_then(|engine| {
                Driver::new(engine, transport).map_err(|source| crate::text::reason(&source))
            });
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(problem) => {
                self.seen.ending = Ending::Failed(problem);
                return self.seen;
            }
        };
        let end = driver.run(&mut self);
        let link = driver.link();
        self.note_ident(link);
        self.seen.lasted = self.started.elapsed();
        if !self.stopped {
            let broken =
                link.transport_error().map(|source| (source.kind(), crate::text::reason(source)));
            self.seen.ending = ending(end, broken);
            // The answer to a signature.
            if self.signed
                && self.seen.stage == Stage::Keyed
                && let Some(index) = self.current
            {
                self.set_fate(index, Some(Fate::SignatureRefused));
            }
        }
        if let Ending::Goodbye { text, .. } = &self.seen.ending
            && text.to_ascii_lowercase().contains("too many authentication failures")
        {
            self.seen.offers_until_goodbye = Some(self.offers);
            // The one that was too many was not judged.
            if let Some(index) = self.current {
                self.set_fate(index, None);
            }
        }
        self.seen
    }

    fn stop(&mut self, link: &mut Link<Client>, ending: Ending) {
        self.stopped = true;
        self.seen.ending = ending;
        link.abort();
    }

    fn note_ident(&mut self, link: &Link<Client>) {
        if self.seen.ident.is_none()
            && let Some(ident) = link.connection().remote_ident()
        {
            self.seen.ident = Some(ident.to_owned());
            self.reach(Stage::Ident);
            self.tick("ident");
        }
    }

    fn reach(&mut self, stage: Stage) {
        self.seen.stage = self.seen.stage.max(stage);
    }

    /// A part is over.
    fn tick(&mut self, what: &str) {
        let took = self.moment.elapsed();
        self.moment = Instant::now();
        self.seen.moments.push(Moment { what: what.to_owned(), took });
    }

    fn authenticate(&mut self, link: &mut Link<Client>, attempt: AuthAttempt) {
        let user = self.config.user.value.clone();
        if let Err(problem) = link.connection_mut().authenticate(&user, attempt) {
            self.stop(link, Ending::Failed(problem.to_string()));
        }
    }
}

impl Application<Client> for Examiner<'_> {
    fn event(&mut self, link: &mut Link<Client>, event: Event<'static>) {
        self.progress = Instant::now();
        match event {
            Event::Notice(text) => {
                let early = self.seen.stage < Stage::Negotiated;
                let list = if early { &mut self.seen.before_ident } else { &mut self.seen.remarks };
                let text = text.trim_end().to_owned();
                if list.len() < LINES_MAX && (!early || !list.contains(&text)) {
                    list.push(text);
                }
            }
            Event::Negotiated => {
                self.note_ident(link);
                self.reach(Stage::Negotiated);
                self.tick("proposals");
            }
            Event::CheckHostKey(ask) => {
                self.seen.host_key = Some(ask.key().clone());
                let trust = (self.judge)(ask.key());
                self.trusted = trust == Trust::Known;
                if trust == Trust::Bad {
                    self.reach(Stage::Keyed);
                    self.stop(link, Ending::Distrusted);
                    return;
                }
                // Refused only when the connection ended meanwhile.
                let _ = link.connection_mut().answer_host_key(ask, true);
            }
            Event::NewKeys { first: true } => {
                self.reach(Stage::Keyed);
                self.tick("key exchange");
                if self.only_exchange {
                    self.stop(link, Ending::Done);
                }
            }
            Event::Ready if !self.stopped => {
                let connection = link.connection();
                if self.trusted
                    && let (Some(key), Some(id)) = (connection.host_key(), connection.session_id())
                {
                    self.identities.bind(key, id, connection.host_key_signature());
                }
                self.authenticate(link, AuthAttempt::None);
            }
            Event::AuthFailed { methods, partial_success } if !self.stopped => {
                self.denied(link, methods, partial_success);
            }
            Event::PublicKeyOk { algorithm, .. } if !self.stopped => self.would_do(link, algorithm),
            Event::SignAuth(ask) => self.sign(link, ask),
            Event::Authenticated => self.authenticated(link),
            Event::ChannelOpened { channel } => self.answered_channel(link, channel, None),
            Event::ChannelRefused { channel, reason, description } => {
                self.answered_channel(link, channel, Some((reason, description)));
            }
            Event::GlobalAnswered { success, .. } => self.answered_forward(link, success),
            Event::ChannelRequested { request: ChannelRequest::ExitStatus(status), .. } => {
                if let Some(shell) = &mut self.seen.shell {
                    shell.status = Some(status);
                }
            }
            Event::ChannelAnswered { channel, success: false }
            | Event::ChannelClosed { channel } => self.shell_ended(link, channel),
            Event::Banner { message } => {
                let lines = message.lines().filter(|line| !line.trim().is_empty());
                let list =
                    if self.signed { &mut self.seen.last_words } else { &mut self.seen.banners };
                let room = LINES_MAX.saturating_sub(list.len());
                list.extend(lines.take(room).map(str::to_owned));
            }
            Event::GlobalRequested { want_reply: true, .. } => {
                // Any answer will do.
                let _ = link.connection_mut().reply_global(false, &[]);
            }
            _ => {}
        }
    }

    fn data(&mut self, link: &mut Link<Client>, channel: ChannelId, _: Stream, data: &[u8]) {
        if let Some(shell) = &mut self.seen.shell {
            let room = OUTPUT_MAX.saturating_sub(shell.output.len());
            let piece = data.get(..room.min(data.len())).unwrap_or_default();
            shell.output.push_str(&String::from_utf8_lossy(piece));
        }
        // Refused only once the channel is closed.
        let _ = link.connection_mut().consumed(channel, data.len());
    }

    fn turn(&mut self, link: &mut Link<Client>) {
        self.note_ident(link);
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.stopped).then(|| self.progress + self.patience)
    }

    fn timeout(&mut self, link: &mut Link<Client>) {
        if self.progress.elapsed() >= self.patience {
            let waited = self.progress.elapsed();
            self.note_ident(link);
            let shells = self.asked.iter().all(|asked| matches!(asked, Asked::Shell(_)));
            if self.seen.stage == Stage::In && shells && !self.asked.is_empty() {
                // All but the shell is known.
                return self.stop(link, Ending::Done);
            }
            self.stop(link, Ending::Silent(waited));
        }
    }
}

/// What the end of a run means.
fn ending(end: End, broken: Option<(io::ErrorKind, String)>) -> Ending {
    let why = match end {
        End::Finished => return Ending::Done,
        End::TimedOut => return Ending::Silent(Duration::ZERO),
        End::Io(source) => return Ending::Failed(crate::text::reason(&source)),
        End::Ended(why) => why,
    };
    match why {
        Error::Disconnected { reason, description } => {
            Ending::Goodbye { code: reason.code(), text: description }
        }
        Error::ConnectionLost { .. } => match broken {
            None | Some((io::ErrorKind::BrokenPipe, _)) => Ending::Closed,
            Some((io::ErrorKind::ConnectionReset, _)) => Ending::Reset,
            Some((_, text)) => Ending::Failed(text),
        },
        Error::Incompatible(_) => Ending::Incompatible,
        Error::Misbehaved(
            rule @ (Misbehaved::BadIdent(_)
            | Misbehaved::IdentNoise
            | Misbehaved::ProtocolVersion(_)),
        ) => Ending::NotSsh(rule.to_string()),
        Error::HostKeyRefused => Ending::Distrusted,
        Error::Misbehaved(rule) => Ending::Broken(rule.to_string()),
        other => Ending::Failed(other.to_string()),
    }
}
