use std::time::Duration;

use super::judge;
use crate::probe::greeting::Answer;
use crate::probe::key_file::{KeyFile, State};
use crate::probe::reach::{Outcome, Try, Unresolved};
use crate::visit::{Agent, Ending, Fate, Key, Moment, Stage, Visit};

fn names(visit: &Visit) -> Vec<&'static str> {
    judge(visit).into_iter().map(|finding| finding.name).collect()
}

fn tried(outcome: Outcome) -> Visit {
    let mut visit = Visit::default();
    let took = Duration::from_millis(3);
    visit.reach.tries = vec![Try { address: "192.0.2.1:22".parse().unwrap(), outcome, took }];
    visit
}

fn denied(keys: Vec<Key>, methods: &[&str]) -> Visit {
    let mut visit = Visit::default();
    visit.talk.stage = Stage::Keyed;
    visit.login.keys = keys;
    visit.login.methods = methods.iter().map(|one| (*one).to_owned()).collect();
    visit.target.batch_mode = true;
    visit
}

fn key(fate: Fate, state: State) -> Key {
    Key {
        name: "k".to_owned(),
        label: Some("ED25519 SHA256:x".to_owned()),
        source: "named".to_owned(),
        named: true,
        in_agent: false,
        fate,
        certificate: None,
        file: Some(KeyFile { path: "/k".into(), state }),
    }
}

#[test]
fn ways_not_to_connect() {
    let mut visit = Visit::default();
    visit.reach.unresolved = Some(Unresolved::NoSuchName("no".to_owned()));
    assert_eq!(names(&visit), ["name-unknown"]);
    assert_eq!(names(&tried(Outcome::Refused)), ["connection-refused"]);
    assert_eq!(names(&tried(Outcome::TimedOut)), ["connection-timed-out"]);
    assert_eq!(names(&tried(Outcome::NoRoute("no".to_owned()))), ["no-route"]);
    assert_eq!(names(&tried(Outcome::Forbidden)), ["local-firewall"]);
    let mut elsewhere = tried(Outcome::Refused);
    elsewhere.reach.elsewhere = vec![(2222, Answer::Ssh("SSH-2.0-x".to_owned()))];
    assert_eq!(names(&elsewhere), ["wrong-port"]);
}

#[test]
fn words_before_the_ident() {
    let mut visit = Visit::default();
    visit.talk.stage = Stage::Connected;
    visit.talk.ending = Ending::Closed;
    assert_eq!(names(&visit), ["closed-at-once"]);
    visit.talk.before_ident = vec!["Exceeded MaxStartups".to_owned()];
    assert_eq!(names(&visit), ["max-startups"]);
    visit.talk.before_ident = vec!["Not allowed at this time".to_owned()];
    assert_eq!(names(&visit), ["penalty"]);
}

#[test]
fn one_cause_for_a_denied_login() {
    let refused = || key(Fate::Refused, State::Fine);
    assert_eq!(names(&denied(vec![refused()], &["publickey"])), ["keys-refused"]);
    assert_eq!(names(&denied(vec![], &["password"])), ["password-only"]);
    let open = key(Fate::Skipped("x".to_owned()), State::TooOpen(0o644));
    assert_eq!(names(&denied(vec![open], &["publickey"])), ["key-file-permissions"]);
    let locked = key(Fate::WouldDo, State::Locked);
    assert_eq!(names(&denied(vec![locked], &["publickey"])), ["passphrase-needed"]);
    let mut stale = denied(vec![refused()], &["publickey"]);
    stale.agent = Agent::Stale("/s".into(), "Connection refused".to_owned());
    assert_eq!(names(&stale), ["agent-stale"]);
    let mut none = denied(vec![], &["publickey"]);
    assert_eq!(names(&none), ["keys-only"]);
    none.agent = Agent::Missing;
    assert_eq!(names(&none), ["agent-missing"]);
}

#[test]
fn a_good_proof_that_does_not_help() {
    let mut visit = denied(vec![key(Fate::SignatureRefused, State::Fine)], &["publickey"]);
    visit.talk.ending = Ending::Closed;
    assert_eq!(names(&visit), ["account-refused"]);
    visit.login.last_words = vec!["Your account has expired; please ask.".to_owned()];
    assert_eq!(names(&visit), ["account-refused"]);
    visit.login.last_words = vec!["Back at noon.".to_owned()];
    assert_eq!(names(&visit), ["nologin"]);
    visit.talk.hung_up_while_signing = Some(Duration::from_secs(9));
    assert_eq!(names(&visit), ["login-grace-time"]);
}

#[test]
fn a_slow_network_is_not_a_slow_server() {
    let mut visit = Visit::default();
    visit.talk.stage = Stage::In;
    let moments = |times: &[(&str, u64)]| {
        let one = |(what, took): &(&str, u64)| Moment {
            what: (*what).to_owned(),
            took: Duration::from_millis(*took),
        };
        times.iter().map(one).collect()
    };
    visit.talk.moments = moments(&[
        ("connection", 2100),
        ("key exchange", 4200),
        ("first answer", 2100),
        ("login", 2200),
    ]);
    assert_eq!(names(&visit), ["slow-network"]);
    visit.talk.moments =
        moments(&[("connection", 800), ("key exchange", 900), ("login", 800), ("session", 4000)]);
    assert_eq!(names(&visit), ["slow-network", "slow-session"]);
    visit.talk.moments = moments(&[("connection", 9), ("first answer", 2600), ("login", 9)]);
    assert_eq!(names(&visit), ["slow-user-lookup"]);
}

#[test]
fn nothing_wrong() {
    let mut visit = Visit::default();
    visit.talk.stage = Stage::In;
    assert_eq!(names(&visit), Vec::<&str>::new());
}
