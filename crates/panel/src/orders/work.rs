//! What each order does.

use std::time::Duration;

use cloud::embedded::ImportImage;
use cloud::model::{KeyType, NewKeyPair, NewServer, Region, Server, ServerRequest, Status};
use cloud::{Caller, Role, ServerQuery};
use data_encoding::BASE64;
use keys::FingerprintHash;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use crate::State;
use crate::audit::Entry;
use crate::local;
use crate::public_key;
use crate::state::{caller, new_request_id};

/// How long a new server may take until its host keys are known.
const PATIENCE: Duration = Duration::from_secs(120);
const GLANCE: Duration = Duration::from_millis(50);

/// Flags behind the words.
#[derive(Default)]
struct Flags<'a> {
    region: Option<&'a str>,
    image: Option<&'a str>,
    flavor: Option<&'a str>,
    keys: Vec<&'a str>,
    sha256: Option<&'a str>,
    user_data: Vec<u8>,
}

/// Does one order; `said` takes what is to be printed.
pub(super) async fn carry_out(
    state: &State,
    words: &[String],
    said: &Sender<String>,
) -> Result<(), String> {
    let (flags, words) = sort(words)?;
    let caller = whose(state, &words).await?;
    let order = Order { state, caller, flags, said };
    match words.as_slice() {
        ["fingerprint"] => order.fingerprint().await,
        ["key", "list"] => order.keys().await,
        ["key", "add", name, text] => order.add_key(name, text).await,
        ["key", "delete", name] => order.delete_key(name).await,
        ["image", "list"] => order.images().await,
        ["image", "import", name, source] => order.import(name, source).await,
        ["server", "list"] => order.servers().await,
        ["server", "show", name] => order.show(name).await,
        ["server", "create", name] => order.create(name).await,
        ["server", "start", name] => order.start(name).await,
        ["server", "rebuild", name] => order.rebuild(name).await,
        ["server", "stop", name] => order.stop(name).await,
        ["server", "delete", name] => order.delete(name).await,
        _ => Err(format!("there is no order {:?}; see keyway-panel --help", words.join(" "))),
    }
}

/// In whose name an order is carried out: the first administrator's, or with a real cloud that of
/// the panel's own account there.
async fn whose(state: &State, words: &[&str]) -> Result<Caller, String> {
    match state.cloud.accounts() {
        Some(own) if words != ["fingerprint"] => {
            let caller = own.service().await.map_err(text)?;
            Ok(Caller { request_id: new_request_id(), ..caller })
        }
        Some(_) => Ok(Caller {
            user_id: String::new(),
            user_name: String::new(),
            project_id: String::new(),
            role: Role::Reader,
            request_id: new_request_id(),
            token: None,
        }),
        None => {
            let (user, project) = local::administrator(state).await?;
            Ok(caller(&user, &project.id, Role::Admin, &new_request_id()))
        }
    }
}

fn sort(words: &[String]) -> Result<(Flags<'_>, Vec<&str>), String> {
    let mut flags = Flags::default();
    let mut rest = Vec::new();
    for word in words {
        match word.strip_prefix("--").and_then(|flag| flag.split_once('=')) {
            Some(("region", value)) => flags.region = Some(value),
            Some(("image", value)) => flags.image = Some(value),
            Some(("flavor", value)) => flags.flavor = Some(value),
            Some(("sha256", value)) => flags.sha256 = Some(value),
            Some(("user-data", value)) => {
                flags.user_data = BASE64.decode(value.as_bytes()).map_err(text)?;
            }
            Some(("key", value)) => flags.keys.push(value),
            Some((other, _)) => return Err(format!("--{other} is no flag of orders")),
            None => rest.push(word.as_str()),
        }
    }
    Ok((flags, rest))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

struct Order<'a> {
    state: &'a State,
    caller: Caller,
    flags: Flags<'a>,
    said: &'a Sender<String>,
}

