//! What `ssh-add` asks of an agent that needs no file.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use keys::agent::{Constraint, QUERY, RSA_SHA2_256, Request, Response, queried};
use keys::{KeyType, PublicKey, VerifyOptions};
use net::agent::{AgentClient, AgentError};
use zeroize::Zeroizing;

use super::args::Args;
use super::{Failure, destinations, files};
use crate::messages::error;
use crate::ui::clean;
use crate::ui::prompt::{self, Place};

/// A connection to the agent, and how keys are to be given to it.
pub struct Session<'a> {
    pub agent: AgentClient,
    pub args: &'a Args,
    /// `-h`
    pub destinations: Vec<keys::agent::DestinationConstraint>,
    /// The passphrase that worked last: often all files have the same.
    pub passphrase: Option<Zeroizing<String>>,
}

impl<'a> Session<'a> {
    /// Reads what the constraints need.
    pub fn new(agent: AgentClient, args: &'a Args) -> Result<Self, Failure> {
        let destinations = destinations::parse(&args.destinations, &args.host_key_files)?;
        Ok(Session { agent, args, destinations, passphrase: None })
    }

    /// The constraints that the options ask for, with this lifetime.
    pub fn constraints(&self, lifetime: Option<u32>) -> Vec<Constraint> {
        let mut constraints = Vec::new();
        constraints.extend(lifetime.filter(|life| *life != 0).map(Constraint::Lifetime));
        constraints.extend(self.args.confirm.then_some(Constraint::Confirm));
        if !self.destinations.is_empty() {
            constraints.push(Constraint::RestrictDestination(self.destinations.clone()));
        }
        constraints
    }

    /// `-l` and `-L`
    pub fn list(&mut self, full: bool) -> Result<(), Failure> {
        let identities = self.agent.identities().map_err(|problem| {
            eprintln!("error fetching identities: {problem}");
            Failure::Told
        })?;
        if identities.is_empty() {
            println!("The agent has no identities.");
            return Err(Failure::Told);
        }
        let mut stdout = io::stdout().lock();
        for (key, comment) in identities {
            let comment = clean::visible(&comment);
            let line = if full {
                format!("{} {comment}", key.to_line(""))
            } else {
                let fingerprint = key.fingerprint(self.args.hash);
                format!("{} {fingerprint} {comment} ({})", key.bits(), key.type_label())
            };
            if writeln!(stdout, "{line}").is_err() {
                // Nobody reads on.
                return Err(Failure::Told);
            }
        }
        Ok(())
    }

    /// `-D`
    pub fn delete_all(&mut self) -> Result<(), Failure> {
        if self.agent.perform(&Request::RemoveAllIdentities).is_err() {
            eprintln!("Failed to remove all identities.");
            return Err(Failure::Told);
        }
        if !self.args.quiet {
            eprintln!("All identities removed.");
        }
        Ok(())
    }

    /// `-x`
    pub fn lock(&mut self) -> Result<(), Failure> {
        let passphrase = lock_password("Enter lock password: ")?;
        if lock_password("Again: ")? != passphrase {
            eprintln!("Passwords do not match.");
            return Err(Failure::Told);
        }
        self.switch_lock(&Request::Lock { passphrase }, "")
    }

    /// `-X`
    pub fn unlock(&mut self) -> Result<(), Failure> {
        let passphrase = lock_password("Enter lock password: ")?;
        self.switch_lock(&Request::Unlock { passphrase }, "un")
    }

    fn switch_lock(&mut self, request: &Request, prefix: &str) -> Result<(), Failure> {
        match self.agent.perform(request) {
            Ok(_) => {
                eprintln!("Agent {prefix}locked.");
                Ok(())
            }
            Err(problem) => {
                eprintln!("Failed to {prefix}lock agent: {problem}");
                Err(Failure::Told)
            }
        }
    }

