//! A client and a server on the two ends of a socket pair, each with a driver
//! on a thread of its own.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use keys::{KeyKind, PrivateKey};
use keyway_net::{Application, Driver, End, EndpointEvent, Endpoints, Link, Transport};
use proto::{
    AuthAnswer, AuthAttempt, ChannelId, ChannelOpen, ChannelRequest, Client, ClientConnection,
    Compression, Config, Event, Server, ServerConnection,
};

/// What the server connects each command with.
pub type Commands = HashMap<Vec<u8>, Endpoints>;

/// Lets everybody in and runs what it was given.
pub struct TestServer {
    key: PrivateKey,
    commands: Commands,
    /// It stops for good at the first global request, until this is dropped.
    hang: Option<Receiver<()>>,
    pub seen: Vec<(ChannelId, EndpointEvent)>,
}

impl Application<Server> for TestServer {
    fn event(&mut self, link: &mut Link<Server>, event: Event<'static>) {
        let connection = link.connection_mut();
        match event {
            Event::SignExchange(ask) => {
                let signature = self.key.sign(ask.algorithm(), ask.data()).unwrap();
                connection.answer_sign(ask, Some(signature)).unwrap();
            }
            Event::Authenticate(_) => connection.answer_auth(AuthAnswer::Accept).unwrap(),
            Event::ChannelAsked(ask) => {
                connection.accept_channel(ask).unwrap();
            }
            Event::ChannelRequested {
                channel,
                request: ChannelRequest::Exec { command },
                want_reply,
            } => {
                let endpoints = self.commands.remove(&command);
                if want_reply {
                    connection.reply(channel, endpoints.is_some()).unwrap();
                }
                if let Some(endpoints) = endpoints {
                    link.attach(channel, endpoints).unwrap();
                }
            }
            Event::GlobalRequested { want_reply: true, .. } => {
                if let Some(hang) = &self.hang {
                    let _ = hang.recv();
                }
                connection.reply_global(false, &[]).unwrap();
            }
            _ => {}
        }
    }

    fn endpoint(&mut self, link: &mut Link<Server>, channel: ChannelId, event: EndpointEvent) {
        self.seen.push((channel, event));
        if event == EndpointEvent::Done {
            let connection = link.connection_mut();
            let _ = connection.request(channel, ChannelRequest::ExitStatus(0), false);
            let _ = connection.close(channel);
        }
    }
}

/// Runs the server's end until the connection ends.
pub fn serve(
    transport: Transport,
    commands: Commands,
    hang: Option<Receiver<()>>,
) -> (End, TestServer) {
    let key = PrivateKey::generate(KeyKind::Ed25519, None, "host").unwrap();
    let host_keys = vec![key.public().clone()];
    let config = Config { compression: Compression::Yes, ..Config::server() };
    let connection = ServerConnection::new(config, host_keys, Instant::now()).unwrap();
    let mut driver = Driver::new(connection, transport).unwrap();
    let mut server = TestServer { key, commands, hang, seen: Vec::new() };
    (driver.run(&mut server), server)
}

/// Opens a channel a command and ends when all have closed.
#[derive(Default)]
pub struct TestClient {
    pub jobs: Vec<(Vec<u8>, Option<Endpoints>)>,
    pub opened: HashMap<ChannelId, Vec<u8>>,
    pub open: usize,
    pub closed: Vec<Vec<u8>>,
    pub statuses: usize,
    pub seen: Vec<(ChannelId, EndpointEvent)>,
    /// Ends the run when a channel's data have ended.
    pub finish_at_eof: bool,
    /// Ends the run when a channel's input has ended.
    pub finish_at_input_end: bool,
    /// Applied to filtered input.
    pub filter: Option<fn(&mut Vec<u8>)>,
    /// Called when the user is in.
    pub authenticated: Option<fn(&mut Link<Client>)>,
}

impl TestClient {
    pub fn with(jobs: Vec<(&[u8], Endpoints)>) -> Self {
        let jobs = jobs.into_iter().map(|(name, ends)| (name.to_vec(), Some(ends))).collect();
        Self { jobs, ..Self::default() }
    }
}

impl Application<Client> for TestClient {
    fn event(&mut self, link: &mut Link<Client>, event: Event<'static>) {
        match event {
            Event::CheckHostKey(ask) => {
                link.connection_mut().answer_host_key(ask, true).unwrap();
            }
            Event::Ready => link.connection_mut().authenticate("u", AuthAttempt::None).unwrap(),
            Event::Authenticated => {
                if let Some(authenticated) = self.authenticated {
                    authenticated(link);
                }
                for (command, endpoints) in &mut self.jobs {
                    let channel = link.connection_mut().open_channel(ChannelOpen::Session).unwrap();
                    link.attach(channel, endpoints.take().unwrap()).unwrap();
                    self.opened.insert(channel, command.clone());
                    self.open += 1;
                }
            }
            Event::ChannelOpened { channel } => {
                let command = self.opened.get(&channel).unwrap().clone();
                let exec = ChannelRequest::Exec { command };
                link.connection_mut().request(channel, exec, true).unwrap();
            }
            Event::ChannelAnswered { success, .. } => assert!(success),
            Event::ChannelRequested { request: ChannelRequest::ExitStatus(0), .. } => {
                self.statuses += 1;
            }
            Event::Eof { .. } if self.finish_at_eof => link.finish(),
            Event::ChannelClosed { channel } => {
                self.closed.push(self.opened.remove(&channel).unwrap());
                self.open -= 1;
                if self.open == 0 {
                    link.finish();
                }
            }
            _ => {}
        }
    }

    fn input(&mut self, _link: &mut Link<Client>, _channel: ChannelId, data: &mut Vec<u8>) {
        self.filter.unwrap()(data);
    }

    fn endpoint(&mut self, link: &mut Link<Client>, channel: ChannelId, event: EndpointEvent) {
        if self.finish_at_input_end && event == EndpointEvent::InputEnded {
            link.finish();
        }
        self.seen.push((channel, event));
    }
}

pub fn client_driver(transport: Transport) -> Driver<Client> {
    client_driver_with(Config::client(), transport)
}

pub fn client_driver_with(config: Config, transport: Transport) -> Driver<Client> {
    let connection = ClientConnection::new(config, Instant::now()).unwrap();
    Driver::new(connection, transport).unwrap()
}

/// The two ends of a socket.
pub fn sockets() -> (Transport, Transport) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Transport::socket(ours.into()), Transport::socket(theirs.into()))
}

/// Two pipes, one each way.
pub fn pipes() -> (Transport, Transport) {
    let ((up_out, up_in), (down_out, down_in)) =
        (rustix::pipe::pipe().unwrap(), rustix::pipe::pipe().unwrap());
    (Transport::pair(down_out, up_in), Transport::pair(up_out, down_in))
}

/// Runs both ends until the client is done.
pub fn run(client: TestClient, commands: Commands) -> (End, TestClient, TestServer) {
    run_over(sockets(), Config::client(), client, commands)
}

/// The same, over this and so configured.
pub fn run_over(
    (ours, theirs): (Transport, Transport),
    config: Config,
    mut client: TestClient,
    commands: Commands,
) -> (End, TestClient, TestServer) {
    let server = std::thread::spawn(move || serve(theirs, commands, None));
    let mut driver = client_driver_with(config, ours);
    let end = driver.run(&mut client);
    drop(driver);
    let (server_end, server) = server.join().unwrap();
    assert!(matches!(server_end, End::Ended(_)), "{server_end:?}");
    (end, client, server)
}

/// Bytes that repeat only after very long, from a seed.
pub struct Pattern(u64);

impl Pattern {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
    }
}
