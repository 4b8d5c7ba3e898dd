//! Leaving the terminal, for `-f`, for `~&`, and for a connection that is kept for others.

use net::{Driver, End};
use proto::Client;

use super::client::Login;
use super::connection;
use super::mux::client::{self as mux_client, Call};
use super::purpose::{Plan, Purpose};
use crate::messages::debug;
use crate::sys;
use crate::text::reason;

/// Splits this process where the login wants it: one half ends or uses the connection like any
/// other client, and the other goes on in the background.
///
/// # Errors
/// There is no room for another process.
pub fn go(driver: &mut Driver<Client>, login: &mut Login) -> Result<End, String> {
    let aside = login.aside.clone().filter(|plan| plan.purpose != Purpose::Nothing);
    if sys::fork().map_err(|source| reason(&source))? == sys::Fork::Parent {
        let status = aside.map_or(0, |plan| use_own_master(login, &plan));
        // Not a return: nothing of the connection may be closed or flushed here.
        sys::leave_at_once(status);
    }
    debug!("forking to background");
    driver.link().after_fork().map_err(|source| reason(&source))?;
    sys::leave_terminal();
    connection::release_standard_files();
    login.settle(driver.link());
    Ok(driver.run(login))
}

/// The first session is one among others.
fn use_own_master(login: &Login, plan: &Plan) -> i32 {
    let call = Call { config: &login.config, plan, command: None, host: &login.host };
    match mux_client::attempt_own(&call, login.mux.place()) {
        Ok(status) => status.into(),
        Err(problem) => {
            crate::messages::fatal!("{problem}");
            255
        }
    }
}
