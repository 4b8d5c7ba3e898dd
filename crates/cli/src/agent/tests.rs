//! The agent's answers, without sockets.

use std::time::Duration;

use keys::agent::{
    Constraint, DestinationConstraint, Hop, HopKey, QUERY, RSA_SHA2_512, Request, Response,
    SESSION_BIND, SessionBind, queried, take_answer,
};
use keys::{FingerprintHash, KeyKind, PrivateKey, VerifyOptions};

use super::args::Policy;
use super::bindings::Bindings;
use super::core::{Core, Outcome};

const NOW: Duration = Duration::from_secs(1000);

fn key(kind: KeyKind, comment: &str) -> PrivateKey {
    PrivateKey::generate(kind, (kind == KeyKind::Rsa).then_some(2048), comment).unwrap()
}

fn agent() -> Core {
    Core::new(0, FingerprintHash::Sha256, Policy::default())
}

fn outcome(
    core: &mut Core,
    bindings: &mut Bindings,
    request: &Request,
    consented: bool,
) -> Outcome {
    let framed = request.encode().unwrap();
    core.handle(bindings, &framed[4..], consented, NOW)
}

fn ask(core: &mut Core, bindings: &mut Bindings, request: &Request) -> Response {
    match outcome(core, bindings, request, false) {
        Outcome::Answer(framed) => {
            Response::decode(take_answer(&framed).unwrap().unwrap().0).unwrap()
        }
        _ => panic!("no answer"),
    }
}

fn add(core: &mut Core, key: PrivateKey, constraints: Vec<Constraint>) -> Response {
    let request = Request::AddIdentity { key: Box::new(key), constraints };
    ask(core, &mut Bindings::default(), &request)
}

fn listed(core: &mut Core, bindings: &mut Bindings) -> Vec<String> {
    match ask(core, bindings, &Request::RequestIdentities) {
        Response::Identities(list) => list.into_iter().map(|identity| identity.comment).collect(),
        other => panic!("{other:?}"),
    }
}

fn sign(key_blob: &[u8], data: &[u8], flags: u32) -> Request {
    Request::Sign { key_blob: key_blob.to_vec(), data: data.to_vec(), flags }
}

#[test]
fn signs_with_what_it_holds() {
    let mut core = agent();
    let rsa = key(KeyKind::Rsa, "rsa");
    let public = rsa.public().clone();
    let none = &mut Bindings::default();
    assert_eq!(ask(&mut core, none, &sign(public.blob(), b"x", 0)), Response::Failure);
    assert_eq!(add(&mut core, rsa, Vec::new()), Response::Success);
    for (flags, name) in [(0, "ssh-rsa"), (2, "rsa-sha2-256"), (RSA_SHA2_512, "rsa-sha2-512")] {
        let Response::Signature(signature) =
            ask(&mut core, none, &sign(public.blob(), b"x", flags))
        else {
            panic!("{name}")
        };
        public.verify(name, b"x", &signature, &VerifyOptions::ANY).unwrap();
    }
    let remove = Request::RemoveIdentity { key_blob: public.blob().to_vec() };
    assert_eq!(ask(&mut core, none, &remove), Response::Success);
    assert_eq!(ask(&mut core, none, &remove), Response::Failure);
    assert_eq!(ask(&mut core, none, &Request::RemoveAllIdentities), Response::Success);
}

