//! `ssh-keygen`: makes keys, converts them, signs with them and tells about them.
//!
//! Flags, questions, texts and exit codes are OpenSSH's. Keys in hardware are reached through
//! [`crate::hardware`].

mod certificate;
mod certificate_options;
mod change;
mod convert;
mod failure;
mod generate;
mod host_keys;
mod known;
pub mod load;
mod moduli;
mod moduli_table;
mod options;
mod records;
mod revocation;
mod revocation_spec;
pub mod save;
mod security_key;
mod show;
mod show_certificate;
mod signature;
mod signature_check;
mod token;
mod validity;

use std::ffi::OsString;
use std::process::ExitCode;

pub use failure::Failure;
pub use generate::{default_comment, public_path};
pub use options::Options;

use crate::messages::{self, Level};
use crate::ui::clean;

/// Runs the tool.
pub fn main(words: &[OsString]) -> ExitCode {
    crate::sys::default_sigpipe();
    messages::init();
    let ended = options::read(words).and_then(|options| {
        match options.verbose {
            0 => {}
            1 => messages::set_level(Level::Debug1),
            2 => messages::set_level(Level::Debug2),
            _ => messages::set_level(Level::Debug3),
        }
        run(&options)
    });
    ended.unwrap_or_else(|failure| {
        if let Some(text) = failure.text() {
            eprintln!("{}", clean::visible_lines(text));
        }
        if failure.shows_usage() {
            eprint!("{}", options::USAGE);
        }
        failure.exit_code()
    })
}

fn run(options: &Options) -> Result<ExitCode, Failure> {
    if let Some(verb) = &options.signature_verb {
        return signature::run(options, verb);
    }
    let takes_files = options.make_krl
        || options.query_krl
        || options.moduli.is_some()
        || options.ca_key.is_some();
    if options.ca_key.is_some() && options.files.is_empty() && !options.make_krl {
        return Err(Failure::Usage(Some("Too few arguments.".to_owned())));
    }
    if !takes_files && !options.files.is_empty() {
        return Err(Failure::Usage(Some("Too many arguments.".to_owned())));
    }
    if options.change_passphrase && options.change_comment {
        return Err(Failure::Usage(Some("Can only have one of -p and -c.".to_owned())));
    }
    let fingerprint = options.fingerprint || options.bubble_babble;
    if fingerprint && (options.remove.is_some() || options.hash_names && options.find.is_none()) {
        return Err(Failure::Usage(Some("Cannot use -l with -H or -R.".to_owned())));
    }
    if options.make_krl {
        return revocation::make(options);
    }
    if options.query_krl {
        return revocation::query(options);
    }
    if let Some(ca) = &options.ca_key {
        return certificate::sign(options, ca);
    }
    if options.show_certificate {
        return show_certificate::run(options);
    }
    if let (Some(library), None) = (&options.library, &options.ca_key) {
        return token::list(options, library);
    }
    if options.download {
        return security_key::download(options);
    }
    if let Some(host) = &options.find {
        return known::find(options, host);
    }
    if let Some(host) = &options.remove {
        return known::remove(options, host);
    }
    if options.hash_names {
        return known::hash(options);
    }
    if fingerprint {
        return show::fingerprints(options);
    }
    if options.change_passphrase {
        return change::passphrase(options);
    }
    if options.change_comment {
        return change::comment(options);
    }
    if options.export {
        return convert::export(options);
    }
    if options.import {
        return convert::import(options);
    }
    if options.public_of {
        return show::public_half(options);
    }
    if let Some(host) = &options.records_of {
        return records::run(options, host);
    }
    match options.moduli.as_deref() {
        Some("generate") => return moduli::generate(options),
        Some("screen") => return moduli::screen(options),
        Some(other) => {
            return Err(format!("Unsupported moduli option {other}").into());
        }
        None => {}
    }
    if options.all_host_keys {
        return host_keys::run(options);
    }
    generate::run(options)
}
