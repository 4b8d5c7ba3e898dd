//! One connection to one host: as far as the host key, and no further.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use keys::PublicKey;
use mio::net::TcpStream;
use proto::{Client, Compression, Config, Connection, Event};

use super::hosts::Target;
use super::kinds::KINDS;
use super::options::Options;

/// The key exchange to prefer: the keys are public, so the cheapest one will do.
const CHEAPEST: &str = "curve25519-sha256";

/// A connection under way.
pub struct Exchange {
    /// What is read and written.
    pub socket: TcpStream,
    /// The name it was made by.
    pub name: String,
    /// Whom it is about, with the names not tried yet.
    pub target: Target,
    /// The type of key it is for.
    pub kind: usize,
    /// When the host was last heard.
    pub heard: Instant,
    engine: Connection<Client>,
    is_greeted: bool,
}

/// How far a connection has come.
pub enum Progress {
    /// It waits for the network.
    Waiting,
    /// The host has proved this key.
    Key(Box<PublicKey>),
    /// It ended without one; before or after the host had said anything.
    Ended {
        /// Whether an SSH server was there.
        greeted: bool,
        /// What to say about it.
        reason: String,
    },
}

impl Exchange {
    /// Starts to connect.
    ///
    /// # Errors
    /// What the system says at once, such as that there is no route.
    pub fn start(
        options: &Options,
        target: Target,
        name: String,
        address: SocketAddr,
        kind: usize,
        now: Instant,
    ) -> io::Result<Self> {
        let engine = Connection::<Client>::new(engine_config(options, kind), now)
            .map_err(|problem| io::Error::other(problem.to_string()))?;
        let socket = TcpStream::connect(address)?;
        Ok(Exchange { socket, name, target, kind, heard: now, engine, is_greeted: false })
    }

    /// Does all that can be done without waiting. `greeted` hears the server's software once.
    pub fn advance(&mut self, now: Instant, greeted: impl FnOnce(&str, &str)) -> Progress {
        let mut greeted = Some(greeted);
        loop {
            match self.exchange_bytes(now) {
                Ok(moved) => {
                    let found = self.events(now);
                    if !self.is_greeted
                        && let Some(ident) = self.engine.remote_ident()
                    {
                        self.is_greeted = true;
                        if let Some(greeted) = greeted.take() {
                            greeted(&self.name, ident);
                        }
                    }
                    match found {
                        Progress::Waiting if moved => {}
                        other => return other,
                    }
                }
                Err(source) => {
                    let reason = crate::text::reason(&source);
                    return Progress::Ended { greeted: self.is_greeted, reason };
                }
            }
        }
    }

    /// Reads and writes once; false when nothing moved.
    fn exchange_bytes(&mut self, now: Instant) -> io::Result<bool> {
        let mut moved = false;
        let pending = self.engine.poll_transmit();
        if !pending.is_empty() {
            match self.socket.write(pending) {
                Ok(count) => {
                    self.engine.transmitted(count);
                    moved |= count > 0;
                }
                Err(error) if waits(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let room = self.engine.input_room();
        if !room.is_empty() {
            match self.socket.read(room) {
                Ok(0) => {
                    self.engine.handle_end_of_input();
                    return Ok(false);
                }
                Ok(count) => {
                    self.engine.handle_input(count);
                    self.heard = now;
                    moved = true;
                }
                Err(error) if waits(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    fn events(&mut self, now: Instant) -> Progress {
        while let Some(event) = self.engine.poll_event(now) {
            match event {
                // It has signed this very exchange: nothing more is wanted.
                Event::CheckHostKey(ask) => return Progress::Key(Box::new(ask.key().clone())),
                Event::Ended(problem) => {
                    let reason = problem.to_string();
                    let greeted = self.engine.remote_ident().is_some();
                    return Progress::Ended { greeted, reason };
                }
                _ => {}
            }
        }
        Progress::Waiting
    }
}

/// A connection that is still being made says so when it is read or written.
fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}

fn engine_config(options: &Options, kind: usize) -> Config {
    let mut config = Config::client();
    config.software_version.push_str("-keyscan");
    config.compression = Compression::No;
    if let Some(place) = config.kex_algorithms.iter().position(|name| name == CHEAPEST) {
        let cheapest = config.kex_algorithms.remove(place);
        config.kex_algorithms.insert(0, cheapest);
    }
    if let Some(kind) = KINDS.get(kind) {
        config.host_key_algorithms = kind.algorithms(options.certificates);
    }
    config
}
