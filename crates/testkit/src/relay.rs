//! A wire between a client and a server that a test can cut or hold.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Default)]
struct State {
    to: AtomicU16,
    held: AtomicBool,
    bytes: AtomicU64,
    /// When each piece of a client's came.
    pieces: Mutex<Vec<Instant>>,
    sockets: Mutex<Vec<TcpStream>>,
}

/// Passes connections to 127.0.0.1 on to another port of it.
pub struct Relay {
    /// Where clients connect.
    pub port: u16,
    state: Arc<State>,
}

impl Relay {
    /// Listens, and connects to `to` for every client.
    ///
    /// # Panics
    /// Without a port to listen on.
    pub fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .unwrap_or_else(|error| panic!("no port for a relay: {error}"));
        let port = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("a relay without address: {error}"))
            .port();
        let state = Arc::new(State { to: AtomicU16::new(to), ..State::default() });
        let shared = Arc::clone(&state);
        // Ends with the test process; a thread that waits costs nothing.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let to = shared.to.load(Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else {
                    continue;
                };
                for (from, to, is_client) in [(&client, &server, true), (&server, &client, false)] {
                    let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
                        continue;
                    };
                    let state = Arc::clone(&shared);
                    thread::spawn(move || pass(from, to, &state, is_client));
                }
                if let Ok(mut sockets) = shared.sockets.lock() {
                    sockets.extend([client, server]);
                }
            }
        });
        Self { port, state }
    }

    /// Connects to another port for clients from now on.
    pub fn redirect(&self, to: u16) {
        self.state.to.store(to, Ordering::SeqCst);
    }

    /// Passes nothing on any more; the connections stay open.
    pub fn hold(&self) {
        self.state.held.store(true, Ordering::SeqCst);
    }

    /// Passes on again, what was held first.
    pub fn release(&self) {
        self.state.held.store(false, Ordering::SeqCst);
    }

    /// Closes every connection.
    pub fn cut(&self) {
        if let Ok(mut sockets) = self.state.sockets.lock() {
            for socket in sockets.drain(..) {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    /// How many bytes went through, both ways together.
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Ordering::SeqCst)
    }

    /// When clients' pieces came since `from`, from then on.
    pub fn pieces_since(&self, from: Instant) -> Vec<Duration> {
        let pieces = self.state.pieces.lock().map(|pieces| pieces.clone()).unwrap_or_default();
        pieces.iter().filter_map(|at| at.checked_duration_since(from)).collect()
    }

    /// Waits until so many bytes went through.
    ///
    /// # Panics
    /// After a minute.
    pub fn wait_for_bytes(&self, bytes: u64) {
        for _ in 0..6000 {
            if self.bytes() >= bytes {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("only {} bytes went through the relay", self.bytes());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, state: &State, is_client: bool) {
    let mut buffer = vec![0; 65536];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(count) if count > 0 => count,
            _ => break,
        };
        if is_client && let Ok(mut pieces) = state.pieces.lock() {
            pieces.push(Instant::now());
        }
        while state.held.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
        }
        state.bytes.fetch_add(count as u64, Ordering::SeqCst);
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
