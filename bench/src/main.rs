//! Runs Keyway and the machine's OpenSSH side by side and prints ratios.
//!
//! ```text
//! make bench                       everything, some minutes
//! make bench WRITE=1               and puts the tables into bench/README.md
//! make bench ARGS="--quick"        fewer runs of less data
//! make bench ARGS="login memory"   only these sections
//! ```

#![expect(clippy::cast_precision_loss, reason = "ratios are rounded to two digits anyway")]

mod bulk;
mod cloud;
mod delay;
mod forwards;
mod keys;
mod limit;
mod login;
mod machine;
mod memory;
mod mux;
mod proc;
mod report;
mod rig;
mod size;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;

/// How much to do.
pub struct Effort {
    /// Bytes of a bulk transfer.
    pub bytes: u64,
    /// Repetitions of a bulk transfer; the median counts.
    pub transfers: usize,
    /// Repetitions of a login.
    pub logins: usize,
    /// Idle connections at once.
    pub idle: usize,
    /// Logins at once.
    pub burst: usize,
    /// RSA keys made of each size; the median counts.
    pub rsa_keys: usize,
    /// Servers of the panel's, one after the other.
    pub servers: usize,
    /// And at once.
    pub servers_at_once: usize,
}

const FULL: Effort = Effort {
    bytes: 1 << 30,
    transfers: 5,
    logins: 40,
    idle: 500,
    burst: 200,
    rsa_keys: 20,
    servers: 20,
    servers_at_once: 100,
};
const QUICK: Effort = Effort {
    bytes: 128 << 20,
    transfers: 3,
    logins: 10,
    idle: 50,
    burst: 50,
    rsa_keys: 3,
    servers: 5,
    servers_at_once: 20,
};

type Section = (&'static str, fn(&Effort) -> String);

const SECTIONS: [Section; 14] = [
    ("bulk", bulk::section),
    ("login", login::section),
    ("roundtrips", login::round_trips),
    ("distance", delay::section),
    ("mux", mux::section),
    ("forwards", forwards::section),
    ("memory", memory::one),
    ("idle", memory::many),
    ("burst", login::burst),
    ("keys", crate::keys::section),
    ("keyscan", tools::scan),
    ("config", tools::configuration),
    ("cloud", cloud::section),
    ("size", size::section),
];

struct Arguments {
    effort: Effort,
    write: Option<PathBuf>,
    sections: Vec<String>,
}

fn arguments() -> Result<Arguments, lexopt::Error> {
    let mut arguments = Arguments { effort: FULL, write: None, sections: Vec::new() };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => arguments.effort = QUICK,
            Long("write") => arguments.write = Some(parser.value()?.into()),
            Value(name) => {
                let name = name.string()?;
                if !SECTIONS.iter().any(|(known, _)| *known == name) {
                    return Err(format!("no section {name}").into());
                }
                arguments.sections.push(name);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((word, rest)) = words.split_first()
        && word == cloud::INSIDE
    {
        match cloud::inside(rest) {
            Ok(text) => print!("{text}"),
            Err(reason) => {
                eprintln!("bench: {reason}");
                return ExitCode::FAILURE;
            }
        }
        return ExitCode::SUCCESS;
    }
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            let names = SECTIONS.map(|(name, _)| name).join(" ");
            eprintln!("bench: {error}\nusage: bench [--quick] [--write FILE] [{names}]");
            return ExitCode::from(2);
        }
    };
    let mut text = machine::describe();
    print!("{text}");
    for (name, section) in SECTIONS {
        if arguments.sections.is_empty() || arguments.sections.iter().any(|wanted| wanted == name) {
            let tables = section(&arguments.effort);
            println!("{tables}");
            text.push_str(&tables);
            text.push('\n');
        }
    }
    if let Some(path) = arguments.write
        && let Err(error) = report::write(&path, &text)
    {
        eprintln!("bench: {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
