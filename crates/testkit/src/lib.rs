//! Fixtures for tests that talk to SSH programs nobody here wrote.
//!
//! A test starts a server, builds a client's command, and looks at what came
//! out. Everything a fixture starts ends when it is dropped, everything it
//! writes lies in a temporary folder, and a failing test prints the logs of
//! the servers it used:
//!
//! ```no_run
//! use keyway_testkit::{Client, Implementation, Server};
//!
//! let server = Server::new(Implementation::OpenSsh).start();
//! let run = Client::new(Implementation::Ours, &server).command("exit 7").run();
//! assert_eq!(run.code(), Some(7), "{run}");
//! ```
//!
//! Only tests use this crate, so its functions panic, with the reason, where
//! a fixture cannot be made. Nothing of the product depends on it.

pub mod account;
pub mod dropbear;
pub mod island;
pub mod key_files;
pub mod parallel;
pub mod process;
pub mod program;
pub mod python;
pub mod relay;
pub mod ssh;
pub mod targets;

pub use island::Island;
pub use process::{Finished, Running};
pub use program::Implementation;
pub use ssh::{Client, Server, StartedServer};

/// Says on the terminal that a test could not run here, and why.
///
/// Written past the test harness's capture: a test that checks nothing must
/// not look like one that passed. `scripts/test.sh` counts these lines.
/// `KEYWAY_REQUIRE_PEERS=1` makes it a failure instead.
pub fn not_run(test: &str, reason: &str) {
    use std::io::Write;
    assert!(std::env::var_os("KEYWAY_REQUIRE_PEERS").is_none(), "{test} could not run: {reason}");
    let _ = writeln!(std::io::stderr(), "not run: {test}: {reason}");
}
