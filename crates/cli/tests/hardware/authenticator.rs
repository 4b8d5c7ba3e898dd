//! A FIDO2 authenticator in a thread: CTAPHID over a pseudo-terminal, and as much of CTAP 2.0 as
//! making keys and signing with them takes. It is touched at once and knows its user.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use crypto::hash::HashAlgorithm;
use crypto::sign::{Curve, PublicParts, RawSignature, SecretKey};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// A report of CTAPHID, and what the host puts in front of it.
const REPORT: usize = 64;

/// Commands of CTAPHID (CTAP 2.0 §8.1.9).
const INIT: u8 = 0x06;
const CBOR: u8 = 0x10;
const CHANNEL: [u8; 4] = [1, 2, 3, 4];

/// Commands of CTAP (§5), and their numbers for errors.
const MAKE_CREDENTIAL: u8 = 1;
const GET_ASSERTION: u8 = 2;
const GET_INFO: u8 = 4;
const UNSUPPORTED: u8 = 0x01;
const NO_CREDENTIALS: u8 = 0x2e;

/// A device, for as long as the test runs.
pub struct Authenticator {
    /// The system's name for it.
    pub path: String,
    asked: Arc<Mutex<Vec<String>>>,
    // Open, or the other end would be told that everybody has gone.
    _held: File,
}

impl Authenticator {
    pub fn start() -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&ours).expect("grantpt");
        unlockpt(&ours).expect("unlockpt");
        let path = ptsname(&ours, Vec::new()).expect("ptsname").into_string().expect("a path");
        let held = File::options().read(true).write(true).open(&path).expect("its other end");
        let mut modes = tcgetattr(&held).expect("modes");
        modes.make_raw();
        tcsetattr(&held, OptionalActions::Now, &modes).expect("modes");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let device = Device { line: File::from(ours), keys: Vec::new(), asked: asked.clone() };
        std::thread::spawn(move || device.serve());
        Authenticator { path, asked, _held: held }
    }

    /// What it was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the list").clone()
    }
}

struct Key {
    id: Vec<u8>,
    application: String,
    user: Vec<u8>,
    is_kept: bool,
    secret: SecretKey,
}

