//! `keyway enroll`: trust a control panel for the addresses it owns.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use keys::FingerprintHash;

use super::enrolled::{self, Panel};
use super::{WORD, ask};
use crate::text::reason;
use crate::ui::{clean, prompt};

const USAGE: &str = "\
usage: keyway enroll [--fingerprint SHA256:...] URL
       keyway enroll --list
       keyway enroll --remove NAME

Trusts the control panel at URL to vouch for the host keys of its own servers.
Compare the fingerprint with the one that the panel shows when it starts and
on its page of downloads.
";

/// What was asked for.
enum Request<'a> {
    Enroll { url: &'a str, fingerprint: Option<&'a str> },
    List,
    Remove(&'a str),
}

/// `keyway enroll ...`.
pub fn main(words: &[OsString]) -> ExitCode {
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let request = match words.as_deref() {
        Some(["--list" | "-l"]) => Request::List,
        Some(["--remove" | "-r", name]) => Request::Remove(name),
        Some(["--fingerprint" | "-f", fingerprint, url]) => {
            Request::Enroll { url, fingerprint: Some(fingerprint) }
        }
        Some([url]) if !url.starts_with('-') => Request::Enroll { url, fingerprint: None },
        Some(["-h" | "--help"]) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Some(folder) = enrolled::folder() else {
        eprintln!("keyway {WORD}: you have no home directory to keep panels in");
        return ExitCode::FAILURE;
    };
    let done = match request {
        Request::Enroll { url, fingerprint } => enroll(&folder, url, fingerprint),
        Request::List => {
            list(&folder);
            Ok(())
        }
        Request::Remove(name) => remove(&folder, name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("keyway {WORD}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn enroll(folder: &Path, url: &str, fingerprint: Option<&str>) -> Result<(), String> {
    let url = url.trim_end_matches('/');
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err(format!(
            "{url:?} is no address of a panel; it begins with https:// or http://"
        ));
    }
    let text = ask::get(&format!("{url}/vouch/v1/introduction"))
        .map_err(|problem| format!("{url}: {}", clean::visible(&problem)))?;
    let mut panel = Panel::read(url, &text, folder.to_owned())
        .map_err(|problem| format!("{url} did not answer as a panel does: {problem}"))?;
    panel.file = folder.join(&panel.introduction.name);
    let shown = panel.key.fingerprint(FingerprintHash::Sha256);
    if let Some(known) = known_otherwise(folder, &panel)? {
        let name = &panel.introduction.name;
        return Err(format!(
            "panel {name} is enrolled already, with another key: {}\nThe one that answers now \
             has {shown}.\nIf its owner says that it was set up anew: keyway enroll --remove {name}",
            known.key.fingerprint(FingerprintHash::Sha256),
        ));
    }
    match fingerprint {
        Some(expected) if expected == shown => {}
        Some(expected) => {
            return Err(format!(
                "{url} has the fingerprint\n  {shown}\nand not\n  {expected}\nIt is not enrolled."
            ));
        }
        None => confirm(&panel, &shown)?,
    }
    enrolled::store(&panel, &text)?;
    println!("Panel {} now vouches for the host keys of its servers.", panel.introduction.name);
    Ok(())
}

/// The panel of that name that is there with another key.
fn known_otherwise(folder: &Path, panel: &Panel) -> Result<Option<Panel>, String> {
    let (panels, problems) = enrolled::all(folder);
    let own = panel.file.display().to_string();
    if let Some(problem) = problems.into_iter().find(|problem| problem.starts_with(&own)) {
        return Err(problem);
    }
    let same = panels.into_iter().find(|known| known.file == panel.file);
    Ok(same.filter(|known| known.key != panel.key))
}

fn confirm(panel: &Panel, shown: &str) -> Result<(), String> {
    let introduction = &panel.introduction;
    let ports: Vec<String> = introduction.ports.iter().map(u16::to_string).collect();
    let ports =
        if ports.is_empty() { String::new() } else { format!(", port {}", ports.join(", ")) };
    let question = format!(
        "Panel {} at {}\nvouches for {}{ports}.\nIts key's fingerprint is {shown}.\n{}\nDo you \
         trust it for these addresses (yes/no/[fingerprint])? ",
        introduction.name,
        panel.url,
        introduction.ranges.join(", "),
        panel.key.randomart(FingerprintHash::Sha256),
    );
    if prompt::confirm(&question, Some(shown)) { Ok(()) } else { Err("not enrolled".to_owned()) }
}

fn list(folder: &Path) {
    let (panels, problems) = enrolled::all(folder);
    for panel in &panels {
        let Panel { url, introduction, key, .. } = panel;
        println!(
            "{} {} {} {url}",
            introduction.name,
            key.fingerprint(FingerprintHash::Sha256),
            introduction.ranges.join(",")
        );
    }
    for problem in problems {
        eprintln!("keyway {WORD}: {problem}");
    }
}

fn remove(folder: &Path, name: &str) -> Result<(), String> {
    let (panels, _) = enrolled::all(folder);
    let Some(panel) = panels.iter().find(|panel| panel.introduction.name == name) else {
        return Err(format!("no panel {name:?} is enrolled; keyway enroll --list shows those"));
    };
    std::fs::remove_file(&panel.file)
        .map_err(|source| format!("{}: {}", panel.file.display(), reason(&source)))?;
    println!("Panel {name} vouches for nothing any more.");
    Ok(())
}