    /// `-Q`
    pub fn extensions(&mut self) -> Result<(), Failure> {
        let request = Request::Extension { name: QUERY.to_owned(), contents: Vec::new() };
        let names = match self.agent.perform(&request) {
            Ok(Response::Extension(contents)) => {
                queried(&contents).map_err(|problem| problem.to_string())
            }
            Ok(_) => Err(AgentError::UnexpectedAnswer.to_string()),
            Err(problem) => Err(problem.to_string()),
        };
        match names {
            Ok(names) => {
                for name in names {
                    println!("{}", clean::visible(&name));
                }
                Ok(())
            }
            Err(problem) => {
                eprintln!("Unable to query the agent for its extensions: {problem}");
                Err(Failure::Told)
            }
        }
    }

    /// `-T`
    pub fn test(&mut self, file: &OsStr) -> Result<(), Failure> {
        let shown = clean::visible(&file.to_string_lossy());
        let (key, _) = files::load_public(Path::new(file)).map_err(|why| {
            error!("Couldn't read public key {shown}: {why}");
            Failure::Told
        })?;
        let mut data = [0; 1024];
        crypto::random::fill(&mut data);
        let (flags, algorithm) = algorithm_to_test(&key);
        let signature = self.agent.sign(&key, &data, flags).map_err(|problem| {
            error!("Agent signature failed for {shown}: {problem}");
            Failure::Told
        })?;
        key.verify(algorithm, &data, &signature, &VerifyOptions::ANY).map_err(|problem| {
            error!("Signature verification failed for {shown}: {problem}");
            Failure::Told
        })?;
        Ok(())
    }

    /// `-s`: the agent talks to the device.
    pub fn add_card(&mut self, provider: &OsStr, files: &[OsString]) -> Result<(), Failure> {
        let pin = prompt::secret("Enter passphrase for PKCS#11: ", Place::StandardInput);
        let pin = pin.ok_or(Failure::Told)?;
        let mut certificates = Vec::new();
        for file in files {
            let (key, _) = files::load_public(Path::new(file)).map_err(|why| {
                let file = clean::visible(&file.to_string_lossy());
                Failure::Fatal(format!("load public key \"{file}\": {why}"))
            })?;
            certificates.push(key);
        }
        let mut constraints = self.constraints(self.args.lifetime);
        if !certificates.is_empty() {
            let only = self.args.certificates_only;
            constraints.push(Constraint::AssociatedCertificates { only, certificates });
        }
        let request = Request::AddSmartcardKey {
            id: library(provider),
            pin: Zeroizing::new(pin.as_bytes().to_vec()),
            constraints,
        };
        self.card(&request, provider, "add", "added")
    }

    /// `-e`
    pub fn remove_card(&mut self, provider: &OsStr) -> Result<(), Failure> {
        let request =
            Request::RemoveSmartcardKey { id: library(provider), pin: Zeroizing::new(Vec::new()) };
        self.card(&request, provider, "remove", "removed")
    }

    fn card(
        &mut self,
        request: &Request,
        provider: &OsStr,
        verb: &str,
        done: &str,
    ) -> Result<(), Failure> {
        let shown = clean::visible(&provider.to_string_lossy());
        match self.agent.perform(request) {
            Ok(_) => {
                if !self.args.quiet {
                    eprintln!("Card {done}: {shown}");
                }
                Ok(())
            }
            Err(problem) => {
                eprintln!("Could not {verb} card \"{shown}\": {problem}");
                Err(Failure::Told)
            }
        }
    }
}

/// Nothing typed is an empty password, as in OpenSSH; nobody to type is not.
fn lock_password(question: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let password = prompt::secret(question, Place::StandardInput).ok_or_else(|| {
        eprintln!("There is nobody to ask for the password.");
        Failure::Told
    })?;
    Ok(Zeroizing::new(password.as_bytes().to_vec()))
}

/// An agent loads a library by its real path.
fn library(provider: &OsStr) -> String {
    let real = fs::canonicalize(provider).ok();
    let path = real.as_ref().map_or(provider.as_bytes(), |path| path.as_os_str().as_bytes());
    String::from_utf8_lossy(path).into_owned()
}

fn algorithm_to_test(key: &PublicKey) -> (u32, &'static str) {
    let names = key.signature_algorithms();
    match key.key_type() {
        // Without flags it would be SHA-1.
        KeyType::Rsa => (RSA_SHA2_256, names.get(1).copied().unwrap_or_default()),
        _ => (0, names.first().copied().unwrap_or_default()),
    }
}
