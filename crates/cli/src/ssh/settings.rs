//! The configuration for one login: command line, user's file, system's file.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use config::{
    AlgorithmLists, AlgorithmSet, ClientConfig, ClientContext, ClientSources, CommandLineOption,
    ConfigFiles, Files, LocalUser, RealFiles, Step, Surroundings,
};
use crypto::hash::HashAlgorithm;
use crypto::tables;
use keys::algorithms;

use super::args::{Arguments, Setting};
use crate::sys;

/// The machine as it is.
pub struct Machine;

impl Surroundings for Machine {
    fn files(&self) -> &dyn Files {
        &RealFiles
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn home_of(&self, user: &str) -> Option<PathBuf> {
        sys::account_by_name(user).map(|account| account.home)
    }

    fn run(&self, command: &str) -> Result<bool, String> {
        let status = Command::new(shell())
            .arg("-c")
            .arg(command)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .map_err(|source| crate::text::reason(&source))?;
        Ok(status.success())
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        sys::local_addresses()
    }

    fn sha1_hex(&self, bytes: &[u8]) -> String {
        crate::text::hex(HashAlgorithm::Sha1.digest(&[bytes]).as_ref())
    }

    fn canonical_name(&self, host: &str) -> Option<String> {
        sys::canonical_name(host)
    }
}

/// The user's shell for commands of theirs.
pub fn shell() -> std::ffi::OsString {
    std::env::var_os("SHELL").filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into())
}

/// Reads it all.
///
/// # Errors
/// The whole message, to be printed as it is.
pub fn load(arguments: &Arguments, user: &sys::Account) -> Result<ClientConfig, String> {
    read(arguments, user, ClientConfig::load)
}

/// The same, and what became of every line.
///
/// # Errors
/// The whole message, to be printed as it is.
pub fn load_traced(
    arguments: &Arguments,
    user: &sys::Account,
) -> Result<(ClientConfig, Vec<Step>), String> {
    read(arguments, user, ClientConfig::load_traced)
}

fn read<T>(
    arguments: &Arguments,
    user: &sys::Account,
    load: impl FnOnce(&ClientSources, &ClientContext<'_>) -> Result<T, config::Error>,
) -> Result<T, String> {
    let lists = algorithm_lists();
    let files = match &arguments.config_file {
        None => ConfigFiles::Standard,
        Some(file) if file.as_os_str().eq_ignore_ascii_case("none") => ConfigFiles::None,
        Some(file) => ConfigFiles::File(file.clone()),
    };
    let options = arguments.settings.iter().map(command_line_option).collect();
    let command = String::from_utf8_lossy(&arguments.command).into_owned();
    let context = ClientContext {
        host: &arguments.destination.host,
        local_user: LocalUser {
            name: user.name.clone(),
            id: rustix::process::getuid().as_raw(),
            home: user.home.clone(),
        },
        local_host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        command: (!command.is_empty()).then_some(command.as_str()),
        version: crate::VERSION,
        algorithms: &lists,
        surroundings: &Machine,
    };
    load(&ClientSources { options, files }, &context).map_err(|why| why.to_string())
}

fn command_line_option(setting: &Setting) -> CommandLineOption {
    match setting {
        Setting::Line(line) => CommandLineOption::Option(line.clone()),
        Setting::Flag("User", user) => CommandLineOption::User(user.clone()),
        Setting::Flag("LocalForward", text) => CommandLineOption::LocalForward(text.clone()),
        Setting::Flag("RemoteForward", text) => CommandLineOption::RemoteForward(text.clone()),
        Setting::Flag("DynamicForward", text) => CommandLineOption::DynamicForward(text.clone()),
        Setting::Flag(keyword, value) => {
            CommandLineOption::Option(format!("{keyword} {}", quoted(value)))
        }
    }
}

/// A word as the configuration's reader takes it back.
fn quoted(value: &str) -> String {
    if !value.contains([' ', '\t', '#', '"', '\'', '\\']) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// What this program has, for lists with `+`, `-` and `^`.
fn algorithm_lists() -> AlgorithmLists {
    let set = |supported: Vec<&str>, defaults: Vec<&str>| AlgorithmSet {
        supported: supported.into_iter().map(str::to_owned).collect(),
        defaults: defaults.into_iter().map(str::to_owned).collect(),
    };
    let kex = tables::KEY_EXCHANGES;
    let macs = tables::MACS;
    AlgorithmLists {
        ciphers: set(
            tables::CIPHERS.iter().map(|row| row.algorithm.name).collect(),
            tables::default_ciphers(),
        ),
        macs: set(
            macs.iter().map(|row| row.algorithm.name).collect(),
            macs.iter().filter(|row| row.client).map(|row| row.algorithm.name).collect(),
        ),
        key_exchanges: set(
            kex.iter().map(|row| row.name).collect(),
            kex.iter().filter(|row| row.client).map(|row| row.name).collect(),
        ),
        keys: set(
            algorithms::query("key-sig").unwrap_or_default(),
            algorithms::default_signature_algorithms(),
        ),
        ca_signatures: set(
            algorithms::query("key-ca-sign").unwrap_or_default(),
            algorithms::default_ca_signature_algorithms(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_quoting() {
        assert_eq!(quoted("plain/path"), "plain/path");
        assert_eq!(quoted("a b\"c\\"), "\"a b\\\"c\\\\\"");
    }
}
