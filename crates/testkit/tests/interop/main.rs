//! Our client and server against programs nobody here wrote.
//!
//! Every test takes real programs over real sockets on 127.0.0.1. Where a
//! peer is not installed the test says "not run" on the terminal.
//!
//! `KEYWAY_BIN` puts another program in the place of ours, and
//! `KEYWAY_TEST_MIB` sets how much the bulk tests move (default 1024).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod algorithms;
mod authentication;
mod bulk;
mod certificates;
mod channels;
mod dropbear;
mod files;
mod hostile;
mod known_hosts;
mod putty;
mod python;
mod remembered;
mod session;

use keyway_testkit::Finished;
use keyway_testkit::Implementation::{self, OpenSsh, Ours};

/// Who talks to whom: every pair with us in it.
const PAIRS: [(Implementation, Implementation); 3] =
    [(Ours, OpenSsh), (OpenSsh, Ours), (Ours, Ours)];

/// Nothing where the run ended with `code` and `stdout`, else what was.
fn expect(run: &Finished, code: i32, stdout: &str) -> Result<(), String> {
    if run.code() == Some(code) && run.text() == stdout {
        return Ok(());
    }
    let shown = if stdout.len() > 200 {
        format!("{} bytes of output", stdout.len())
    } else {
        format!("{stdout:?}")
    };
    Err(format!("expected code {code} and {shown}:\n{run}"))
}

/// [`expect`], for a test that ends with the first difference.
#[track_caller]
fn check(run: &Finished, code: i32, stdout: &str) {
    check_for(&"", run, code, stdout);
}

/// [`check`] for one case of several.
#[track_caller]
fn check_for(case: &dyn std::fmt::Debug, run: &Finished, code: i32, stdout: &str) {
    if let Err(difference) = expect(run, code, stdout) {
        panic!("{case:?}: {difference}");
    }
}
