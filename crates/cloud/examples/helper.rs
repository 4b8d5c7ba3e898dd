//! What `keyway-panel` is to the embedded cloud, for the tests: shim and first process, and an
//! owner that can be killed.

use std::ffi::OsString;
use std::sync::Arc;

use cloud::embedded::{Embedded, MemoryRecords, Settings, init_main, shim_main};
use cloud::model::{KeyType, NewKeyPair, NewServer, Status};
use cloud::{Caller, Cloud, Role};

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let status = match arguments.split_first() {
        Some((word, rest)) if word == "shim" => shim_main(rest),
        Some((word, rest)) if word == "init" => init_main(rest),
        Some((word, [state, keyway, public_key])) if word == "own" => {
            own(state, keyway, &public_key.to_string_lossy())
        }
        _ => 2,
    };
    std::process::exit(status);
}

/// Makes one server, says what it is, and waits to be killed.
fn own(state: &OsString, keyway: &OsString, public_key: &str) -> i32 {
    let caller = Caller {
        user_id: "user".into(),
        user_name: "user".into(),
        project_id: "project".into(),
        role: Role::Member,
        request_id: "req-1".into(),
        token: None,
    };
    let program = std::env::current_exe().expect("own path");
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let settings = Settings::new(state, program, keyway);
        let cloud = Embedded::new(settings, Arc::new(MemoryRecords::default())).expect("cloud");
        cloud.start().await.expect("start");
        let key = NewKeyPair {
            name: "key".into(),
            kind: KeyType::Ssh,
            public_key: public_key.to_owned(),
        };
        cloud.add_key_pair(&caller, "ams", key).await.expect("key");
        let images = cloud.images(&caller, "ams").await.expect("images");
        let new = NewServer {
            name: "owned".into(),
            image_id: images.first().expect("an image").id,
            flavor_id: "1".into(),
            key_names: vec!["key".into()],
            ..NewServer::default()
        };
        let made = cloud.create_server(&caller, "ams", new).await.expect("create");
        let server = loop {
            let server = cloud.server(&caller, "ams", made.id).await.expect("server");
            if server.status != Status::Build {
                break server;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        println!("{}", serde_json::to_string(&server).expect("json"));
        std::future::pending::<()>().await;
    });
    0
}