#[test]
fn lifetimes() {
    let mut core = Core::new(60, FingerprintHash::Sha256, Policy::default());
    add(&mut core, key(KeyKind::Ed25519, "default"), Vec::new());
    add(&mut core, key(KeyKind::Ed25519, "own"), vec![Constraint::Lifetime(10)]);
    add(&mut core, key(KeyKind::Ed25519, "for ever"), vec![Constraint::Lifetime(0)]);
    let mut dying = |seconds| {
        core.store.reap(NOW + Duration::from_secs(seconds));
        core.store.iter().map(|held| held.key.comment().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(dying(9), ["default", "own", "for ever"]);
    assert_eq!(dying(10), ["default", "for ever"]);
    assert_eq!(dying(60), ["for ever"]);
}

#[test]
fn consent_is_asked_for() {
    let mut core = agent();
    let one = key(KeyKind::Ed25519, "one");
    let (public, blob) = (one.public().clone(), one.public().blob().to_vec());
    add(&mut core, one, vec![Constraint::Confirm]);
    let none = &mut Bindings::default();
    let request = sign(&blob, b"x", 0);
    let Outcome::Confirm(question) = outcome(&mut core, none, &request, false) else {
        panic!("not asked")
    };
    let fingerprint = public.fingerprint(FingerprintHash::Sha256);
    assert_eq!(question, format!("Allow use of key one?\nKey fingerprint {fingerprint}."));
    assert!(matches!(outcome(&mut core, none, &request, true), Outcome::Answer(_)));
}

#[test]
fn locked_it_shows_and_does_nothing() {
    let mut core = agent();
    add(&mut core, key(KeyKind::Ed25519, "one"), Vec::new());
    let none = &mut Bindings::default();
    let secret = |text: &[u8]| zeroize::Zeroizing::new(text.to_vec());
    let lock = Request::Lock { passphrase: secret(b"p") };
    assert_eq!(ask(&mut core, none, &lock), Response::Success);
    assert!(listed(&mut core, none).is_empty());
    assert_eq!(ask(&mut core, none, &Request::RemoveAllIdentities), Response::Failure);
    assert_eq!(add(&mut core, key(KeyKind::Ed25519, "two"), Vec::new()), Response::Failure);
    let wrong = Request::Unlock { passphrase: secret(b"q") };
    assert!(matches!(outcome(&mut core, none, &wrong, false), Outcome::AnswerAt(..)));
    let right = Request::Unlock { passphrase: secret(b"p") };
    assert!(matches!(outcome(&mut core, none, &right, false), Outcome::TryAgainAt(_)));
    let framed = right.encode().unwrap();
    core.handle(none, &framed[4..], false, NOW + Duration::from_secs(1));
    assert_eq!(listed(&mut core, none), ["one"]);
}

#[test]
fn extensions() {
    let mut core = agent();
    let none = &mut Bindings::default();
    let extension = |name: &str| Request::Extension { name: name.into(), contents: Vec::new() };
    let Response::Extension(contents) = ask(&mut core, none, &extension(QUERY)) else {
        panic!("no answer")
    };
    assert_eq!(queried(&contents).unwrap(), [QUERY, SESSION_BIND]);
    assert_eq!(ask(&mut core, none, &extension("strange@x")), Response::Failure);
    assert_eq!(ask(&mut core, none, &extension(SESSION_BIND)), Response::ExtensionFailure);
    assert_eq!(ask(&mut core, none, &Request::Unknown(9)), Response::Failure);
}

/// A host with a key, as a hop and as a session that is bound.
struct Host {
    key: PrivateKey,
    name: &'static str,
}

impl Host {
    fn new(name: &'static str) -> Self {
        Host { key: key(KeyKind::Ed25519, name), name }
    }

    fn hop(&self, user: &str) -> Hop {
        let key = HopKey { key: self.key.public().clone(), is_ca: false };
        Hop { user: user.into(), host: self.name.into(), keys: vec![key] }
    }

    fn bind(&self, session: u8, is_forwarding: bool) -> Request {
        let session_id = vec![session; 32];
        let signature = self.key.sign("ssh-ed25519", &session_id).unwrap();
        let host_key = self.key.public().clone();
        SessionBind { host_key, session_id, signature, is_forwarding }.to_request()
    }

    fn bind_to(&self, core: &mut Core, bindings: &mut Bindings, session: u8, forward: bool) {
        assert_eq!(ask(core, bindings, &self.bind(session, forward)), Response::Success);
    }
}

/// What a client signs to log in; `host` in OpenSSH's own form.
fn login(session: u8, user: &str, key: &[u8], host: Option<&Host>) -> Vec<u8> {
    let string = |data: &mut Vec<u8>, bytes: &[u8]| {
        data.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        data.extend_from_slice(bytes);
    };
    let method: &[u8] =
        if host.is_some() { b"publickey-hostbound-v00@openssh.com" } else { b"publickey" };
    let mut data = Vec::new();
    string(&mut data, &[session; 32]);
    data.push(50);
    for field in [user.as_bytes(), b"ssh-connection", method] {
        string(&mut data, field);
    }
    data.push(1);
    string(&mut data, b"ssh-ed25519");
    string(&mut data, key);
    if let Some(host) = host {
        string(&mut data, host.key.public().blob());
    }
    data
}

#[test]
fn restricted_keys_go_where_they_may() {
    let (a, b, c) = (Host::new("a"), Host::new("b"), Host::new("c"));
    let mut core = agent();
    let mine = key(KeyKind::Ed25519, "mine");
    let blob = mine.public().blob().to_vec();
    let restriction = Constraint::RestrictDestination(vec![
        DestinationConstraint { from: Hop::default(), to: a.hop("") },
        DestinationConstraint { from: a.hop(""), to: b.hop("root*") },
    ]);
    add(&mut core, mine, vec![restriction]);
    add(&mut core, key(KeyKind::Ed25519, "free"), Vec::new());
    let signs = |core: &mut Core, bindings: &mut Bindings, data: &[u8]| {
        matches!(ask(core, bindings, &sign(&blob, data, 0)), Response::Signature(_))
    };
    let core = &mut core;

    // On this machine it is listed, and of use for nothing but a bound login.
    let local = &mut Bindings::default();
    assert_eq!(listed(core, local), ["mine", "free"]);
    assert!(!signs(core, local, &login(1, "me", &blob, None)));
    assert!(!signs(core, local, b"anything"));

    let to_a = &mut Bindings::default();
    a.bind_to(core, to_a, 1, false);
    assert_eq!(listed(core, to_a), ["mine", "free"]);
    assert!(signs(core, to_a, &login(1, "me", &blob, None)));
    assert!(signs(core, to_a, &login(1, "me", &blob, Some(&a))));
    assert!(!signs(core, to_a, &login(1, "me", &blob, Some(&b))), "another host's key");
    assert!(!signs(core, to_a, &login(2, "me", &blob, None)), "another session");
    assert!(!signs(core, to_a, b"anything"));
    assert_eq!(ask(core, to_a, &b.bind(2, false)), Response::ExtensionFailure, "bound already");

    let to_c = &mut Bindings::default();
    c.bind_to(core, to_c, 1, false);
    assert_eq!(listed(core, to_c), ["free"]);
    assert!(!signs(core, to_c, &login(1, "me", &blob, None)));

    // From a onwards.
    let on_a = &mut Bindings::default();
    a.bind_to(core, on_a, 1, true);
    assert_eq!(listed(core, on_a), ["mine", "free"]);
    assert!(!signs(core, on_a, &login(1, "root", &blob, Some(&a))), "a is only on the way");
    b.bind_to(core, on_a, 2, false);
    assert!(signs(core, on_a, &login(2, "root", &blob, Some(&b))));
    assert!(!signs(core, on_a, &login(2, "root", &blob, None)), "no host key named");
    assert!(!signs(core, on_a, &login(2, "me", &blob, Some(&b))), "another user");

    // It ends at b: there it is not shown, nor removed, nor replaced.
    let on_b = &mut Bindings::default();
    a.bind_to(core, on_b, 1, true);
    b.bind_to(core, on_b, 2, true);
    assert_eq!(listed(core, on_b), ["free"]);
    let remove = Request::RemoveIdentity { key_blob: blob.clone() };
    assert_eq!(ask(core, on_b, &remove), Response::Failure);

    // Who tried to bind and failed is not local.
    let failed = &mut Bindings::default();
    let Request::Extension { name, mut contents } = a.bind(1, false) else { panic!() };
    if let Some(byte) = contents.iter_mut().rev().nth(10) {
        *byte ^= 1;
    }
    let bad = Request::Extension { name, contents };
    assert_eq!(ask(core, failed, &bad), Response::ExtensionFailure);
    assert_eq!(listed(core, failed), ["free"]);
}

#[test]
fn hops_have_a_limit() {
    let a = Host::new("a");
    let mut core = agent();
    let bindings = &mut Bindings::default();
    for session in 0..16 {
        a.bind_to(&mut core, bindings, session, true);
    }
    a.bind_to(&mut core, bindings, 3, true);
    assert_eq!(ask(&mut core, bindings, &a.bind(16, true)), Response::ExtensionFailure);
}

#[test]
fn garbage_is_refused() {
    let mut core = agent();
    let none = &mut Bindings::default();
    for message in [&[][..], &[13], &[17, 0, 0, 0, 9], &[27, 255, 255, 255, 255], &[200; 64]] {
        let Outcome::Answer(framed) = core.handle(none, message, false, NOW) else {
            panic!("{message:?}")
        };
        assert_eq!(*framed, [0, 0, 0, 1, 5]);
    }
}

/// Messages that were good once, with bytes changed, cut and doubled: whatever comes, every one
/// has an outcome.
#[test]
fn damaged_messages_have_an_outcome() {
    let a = Host::new("a");
    let restriction = Constraint::RestrictDestination(vec![DestinationConstraint {
        from: Hop::default(),
        to: a.hop("me"),
    }]);
    let mut core = agent();
    let held = key(KeyKind::Ed25519, "held");
    let blob = held.public().blob().to_vec();
    add(&mut core, held, vec![restriction.clone()]);
    let secret = || zeroize::Zeroizing::new(b"p".to_vec());
    let added = |kind| Request::AddIdentity {
        key: Box::new(key(kind, "added")),
        constraints: vec![Constraint::Lifetime(5), restriction.clone()],
    };
    let good: Vec<_> = [
        Request::RequestIdentities,
        sign(&blob, &login(1, "me", &blob, Some(&a)), 4),
        added(KeyKind::Ed25519),
        added(KeyKind::Ecdsa),
        added(KeyKind::Rsa),
        a.bind(1, true),
        Request::RemoveIdentity { key_blob: blob.clone() },
        Request::Lock { passphrase: secret() },
        Request::Unlock { passphrase: secret() },
    ]
    .iter()
    .map(|request| request.encode().unwrap()[4..].to_vec())
    .collect();
    // A generator of no quality, the same in every run.
    let mut state = 1_u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut bindings = Bindings::default();
    let mut now = NOW;
    for _ in 0..5000 {
        let mut message = good[random(good.len())].clone();
        for _ in 0..=random(3) {
            let at = random(message.len());
            match random(4) {
                0 => message[at] ^= 1 << random(8),
                1 => message[at] = [0, 0xff, 0x7f, 0x80][random(4)],
                2 => message.truncate(at.max(1)),
                _ => message.extend_from_within(at..),
            }
        }
        if random(50) == 0 {
            bindings = Bindings::default();
        }
        now += Duration::from_secs(1);
        match core.handle(&mut bindings, &message, random(2) == 0, now) {
            Outcome::Answer(answer) | Outcome::AnswerAt(_, answer) => assert!(answer.len() > 4),
            Outcome::TryAgainAt(moment) => assert!(moment > now),
            Outcome::Confirm(question) => assert!(!question.is_empty()),
            Outcome::Errand(_) => {}
        }
    }
}