struct Device {
    line: File,
    keys: Vec<Key>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Device {
    fn serve(mut self) {
        while let Some((channel, command, message)) = self.receive() {
            match command {
                INIT => {
                    let mut answer = message.clone();
                    answer.extend(CHANNEL);
                    // Version 2, and that it speaks CBOR and nothing else.
                    answer.extend([2, 1, 0, 0, 0x04 | 0x08]);
                    self.send(channel, INIT, &answer);
                }
                CBOR => {
                    let answer = self.perform(&message);
                    self.send(channel, CBOR, &answer);
                }
                _ => {}
            }
        }
    }

    /// One message, out of as many reports as it takes. Nothing when the test is over.
    fn receive(&mut self) -> Option<([u8; 4], u8, Vec<u8>)> {
        let mut report = [0; REPORT + 1];
        self.line.read_exact(&mut report).ok()?;
        let channel = [report[1], report[2], report[3], report[4]];
        let command = report[5] & 0x7f;
        let length = usize::from(report[6]) << 8 | usize::from(report[7]);
        let mut message = report[8..].to_vec();
        while message.len() < length {
            self.line.read_exact(&mut report).ok()?;
            message.extend(&report[6..]);
        }
        message.truncate(length);
        Some((channel, command, message))
    }

    fn send(&mut self, channel: [u8; 4], command: u8, message: &[u8]) {
        let mut reports = Vec::new();
        let first = message.len().min(REPORT - 7);
        let mut report = channel.to_vec();
        report.extend([command | 0x80, (message.len() >> 8) as u8, message.len() as u8]);
        report.extend(&message[..first]);
        reports.push(report);
        for (sequence, part) in message[first..].chunks(REPORT - 5).enumerate() {
            let mut report = channel.to_vec();
            report.push(sequence as u8);
            report.extend(part);
            reports.push(report);
        }
        for mut report in reports {
            report.resize(REPORT, 0);
            self.line.write_all(&report).expect("the line");
        }
    }

    fn perform(&mut self, message: &[u8]) -> Vec<u8> {
        let (command, rest) = message.split_first().expect("a command");
        let request = if rest.is_empty() { Value::Map(Vec::new()) } else { parse(&mut &*rest) };
        match *command {
            GET_INFO => info(),
            MAKE_CREDENTIAL => self.make(&request),
            GET_ASSERTION => self.sign(&request),
            _ => vec![UNSUPPORTED],
        }
    }

    fn note(&self, text: String) {
        self.asked.lock().expect("the list").push(text);
    }

    /// §5.1
    fn make(&mut self, request: &Value) -> Vec<u8> {
        let hash = request.number(1).bytes().to_vec();
        let application = request.number(2).name("id").text().to_owned();
        let user = request.number(3).name("id").bytes().to_vec();
        let wanted = request.number(4).list()[0].name("alg").integer();
        let protection = request.number(6).name("credProtect").integer();
        let (is_kept, verified) =
            (request.number(7).name("rk").is_true(), request.number(7).name("uv").is_true());
        let mut note = format!("make {application} touch");
        for (is_so, text) in [(verified, " verified".to_owned()), (is_kept, " kept".to_owned())] {
            note.push_str(if is_so { &text } else { "" });
        }
        if protection != 0 {
            note = format!("{note} {protection}");
        }
        self.note(note);
        let (secret, public) = if wanted == -8 {
            let secret = SecretKey::generate_ed25519().expect("a key");
            let PublicParts::Ed25519(public) = secret.public() else { panic!("a key") };
            // COSE (RFC 9053 §7.2): OKP, EdDSA, Ed25519, x.
            (secret, map(&[(1, int(1)), (3, int(-8)), (-1, int(6)), (-2, octets(&public))]))
        } else {
            let secret = SecretKey::generate_ecdsa(Curve::NistP256).expect("a key");
            let PublicParts::Ecdsa { point, .. } = secret.public() else { panic!("a key") };
            let (x, y) = (octets(&point[1..33]), octets(&point[33..]));
            // COSE (RFC 9053 §7.1): EC2, ES256, P-256, x, y.
            let public = [(1, int(2)), (3, int(-7)), (-1, int(1)), (-2, x), (-3, y)];
            (secret, map(&public))
        };
        let mut id = vec![0; 32];
        crypto::random::fill(&mut id);
        // Touched, perhaps verified, with a key and perhaps with extensions (WebAuthn §6.1).
        let flags = 0x41 | if verified { 4 } else { 0 } | if protection == 0 { 0 } else { 0x80 };
        let mut data = authenticator_data(&application, flags);
        data.extend([0; 16]);
        data.extend([0, id.len() as u8]);
        data.extend(&id);
        data.extend(public);
        if protection != 0 {
            data.extend(head(5, 1));
            data.extend([name("credProtect"), int(protection)].concat());
        }
        let signature = signature(&secret, &[&data[..], &hash].concat());
        let statement = [head(5, 2), name("alg"), int(wanted), name("sig"), octets(&signature)];
        self.keys.push(Key { id, application, user, is_kept, secret });
        let mut answer = vec![0];
        answer.extend(map(&[(1, name("packed")), (2, octets(&data)), (3, statement.concat())]));
        answer
    }

    /// §5.2
    fn sign(&mut self, request: &Value) -> Vec<u8> {
        let application = request.number(1).text().to_owned();
        let hash = request.number(2).bytes().to_vec();
        let allowed: Vec<Vec<u8>> =
            request.number(3).list().iter().map(|key| key.name("id").bytes().to_vec()).collect();
        let touch = !matches!(request.number(5).name("up"), Value::Bool(false));
        let verified = request.number(5).name("uv").is_true();
        let found = self.keys.iter().rev().find(|key| {
            let is_meant = if allowed.is_empty() { key.is_kept } else { allowed.contains(&key.id) };
            is_meant && key.application == application
        });
        let Some(key) = found else { return vec![NO_CREDENTIALS] };
        let flags = u8::from(touch) | if verified { 4 } else { 0 };
        let data = authenticator_data(&application, flags);
        let signature = signature(&key.secret, &[&data[..], &hash].concat());
        let credential =
            [head(5, 2), name("id"), octets(&key.id), name("type"), name("public-key")].concat();
        let user = [head(5, 1), name("id"), octets(&key.user)].concat();
        let mut fields = vec![(1, credential), (2, octets(&data)), (3, octets(&signature))];
        if key.is_kept {
            fields.push((4, user));
        }
        let answer = map(&fields);
        self.note(format!("sign {application}{}", if touch { " touch" } else { "" }));
        [&[0][..], &answer].concat()
    }
}

/// §5.4
fn info() -> Vec<u8> {
    let options = [
        head(5, 3),
        [name("rk"), boolean(true)].concat(),
        [name("up"), boolean(true)].concat(),
        [name("uv"), boolean(true)].concat(),
    ];
    let fields = [
        (1, [head(4, 1), name("FIDO_2_0")].concat()),
        (2, [head(4, 1), name("credProtect")].concat()),
        (3, octets(&[0; 16])),
        (4, options.concat()),
        (5, int(1200)),
    ];
    [&[0][..], &map(&fields)].concat()
}

/// WebAuthn §6.1, as far as it is always there.
fn authenticator_data(application: &str, flags: u8) -> Vec<u8> {
    let mut data = HashAlgorithm::Sha256.digest(&[application.as_bytes()]).as_ref().to_vec();
    data.push(flags);
    data.extend(7_u32.to_be_bytes());
    data
}

fn signature(key: &SecretKey, message: &[u8]) -> Vec<u8> {
    match key.sign(HashAlgorithm::Sha256, message).expect("a signature") {
        RawSignature::Bytes(bytes) => bytes,
        RawSignature::Ecdsa { r, s } => {
            let number = |number: &[u8]| {
                let zeros = number.iter().take_while(|byte| **byte == 0).count();
                let mut digits = number[zeros..].to_vec();
                if digits[0] & 0x80 != 0 {
                    digits.insert(0, 0);
                }
                [&[2, digits.len() as u8][..], &digits].concat()
            };
            let numbers = [number(&r), number(&s)].concat();
            [&[0x30, numbers.len() as u8][..], &numbers].concat()
        }
    }
}

/// What CTAP says in CBOR (RFC 8949).
#[derive(Debug)]
enum Value {
    Integer(i64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Bool(bool),
    Missing,
}

impl Value {
    fn find(&self, is_it: impl Fn(&Value) -> bool) -> &Value {
        let Value::Map(entries) = self else { return &Value::Missing };
        entries.iter().find(|(key, _)| is_it(key)).map_or(&Value::Missing, |(_, value)| value)
    }

