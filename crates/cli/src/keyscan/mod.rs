//! `ssh-keyscan`: asks many hosts for their keys at once, without logging in.
//!
//! [`options`] reads the command line, [`hosts`] turns lists and address ranges into jobs, [`scan`]
//! runs them all in one loop, [`exchange`] is one connection of it, [`mod@print`] says what came out.

mod exchange;
mod hosts;
mod kinds;
mod options;
mod print;
mod resolve;
mod scan;

use std::ffi::OsString;
use std::process::ExitCode;

use self::options::Request;
use crate::messages;

const USAGE: &str = "\
usage: ssh-keyscan [-46cDHqv] [-f file] [-O option] [-p port] [-T timeout]
                   [-t type] [host | addrlist namelist]
";

/// Runs the tool.
pub fn main(words: &[OsString]) -> ExitCode {
    messages::init();
    crate::sys::default_sigpipe();
    let options = match options::parse(words) {
        Ok(Request::Run(options)) => options,
        Ok(Request::Version) => {
            eprintln!("{}, {}", crate::VERSION, crate::LIBRARY);
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            if let Some(text) = &problem.text {
                eprintln!("{}", crate::ui::clean::visible(text));
            }
            if problem.with_usage {
                eprint!("{USAGE}");
            }
            return ExitCode::from(problem.status);
        }
    };
    if let Some(level) = options.level {
        messages::set_level(level);
    }
    let hosts = hosts::Hosts::new(&options.files, &options.hosts);
    match scan::run(&options, hosts) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("ssh-keyscan: {}", crate::ui::clean::visible(&problem));
            ExitCode::from(255)
        }
    }
}