impl Order<'_> {
    /// Whoever gave the order may have gone; the work goes on.
    async fn say(&self, text: String) {
        let _ = self.said.send(text).await;
    }

    async fn note(&self, action: &str, target: &str) -> Result<(), String> {
        let entry = Entry {
            user_id: &self.caller.user_id,
            user_name: &self.caller.user_name,
            project_id: &self.caller.project_id,
            action,
            target,
            detail: "by an order from the terminal",
            request_id: &self.caller.request_id,
            ..Entry::default()
        };
        self.state.store.audit(entry).await.map_err(text)
    }

    async fn regions(&self) -> Result<Vec<Region>, String> {
        let all = self.state.cloud.regions(&self.caller).await.map_err(text)?;
        let Some(wanted) = self.flags.region else { return Ok(all) };
        let names: Vec<String> = all.iter().map(|region| region.id.clone()).collect();
        let found: Vec<Region> = all.into_iter().filter(|region| region.id == wanted).collect();
        if found.is_empty() {
            return Err(format!("there is no region {wanted}; there are {}", names.join(", ")));
        }
        Ok(found)
    }

    /// The region that was named, or else the first.
    async fn region(&self) -> Result<Region, String> {
        self.regions().await?.into_iter().next().ok_or_else(|| "there is no region".to_owned())
    }

    async fn fingerprint(&self) -> Result<(), String> {
        let key = self.state.voucher.key(&self.state.store).await.map_err(text)?;
        self.say(key.public().fingerprint(FingerprintHash::Sha256)).await;
        Ok(())
    }

    async fn keys(&self) -> Result<(), String> {
        for region in self.regions().await? {
            let keys = self.state.cloud.key_pairs(&self.caller, &region.id).await.map_err(text)?;
            for key in keys {
                self.say(format!("{} {} {}", region.id, key.name, key.fingerprint_sha256)).await;
            }
        }
        Ok(())
    }

    async fn add_key(&self, name: &str, line: &str) -> Result<(), String> {
        let name = public_key::check_name(name)?;
        let examined = public_key::examine(line).map_err(|refusal| refusal.message())?;
        for repair in &examined.repairs {
            self.say(repair.clone()).await;
        }
        let region = self.region().await?;
        let new =
            NewKeyPair { name: name.clone(), kind: KeyType::Ssh, public_key: examined.line() };
        let made = self.state.cloud.add_key_pair(&self.caller, &region.id, new);
        let made = made.await.map_err(text)?;
        self.note("key.add", &format!("{name} in {}", region.id)).await?;
        self.say(format!("{} {name} {}", region.id, made.fingerprint_sha256)).await;
        Ok(())
    }

    async fn delete_key(&self, name: &str) -> Result<(), String> {
        let region = self.region().await?;
        self.state.cloud.delete_key_pair(&self.caller, &region.id, name).await.map_err(text)?;
        self.note("key.delete", &format!("{name} in {}", region.id)).await
    }

    async fn images(&self) -> Result<(), String> {
        let region = self.region().await?.id;
        for image in self.state.cloud.images(&self.caller, &region).await.map_err(text)? {
            self.say(format!("{} {:?} {}", image.name, image.status, image.id)).await;
        }
        Ok(())
    }

    /// Takes a root file system in, for servers of this machine's own cloud.
    async fn import(&self, name: &str, source: &str) -> Result<(), String> {
        if self.state.cloud.name() != "embedded" {
            return Err("images of this cloud are imported with its own tools".to_owned());
        }
        let import = ImportImage {
            state: self.state.settings.state.join("cloud"),
            name: name.to_owned(),
            source: source.into(),
            sha256: self.flags.sha256.map(str::to_owned),
        };
        let image = import.run(&self.state.store).await.map_err(text)?;
        self.note("image.import", name).await?;
        self.say(format!("{} {} {} bytes", image.name, image.id, image.size)).await;
        Ok(())
    }

    async fn servers(&self) -> Result<(), String> {
        for server in self.all_servers().await? {
            self.say(line_of(&server)).await;
        }
        Ok(())
    }

    async fn all_servers(&self) -> Result<Vec<Server>, String> {
        let query = ServerQuery { all_projects: true, ..ServerQuery::default() };
        let mut all = Vec::new();
        for region in self.regions().await? {
            let found = self.state.cloud.servers(&self.caller, &region.id, &query);
            all.extend(found.await.map_err(text)?.0);
        }
        Ok(all)
    }

    async fn one(&self, name: &str) -> Result<Server, String> {
        let mut all = self.all_servers().await?;
        all.retain(|server| server.name == name || server.id.to_string() == name);
        match all.len() {
            0 => Err(format!("there is no server called {name}")),
            1 => Ok(all.remove(0)),
            _ => {
                let ids: Vec<String> = all
                    .iter()
                    .map(|server| format!("{} in {}", server.id, server.region))
                    .collect();
                Err(format!("several servers are called {name}: {}", ids.join(", ")))
            }
        }
    }

    async fn show(&self, name: &str) -> Result<(), String> {
        let server = self.one(name).await?;
        self.show_whole(&server).await
    }

    async fn show_whole(&self, server: &Server) -> Result<(), String> {
        self.say(line_of(server)).await;
        let keys = self.state.cloud.host_keys(&self.caller, &server.region, server.id);
        for key in keys.await.map_err(text)?.iter().filter(|key| key.retired_at.is_none()) {
            let kind = key.public_key.split(' ').next().unwrap_or_default();
            self.say(format!("host key {kind} {}", key.fingerprint_sha256)).await;
        }
        Ok(())
    }

    async fn create(&self, name: &str) -> Result<(), String> {
        if self.flags.keys.is_empty() {
            return Err("nobody could log in to a server without a key: --key NAME".to_owned());
        }
        let region = self.region().await?.id;
        let cloud = &self.state.cloud;
        let images = cloud.images(&self.caller, &region).await.map_err(text)?;
        let image = match self.flags.image {
            None => images.first(),
            Some(wanted) => {
                images.iter().find(|image| image.name == wanted || image.id.to_string() == wanted)
            }
        };
        let image = image.ok_or("there is no such image")?;
        let flavors = cloud.flavors(&self.caller, &region).await.map_err(text)?;
        let flavor = match self.flags.flavor {
            None => flavors.first(),
            Some(wanted) => {
                flavors.iter().find(|flavor| flavor.name == wanted || flavor.id == wanted)
            }
        };
        let flavor = flavor.ok_or("there is no such flavor")?;
        let new = NewServer {
            name: name.to_owned(),
            image_id: image.id,
            flavor_id: flavor.id.clone(),
            key_names: self.flags.keys.iter().map(|key| (*key).to_owned()).collect(),
            user_data: self.flags.user_data.clone(),
            ..NewServer::default()
        };
        let server = cloud.create_server(&self.caller, &region, new).await.map_err(text)?;
        self.note("server.create", &format!("{name} in {region}")).await?;
        let server = self.until_reachable(server).await?;
        self.show_whole(&server).await
    }

    async fn start(&self, name: &str) -> Result<(), String> {
        let server = self.one(name).await?;
        let started =
            self.state.cloud.request(&self.caller, &server.region, server.id, ServerRequest::Start);
        let server = started.await.map_err(text)?;
        self.note("server.start", &format!("{name} in {}", server.region)).await?;
        let server = self.until_reachable(server).await?;
        self.show_whole(&server).await
    }

    async fn rebuild(&self, name: &str) -> Result<(), String> {
        let server = self.one(name).await?;
        let rebuild = ServerRequest::Rebuild { image_id: None, key_names: None, name: None };
        let begun = self.state.cloud.request(&self.caller, &server.region, server.id, rebuild);
        let server = begun.await.map_err(text)?;
        self.note("server.rebuild", &format!("{name} in {}", server.region)).await?;
        let server = self.until_reachable(server).await?;
        self.show_whole(&server).await
    }

    async fn stop(&self, name: &str) -> Result<(), String> {
        let mut server = self.one(name).await?;
        if server.status == Status::Shutoff {
            return Ok(());
        }
        let (cloud, region) = (&self.state.cloud, server.region.clone());
        let stopped = cloud.request(&self.caller, &region, server.id, ServerRequest::Stop);
        stopped.await.map_err(text)?;
        self.note("server.stop", &format!("{name} in {region}")).await?;
        let end = Instant::now() + PATIENCE;
        while server.status != Status::Shutoff {
            if server.status == Status::Error || Instant::now() > end {
                return Err(format!("server {name} does not stop"));
            }
            tokio::time::sleep(GLANCE).await;
            server = cloud.server(&self.caller, &region, server.id).await.map_err(text)?;
        }
        Ok(())
    }

    /// Until it runs and its host keys are known, so that the panel can vouch for it.
    async fn until_reachable(&self, mut server: Server) -> Result<Server, String> {
        let end = Instant::now() + PATIENCE;
        let (cloud, region) = (&self.state.cloud, server.region.clone());
        loop {
            match server.status {
                Status::Error => {
                    let why = server.fault.as_deref().unwrap_or("it does not say why");
                    return Err(format!("the server failed to start: {why}"));
                }
                Status::Active => {
                    let keys = cloud.host_keys(&self.caller, &region, server.id);
                    let keys = keys.await.map_err(text)?;
                    if keys.iter().any(|key| key.retired_at.is_none()) {
                        return Ok(server);
                    }
                }
                _ => {}
            }
            if Instant::now() > end {
                return Err("the server has not shown its host keys in two minutes; its console \
                            log says how far it came"
                    .to_owned());
            }
            tokio::time::sleep(GLANCE).await;
            server = cloud.server(&self.caller, &region, server.id).await.map_err(text)?;
        }
    }

    async fn delete(&self, name: &str) -> Result<(), String> {
        let server = self.one(name).await?;
        let deleted = self.state.cloud.delete_server(&self.caller, &server.region, server.id);
        deleted.await.map_err(text)?;
        self.note("server.delete", &format!("{name} in {}", server.region)).await
    }
}

/// `REGION NAME STATUS ADDRESS PORT`, for people and scripts.
fn line_of(server: &Server) -> String {
    let (address, port) = server
        .addresses
        .first()
        .map_or(("-".to_owned(), 0), |at| (at.address.to_string(), at.ssh_port));
    let status = format!("{:?}", server.status).to_lowercase();
    format!("{} {} {status} {address} {port}", server.region, server.name)
}
