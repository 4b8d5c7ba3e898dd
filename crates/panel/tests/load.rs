//! Requests at a pace, over real connections with real sessions: pages, the API, and some writes.
//!
//! Five seconds in the usual run; `KEYWAY_LOAD=SECONDS` for longer, and 200 requests a second are
//! then insisted on. Run that with `--release`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{PASSWORD, memory_cloud::MemoryCloud};
use panel::State;
use panel::accounts::{NewUser, Role, TokenRequest};
use panel::settings::Settings;
use panel::store::Store;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

const A_SECOND: u32 = 200;
const CONNECTIONS: u32 = 20;
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILzGUay2BeHdvy8NHBrrDTAvetPXlxBEC9hHgv9P/20f me";

/// A browser's connection: it stays open, as HTTP/1.1 has it.
struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
    headers: String,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream: BufReader::new(stream), address, headers: String::new() }
    }

    async fn ask(&mut self, method: &str, path: &str, kind: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.headers,
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(
                self.stream.read_line(&mut head).await.unwrap() > 0,
                "{path}: the connection ended"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let lower = head.to_lowercase();
        let mut body = Vec::new();
        if let Some(length) = lower.split("content-length: ").nth(1) {
            let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
            body.resize(length, 0);
            self.stream.read_exact(&mut body).await.unwrap();
        } else if lower.contains("transfer-encoding: chunked") {
            loop {
                let mut line = String::new();
                self.stream.read_line(&mut line).await.unwrap();
                let length = usize::from_str_radix(line.trim(), 16).unwrap();
                let mut chunk = vec![0; length + 2];
                self.stream.read_exact(&mut chunk).await.unwrap();
                if length == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[..length]);
            }
        }
        Answer { status, head, body: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn form(&mut self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, "application/x-www-form-urlencoded", body).await
    }

    async fn page(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "text/plain", "").await
    }

    /// Logs in as a person does, and returns the token of the session's forms.
    async fn log_in(&mut self, name: &str) -> String {
        let form = self.page("/login").await;
        let cookie = |answer: &Answer, name: &str| {
            let rest = answer.head.split(&format!("{name}=")).nth(1).unwrap().to_owned();
            rest.split(';').next().unwrap().to_owned()
        };
        let token = cookie(&form, "keyway_login");
        self.headers = format!("Cookie: keyway_login={token}\r\n");
        let password = PASSWORD.replace(' ', "+");
        let done =
            self.form("/login", &format!("token={token}&name={name}&password={password}")).await;
        assert_eq!(done.status, 303, "{}", done.body);
        self.headers = format!("Cookie: keyway={}\r\n", cookie(&done, "keyway"));
        let account = self.page("/account").await;
        let rest = account.body.split("name=\"csrf\" value=\"").nth(1).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A whole panel on a free port: `serve` and all layers.
async fn start() -> (Arc<State>, SocketAddr, tempfile::TempDir, tokio::sync::watch::Sender<bool>) {
    let folder = tempfile::tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut settings = Settings::for_tests(folder.path().to_owned());
    settings.public_url = format!("http://{address}");
    let store = Store::open(&settings.database).await.unwrap();
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let state = State::new(MemoryCloud::new(), store, settings, stopping.clone());
    tokio::spawn(panel::serve::run(
        listener,
        None,
        panel::web::router(Arc::clone(&state)),
        stopping,
    ));
    let accounts = &state.accounts;
    let project = accounts.create_project("demo", "").await.unwrap();
    let new = NewUser {
        name: "ada",
        email: "",
        password: Some(PASSWORD),
        default_project: Some(&project.id),
    };
    let user = accounts.create_user(new).await.unwrap();
    accounts.assign(&user.id, &project.id, Role::Member).await.unwrap();
    (state, address, folder, stop)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_a_pace() {
    let seconds: u32 =
        std::env::var("KEYWAY_LOAD").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let long = std::env::var_os("KEYWAY_LOAD").is_some();
    let (state, address, _folder, stop) = start().await;
    let user = state.accounts.user_by_name("ada").await.unwrap().unwrap();
    let project = state.accounts.project_by_name("demo").await.unwrap().unwrap();
    let request = TokenRequest {
        user_id: &user.id,
        project_id: Some(&project.id),
        method: "password",
        credential_id: None,
        expires_at: None,
        role_cap: None,
    };
    let token = state.accounts.issue_token(request).await.unwrap().0;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(address).await;
        let csrf = connection.log_in("ada").await;
        connection.headers += "X-Auth-Token: ";
        connection.headers += &token;
        connection.headers += "\r\n";
        connections.push((connection, csrf));
    }
    let seen = Arc::new(Mutex::new((BTreeMap::<u16, u32>::new(), Vec::<Duration>::new())));
    let began = Instant::now();
    let mut running = Vec::new();
    for (number, (mut connection, csrf)) in (0..).zip(connections) {
        let seen = Arc::clone(&seen);
        running.push(tokio::spawn(async move {
            let every = Duration::from_secs(1) * CONNECTIONS / A_SECOND;
            let mut ticks = tokio::time::interval(every);
            for round in 0..seconds * A_SECOND / CONNECTIONS {
                ticks.tick().await;
                let asked = Instant::now();
                let answer = one(&mut connection, &csrf, number, round).await;
                let took = asked.elapsed();
                assert!(answer.status < 400, "{}: {}", answer.head, answer.body);
                let mut seen = seen.lock().await;
                *seen.0.entry(answer.status).or_default() += 1;
                seen.1.push(took);
            }
        }));
    }
    for task in running {
        task.await.expect("no request fails");
    }
    let took = began.elapsed();
    let mut seen = seen.lock().await;
    seen.1.sort();
    let at = |share: usize| seen.1[(seen.1.len() - 1) * share / 100];
    println!(
        "{} requests in {took:?}: {:?}; median {:?}, 95 of 100 within {:?}, all within {:?}",
        seen.1.len(),
        seen.0,
        at(50),
        at(95),
        at(100)
    );
    assert_eq!(seen.1.len(), (seconds * A_SECOND) as usize);
    if long {
        assert!(
            took < Duration::from_secs(u64::from(seconds) + 1),
            "the pace was not kept: {took:?}"
        );
    }
    let _ = stop.send(true);
}

/// One request: of ten, eight only look.
async fn one(connection: &mut Connection, csrf: &str, number: u32, round: u32) -> Answer {
    let name = format!("key-{number}");
    match (round + number) % 10 {
        0 => connection.page("/servers").await,
        1 => connection.page("/keys").await,
        2 => connection.page("/servers/new").await,
        3 => connection.page("/account").await,
        4 => connection.page("/compute/ams/v2.1/servers/detail").await,
        5 => connection.page("/compute/ams/v2.1/os-keypairs").await,
        6 => connection.page("/panel/v1/key-pairs").await,
        7 => {
            let body = format!("{{\"keypair\":{{\"name\":\"{name}\",\"public_key\":\"{KEY}\"}}}}");
            connection.ask("POST", "/compute/ams/v2.1/os-keypairs", "application/json", &body).await
        }
        8 => {
            let body = format!("csrf={csrf}&region=ams&name={name}");
            connection.form("/keys/delete", &body).await
        }
        _ => connection.page("/audit").await,
    }
}
