//! The people that Tempest wants, put into the database of a panel that is about to be started:
//! `seed-panel DATABASE-URL` prints Tempest's accounts file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a tool for tests"
)]

#[path = "../tests/common/people.rs"]
mod people;

use panel::accounts::Accounts;
use panel::store::Store;

#[tokio::main]
async fn main() {
    let url = std::env::args().nth(1).expect("a database's URL");
    let store = Store::open(&url).await.unwrap();
    print!("{}", people::for_tempest(&Accounts::new(store.clone())).await);
    store.close().await;
}
