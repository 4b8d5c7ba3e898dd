//! Asking a panel over HTTP.
//!
//! Answers are signed by the panel's own key and name the question's nonce, so the certificate of
//! a panel that made its own is not checked: whoever sits in between can only keep us from getting
//! an answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use keys::vouch::{BYTES_MAX, Standing, Statement};
use ureq::Agent;
use ureq::tls::TlsConfig;

use super::enrolled::{self, Panel};
use crate::messages::{debug, info};
use crate::text;

/// How long a panel may take: a login waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an enrolled panel knows about an address.
pub struct Answer {
    /// Which panel.
    pub panel: Panel,
    /// What it says.
    pub statement: Statement,
}

/// Asks the panels that speak for that address. Nothing when there is none, or none that knows a
/// server there; what kept one from answering is said.
pub fn about(address: IpAddr, port: u16) -> Option<Answer> {
    let (panels, problems) = enrolled::all(&enrolled::folder()?);
    for problem in problems {
        debug!("enrolled panels: {problem}");
    }
    let address = address.to_canonical();
    for panel in panels.into_iter().filter(|panel| panel.covers(address, port)) {
        let name = &panel.introduction.name;
        let statement = match ask(&panel, address, port) {
            Ok(statement) => statement,
            Err(problem) => {
                info!("ssh: panel {name} does not vouch for {address}: {problem}");
                continue;
            }
        };
        match statement.standing {
            Standing::Present => return Some(Answer { panel, statement }),
            Standing::Pending => info!(
                "ssh: panel {name} has not seen the host keys of the server at {address} yet; \
                 it may still be starting."
            ),
            Standing::Vacant => {
                info!("ssh: panel {name} knows no server at {address} port {port}.");
            }
        }
    }
    None
}

fn ask(panel: &Panel, address: IpAddr, port: u16) -> Result<Statement, String> {
    let mut bytes = [0; 16];
    crypto::random::fill(&mut bytes);
    let nonce = text::hex(&bytes);
    let url =
        format!("{}/vouch/v1/statement?address={address}&port={port}&nonce={nonce}", panel.url);
    let answer = get(&url)?;
    Statement::open(&answer, &panel.key, &nonce, &address.to_string(), port)
        .map_err(|problem| problem.to_string())
}

/// Fetches a short text.
pub fn get(url: &str) -> Result<String, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .disable_verification(true)
        .build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(PATIENCE))
        .max_redirects(0)
        .user_agent(crate::VERSION)
        .build()
        .into();
    let mut response = agent.get(url).call().map_err(|problem| problem.to_string())?;
    response
        .body_mut()
        .with_config()
        .limit(BYTES_MAX as u64)
        .read_to_string()
        .map_err(|problem| problem.to_string())
}
