//! Panels that vouch for host keys: enrolled once, asked at first contact and when a key changed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Arc, Mutex};

use keys::vouch::{Former, Introduction, Standing, Statement};
use keys::{FingerprintHash, KeyKind, PrivateKey, PublicKey};
use keyway_testkit::Implementation::OpenSsh;
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, Finished, run};
use keyway_testkit::{Server, StartedServer};

use crate::{User, keyway};

const ED25519: &[&str] = &["ssh-ed25519"];

/// What a panel says next.
#[derive(Clone)]
struct Word {
    standing: Standing,
    keys: Vec<PublicKey>,
    former: Vec<Former>,
}

/// A panel of few words, on 127.0.0.1.
struct Panel {
    url: String,
    fingerprint: String,
    word: Arc<Mutex<Word>>,
}

impl Panel {
    fn start(server: &StartedServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let key = PrivateKey::generate(KeyKind::Ed25519, None, "panel").expect("a key");
        let word = Word { standing: Standing::Vacant, keys: vec![], former: vec![] };
        let word = Arc::new(Mutex::new(word));
        let introduction = Introduction {
            name: "demo".to_owned(),
            ranges: vec!["127.0.0.0/8".to_owned()],
            ports: vec![server.port],
        };
        let fingerprint = key.public().fingerprint(FingerprintHash::Sha256);
        let said = Arc::clone(&word);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.expect("a connection");
                let mut line = String::new();
                let mut reader = BufReader::new(connection.try_clone().expect("a copy"));
                reader.read_line(&mut line).expect("a request");
                let target = line.split(' ').nth(1).expect("a target").to_owned();
                while reader.read_line(&mut line).expect("headers") > 2 {}
                let word = said.lock().expect("the word").clone();
                let body = answer(&target, &introduction, word, &key);
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                connection.write_all((head + &body).as_bytes()).expect("an answer");
            }
        });
        Self { url, fingerprint, word }
    }

    fn says(&self, standing: Standing, keys: &[&PublicKey], former: Vec<Former>) {
        let keys = keys.iter().map(|key| (*key).clone()).collect();
        *self.word.lock().expect("the word") = Word { standing, keys, former };
    }
}

fn answer(target: &str, introduction: &Introduction, word: Word, signer: &PrivateKey) -> String {
    if target == "/vouch/v1/introduction" {
        return introduction.sign(signer).expect("signed");
    }
    let (_, query) = target.split_once("/vouch/v1/statement?").expect("a question");
    let value = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|pair| pair.0 == name).expect("a value").1.to_owned()
    };
    let statement = Statement {
        nonce: value("nonce"),
        at: 0,
        address: value("address"),
        port: value("port").parse().expect("a port"),
        standing: word.standing,
        server: "this-server".to_owned(),
        keys: word.keys,
        former: word.former,
    };
    statement.sign(signer).expect("signed")
}

fn public(holder: Holder) -> PublicKey {
    PublicKey::from_line(&key_files::public_words(holder, "ssh-ed25519")).expect("a key").0
}

fn enroll(user: &User, words: &[&str]) -> Finished {
    let mut command = keyway("enroll");
    command.args(words).env("KEYWAY_PANELS", user.path("panels"));
    run(&mut command, b"", DEADLINE)
}