    fn number(&self, number: i64) -> &Value {
        self.find(|key| matches!(key, Value::Integer(found) if *found == number))
    }

    fn name(&self, name: &str) -> &Value {
        self.find(|key| matches!(key, Value::Text(found) if found == name))
    }

    fn bytes(&self) -> &[u8] {
        if let Value::Bytes(bytes) = self { bytes } else { &[] }
    }

    fn text(&self) -> &str {
        if let Value::Text(text) = self { text } else { "" }
    }

    fn list(&self) -> &[Value] {
        if let Value::List(list) = self { list } else { &[] }
    }

    fn integer(&self) -> i64 {
        if let Value::Integer(number) = self { *number } else { 0 }
    }

    fn is_true(&self) -> bool {
        matches!(self, Value::Bool(true))
    }
}

fn parse(rest: &mut &[u8]) -> Value {
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        *rest = left;
        taken.to_vec()
    };
    let first = take(1)[0];
    let argument = match first & 0x1f {
        small @ 0..=23 => i64::from(small),
        size => take(1 << (size - 24)).iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte)),
    };
    let length = usize::try_from(argument).expect("a length");
    match first >> 5 {
        0 => Value::Integer(argument),
        1 => Value::Integer(-1 - argument),
        2 => Value::Bytes(take(length)),
        3 => Value::Text(String::from_utf8(take(length)).expect("text")),
        4 => Value::List((0..argument).map(|_| parse(rest)).collect()),
        5 => Value::Map((0..argument).map(|_| (parse(rest), parse(rest))).collect()),
        _ => Value::Bool(argument == 21),
    }
}

fn head(major: u8, argument: u64) -> Vec<u8> {
    let major = major << 5;
    match argument {
        0..=23 => vec![major | argument as u8],
        24..=255 => vec![major | 0x18, argument as u8],
        _ => vec![major | 0x19, (argument >> 8) as u8, argument as u8],
    }
}

fn int(number: i64) -> Vec<u8> {
    match u64::try_from(number) {
        Ok(number) => head(0, number),
        Err(_) => head(1, number.unsigned_abs() - 1),
    }
}

fn octets(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len() as u64), bytes.to_vec()].concat()
}

fn name(text: &str) -> Vec<u8> {
    [head(3, text.len() as u64), text.as_bytes().to_vec()].concat()
}

fn boolean(value: bool) -> Vec<u8> {
    vec![if value { 0xf5 } else { 0xf4 }]
}

fn map(entries: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut out = head(5, entries.len() as u64);
    for (key, value) in entries {
        out.extend(int(*key));
        out.extend(value);
    }
    out
}
