//! Keys taken from the agent again.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;

use keys::PublicKey;
use keys::agent::Request;

use super::{PUBLIC_BYTES_MAX, STANDARD_INPUT, load_public, shown};
use crate::add::Failure;
use crate::add::requests::Session;
use crate::messages::error;
use crate::ui::clean;

impl Session<'_> {
    /// Takes a key, and its certificate, from the agent.
    pub fn delete(&mut self, file: &OsStr) -> Result<(), Failure> {
        if file == STANDARD_INPUT {
            return self.delete_listed();
        }
        let shown = shown(file);
        let (key, comment) = load_public(Path::new(file)).map_err(|why| {
            println!("Bad key file {shown}: {why}");
            Failure::Told
        })?;
        let mut result = Err(Failure::Told);
        if !self.args.certificates_only {
            result = self.delete_one(&key, &comment, &shown);
        }
        let Some((path, certificate)) = self.certificate_of(file, &key) else { return result };
        let comment = load_public(&path).map(|(_, comment)| comment).unwrap_or_default();
        match self.delete_one(&certificate, &comment, &self::shown(path.as_os_str())) {
            Ok(()) => Ok(()),
            Err(_) => result,
        }
    }

    /// Deletes the keys whose lines come in on standard input.
    fn delete_listed(&mut self) -> Result<(), Failure> {
        let mut text = Vec::new();
        // What has been read so far counts.
        let _ = io::stdin().take(PUBLIC_BYTES_MAX).read_to_end(&mut text);
        let mut result = Err(Failure::Told);
        for (index, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            let line = line.trim_start_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match PublicKey::from_line(line) {
                Ok((key, comment)) => {
                    if self.delete_one(&key, &comment, "(stdin)").is_ok() {
                        result = Ok(());
                    }
                }
                Err(problem) => error!("(stdin):{}: invalid key: {problem}", index + 1),
            }
        }
        result
    }

    fn delete_one(&mut self, key: &PublicKey, comment: &str, shown: &str) -> Result<(), Failure> {
        let request = Request::RemoveIdentity { key_blob: key.blob().to_vec() };
        if let Err(problem) = self.agent.perform(&request) {
            eprintln!("Could not remove identity \"{shown}\": {problem}");
            return Err(Failure::Told);
        }
        if !self.args.quiet {
            let comment = clean::visible(comment);
            eprintln!("Identity removed: {shown} {} ({comment})", key.type_label());
        }
        Ok(())
    }
}