/// Logs in with the strictest checking, or what `options` say before that.
fn log_in(user: &User, options: &[&str]) -> Finished {
    let mut all = options.to_vec();
    all.extend(["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]);
    let mut command: Command = user.ssh(&all);
    command.arg("echo in").env("KEYWAY_PANELS", user.path("panels"));
    run(&mut command, b"", DEADLINE)
}

fn enrolled() -> (StartedServer, User, Panel) {
    let server = Server::new(OpenSsh).host_keys(ED25519).start();
    let user = User::new(&server);
    let panel = Panel::start(&server);
    let done = enroll(&user, &["--fingerprint", &panel.fingerprint, &panel.url]);
    assert!(done.success(), "{done}");
    (server, user, panel)
}

#[test]
fn a_panel_is_enrolled_by_its_fingerprint() {
    let (_server, user, panel) = enrolled();
    let listed = enroll(&user, &["--list"]).text();
    assert_eq!(listed, format!("demo {} 127.0.0.0/8 {}\n", panel.fingerprint, panel.url));

    let wrong = enroll(&user, &["--fingerprint", "SHA256:not", &panel.url]);
    assert_eq!(wrong.code(), Some(1), "{wrong}");
    assert!(wrong.stderr.contains(&panel.fingerprint), "{wrong}");

    // Another panel of that name does not take its place.
    let server = Server::new(OpenSsh).host_keys(ED25519).start();
    let other = Panel::start(&server);
    let refused = enroll(&user, &["--fingerprint", &other.fingerprint, &other.url]);
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert!(refused.stderr.contains("enrolled already, with another key"), "{refused}");
    assert!(enroll(&user, &["--remove", "demo"]).success());
    assert!(enroll(&user, &["--fingerprint", &other.fingerprint, &other.url]).success());

    // Nothing that answers, and something that is no panel.
    let nobody = enroll(&user, &["http://127.0.0.1:1"]);
    assert_eq!(nobody.code(), Some(1), "{nobody}");
    let ssh = format!("http://127.0.0.1:{}", server.port);
    assert_eq!(enroll(&user, &[&ssh]).code(), Some(1));
}

#[test]
fn a_vouched_key_needs_no_question_and_its_change_is_no_alarm() {
    let (server, user, panel) = enrolled();
    let (host, stranger) = (public(Holder::Host), public(Holder::Stranger));
    panel.says(Standing::Present, &[&host], vec![]);
    let first = log_in(&user, &[]);
    assert_eq!(first.text(), "in\n", "{first}");
    assert!(first.stderr.contains("is vouched for by panel demo"), "{first}");
    assert_eq!(user.read("known_hosts"), server.known_hosts());

    // Known now: the panel is not asked.
    panel.says(Standing::Vacant, &[], vec![]);
    let second = log_in(&user, &[]);
    assert_eq!((second.text(), second.stderr.as_str()), ("in\n".to_owned(), ""), "{second}");

    // Rebuilt: what was known is another key.
    let name = format!("[127.0.0.1]:{}", server.port);
    user.write("known_hosts", &format!("{name} {}\n", stranger.to_line("")));
    let former =
        Former { key: stranger, retired_at: 1_700_000_000, server: "this-server".to_owned() };
    panel.says(Standing::Present, &[&host], vec![former]);
    let rebuilt = log_in(&user, &[]);
    assert_eq!(rebuilt.text(), "in\n", "{rebuilt}");
    assert!(rebuilt.stderr.contains("because the server was rebuilt"), "{rebuilt}");
    assert!(!rebuilt.stderr.contains("WARNING"), "{rebuilt}");
    assert_eq!(user.read("known_hosts"), server.known_hosts());
}

#[test]
fn a_panel_that_disagrees_is_a_full_stop() {
    let (_server, user, panel) = enrolled();
    let stranger = public(Holder::Stranger);
    panel.says(Standing::Present, &[&stranger], vec![]);
    let refused = log_in(&user, &["-o", "StrictHostKeyChecking=no"]);
    assert_eq!(refused.code(), Some(255), "{refused}");
    for shown in [
        "WARNING: THE PANEL KNOWS ANOTHER HOST KEY FOR THIS!",
        &public(Holder::Host).fingerprint(FingerprintHash::Sha256),
        &stranger.fingerprint(FingerprintHash::Sha256),
    ] {
        assert!(refused.stderr.contains(shown), "{shown}: {refused}");
    }
    assert_eq!(user.read("known_hosts"), "");
}

#[test]
fn a_panel_that_knows_nothing_leaves_it_to_known_hosts() {
    let (server, user, panel) = enrolled();
    for (standing, said) in [
        (Standing::Vacant, "panel demo knows no server at 127.0.0.1"),
        (Standing::Pending, "panel demo has not seen the host keys"),
    ] {
        panel.says(standing, &[], vec![]);
        let refused = log_in(&user, &[]);
        assert_eq!(refused.code(), Some(255), "{refused}");
        assert!(refused.stderr.contains(said), "{refused}");
        assert!(refused.stderr.contains("No ED25519 host key is known"), "{refused}");
    }
    // Another panel's signature where the enrolled one is expected.
    assert!(enroll(&user, &["--remove", "demo"]).success());
    let mallory = Panel::start(&server);
    let done = enroll(&user, &["--fingerprint", &mallory.fingerprint, &mallory.url]);
    assert!(done.success(), "{done}");
    let file = user.path("panels/demo");
    let text = std::fs::read_to_string(&file).expect("the panel's file");
    std::fs::write(&file, text.replace(&mallory.url, &panel.url)).expect("changed");
    panel.says(Standing::Present, &[&public(Holder::Host)], vec![]);
    let refused = log_in(&user, &[]);
    assert_eq!(refused.code(), Some(255), "{refused}");
    assert!(refused.stderr.contains("signed by another key"), "{refused}");
}
