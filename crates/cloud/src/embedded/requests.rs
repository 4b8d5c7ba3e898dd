//! What people ask of servers: checked here, noted in the action log, and done in the background.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::Embedded;
use super::checks::{check_name, check_words, require};
use super::cloud_impl::NETWORK;
use super::life::{Turn, mac_of};
use super::records::ServerRow;
use crate::cloud::{Caller, Role};
use crate::model::{Address, NewServer, Power, Server, ServerAction, ServerRequest, Status};
use crate::{Error, Result};

/// OpenStack's limit, which its clients know.
const USER_DATA_MAX: usize = 65_535;
/// Longer than that somebody is really doing something to a server.
const GLANCE_MAX: Duration = Duration::from_millis(250);

impl Embedded {
    pub(super) async fn create(
        self: Arc<Self>,
        caller: &Caller,
        region: &str,
        new: NewServer,
    ) -> Result<Server> {
        let settings = self.region(region)?.clone();
        check_name(&new.name)?;
        check_words(&new.metadata, &new.tags)?;
        if new.user_data.len() > USER_DATA_MAX {
            return Err(Error::invalid("user_data", "User data has at most 65535 bytes."));
        }
        let image = self.image(new.image_id).await?;
        let flavor = self
            .settings
            .flavors
            .iter()
            .find(|flavor| flavor.id == new.flavor_id)
            .cloned()
            .ok_or_else(|| {
                Error::invalid("flavor", format!("Flavor {} could not be found.", new.flavor_id))
            })?;
        let public_keys = self.keys(&caller.user_id, region, &new.key_names).await?;

        let now = OffsetDateTime::now_utc();
        let range = self.range(&settings);
        let ssh_port = if self.machine.ordinary_user { self.settings.user_ssh_port } else { 22 };
        let slots = range.slots().min(self.slots_max());
        let id = Uuid::new_v4();
        let key_names = new.key_names.clone();
        let (project_id, user_id) = (caller.project_id.clone(), caller.user_id.clone());
        let region_id = region.to_owned();
        let fill = move |slot| {
            let addresses = range.address(slot).map(|address| Address {
                network: NETWORK.into(),
                address: IpAddr::V4(address),
                ssh_port,
                mac: mac_of(address).map(|octet| format!("{octet:02x}")).join(":"),
            });
            ServerRow {
                server: Server {
                    id,
                    region: region_id,
                    project_id,
                    user_id,
                    name: new.name,
                    status: Status::Build,
                    task_state: Some("spawning".into()),
                    power: Power::NoState,
                    fault: None,
                    image_id: image,
                    flavor,
                    key_name: new.key_names.first().cloned(),
                    key_names: new.key_names,
                    addresses: addresses.into_iter().collect(),
                    metadata: new.metadata,
                    tags: new.tags,
                    locked: false,
                    description: new.description,
                    created_at: now,
                    updated_at: now,
                    launched_at: None,
                },
                wanted_running: true,
                slot,
                public_keys,
                user_data: new.user_data,
                generation: 1,
            }
        };
        let turn = self.turn(id).await;
        let mut row = self.records.insert_server(region, slots, Box::new(fill)).await?;
        self.records.touch_key_pairs(region, &caller.user_id, &key_names, now).await?;
        let action = self.begin(caller, id, "create").await?;
        let server = row.server.clone();
        self.tell(&server, Some(Status::Build));
        tokio::spawn(async move {
            let booted = self.first_boot(&row).await;
            let outcome = self.settle(&mut row, booted).await;
            self.finish(id, action, outcome, turn).await;
        });
        Ok(server)
    }

    pub(super) async fn act(
        self: Arc<Self>,
        caller: &Caller,
        region: &str,
        id: Uuid,
        request: ServerRequest,
    ) -> Result<Server> {
        let turn = self.free_turn(id).await?;
        // Read again with the turn: nobody changes it from here on.
        let row = self.row(caller, region, id).await?;
        let locked = row.server.locked && caller.role < Role::Admin;
        if locked && !matches!(request, ServerRequest::Unlock) {
            return Err(Error::Conflict(format!("Instance {id} is locked")));
        }
        match request {
            ServerRequest::Reboot { hard } => self.reboot(caller, row, hard, turn).await,
            ServerRequest::Stop => self.shut_off(caller, row, turn).await,
            ServerRequest::Start => self.power_on(caller, row, turn).await,
            ServerRequest::Rebuild { image_id, key_names, name } => {
                self.rebuild(caller, row, image_id, key_names, name, turn).await
            }
            ServerRequest::Lock => self.set_locked(caller, row, true, turn).await,
            ServerRequest::Unlock => self.set_locked(caller, row, false, turn).await,
            ServerRequest::Describe { name, description, metadata, tags } => {
                self.describe(row, name, description, metadata, tags).await
            }
        }
    }

    async fn reboot(
        self: Arc<Self>,
        caller: &Caller,
        mut row: ServerRow,
        hard: bool,
        turn: Turn,
    ) -> Result<Server> {
        let allowed: &[Status] = if hard {
            &[Status::Active, Status::Shutoff, Status::Error, Status::Reboot, Status::HardReboot]
        } else {
            &[Status::Active]
        };
        require(&row.server, "reboot", allowed)?;
        let action = self.begin(caller, row.server.id, "reboot").await?;
        row.wanted_running = true;
        row.server.task_state = Some(if hard { "rebooting_hard" } else { "rebooting" }.into());
        self.save(&mut row, if hard { Status::HardReboot } else { Status::Reboot }).await?;
        let server = row.server.clone();
        tokio::spawn(async move {
            self.stop(server.id, !hard).await;
            let booted = self.boot(&row).await;
            let outcome = self.settle(&mut row, booted).await;
            self.finish(row.server.id, action, outcome, turn).await;
        });
        Ok(server)
    }

    async fn shut_off(
        self: Arc<Self>,
        caller: &Caller,
        mut row: ServerRow,
        turn: Turn,
    ) -> Result<Server> {
        require(&row.server, "stop", &[Status::Active, Status::Error])?;
        let action = self.begin(caller, row.server.id, "stop").await?;
        row.wanted_running = false;
        row.server.task_state = Some("powering-off".into());
        let status = row.server.status;
        self.save(&mut row, status).await?;
        let server = row.server.clone();
        tokio::spawn(async move {
            self.stop(row.server.id, true).await;
            let outcome = self.stopped(&mut row).await;
            self.finish(row.server.id, action, outcome, turn).await;
        });
        Ok(server)
    }

    async fn power_on(
        self: Arc<Self>,
        caller: &Caller,
        mut row: ServerRow,
        turn: Turn,
    ) -> Result<Server> {
        require(&row.server, "start", &[Status::Shutoff])?;
        let action = self.begin(caller, row.server.id, "start").await?;
        row.wanted_running = true;
        row.server.task_state = Some("powering-on".into());
        self.save(&mut row, Status::Shutoff).await?;
        let server = row.server.clone();
        tokio::spawn(async move {
            let booted = self.boot(&row).await;
            let outcome = self.settle(&mut row, booted).await;
            self.finish(row.server.id, action, outcome, turn).await;
        });
        Ok(server)
    }

    async fn rebuild(
        self: Arc<Self>,
        caller: &Caller,
        mut row: ServerRow,
        image_id: Option<Uuid>,
        key_names: Option<Vec<String>>,
        name: Option<String>,
        turn: Turn,
    ) -> Result<Server> {
        require(&row.server, "rebuild", &[Status::Active, Status::Shutoff, Status::Error])?;
        if let Some(name) = name {
            check_name(&name)?;
            row.server.name = name;
        }
        row.server.image_id = self.image(image_id.unwrap_or(row.server.image_id)).await?;
        if let Some(names) = key_names {
            row.public_keys = self.keys(&caller.user_id, &row.server.region, &names).await?;
            row.server.key_name = names.first().cloned();
            row.server.key_names = names;
        }
        let action = self.begin(caller, row.server.id, "rebuild").await?;
        row.generation += 1;
        // One that was stopped is stopped again when its new host keys are known.
        row.wanted_running = row.server.status != Status::Shutoff;
        row.server.task_state = Some("rebuilding".into());
        self.save(&mut row, Status::Rebuild).await?;
        let server = row.server.clone();
        tokio::spawn(async move {
            let outcome = self.rebuilt(&mut row).await;
            self.finish(row.server.id, action, outcome, turn).await;
        });
        Ok(server)
    }

    /// The second half of a rebuild, also of one that was interrupted.
    pub(super) async fn rebuilt(self: &Arc<Self>, row: &mut ServerRow) -> Result<()> {
        let id = row.server.id;
        self.stop(id, false).await;
        self.records.retire_host_keys(id, OffsetDateTime::now_utc()).await?;
        let removed = self.remove_disks(id, Some(row.generation)).await;
        let folder = self.layout.server(id);
        for log in [folder.console(), folder.console_before()] {
            let _ = std::fs::remove_file(log);
        }
        let booted = match removed {
            Ok(()) => self.first_boot(row).await,
            Err(error) => Err(error),
        };
        self.settle(row, booted).await?;
        if !row.wanted_running {
            self.stop(id, true).await;
            self.stopped(row).await?;
        }
        Ok(())
    }

    async fn set_locked(
        self: Arc<Self>,
        caller: &Caller,
        mut row: ServerRow,
        locked: bool,
        turn: Turn,
    ) -> Result<Server> {
        let id = row.server.id;
        let action = self.begin(caller, id, if locked { "lock" } else { "unlock" }).await?;
        row.server.locked = locked;
        let status = row.server.status;
        let saved = self.save(&mut row, status).await;
        self.finish(id, action, saved, turn).await;
        Ok(row.server)
    }

    #[expect(
        clippy::option_option,
        reason = "as the request has it: no change, or none from now on"
    )]
    async fn describe(
        self: Arc<Self>,
        mut row: ServerRow,
        name: Option<String>,
        description: Option<Option<String>>,
        metadata: Option<BTreeMap<String, String>>,
        tags: Option<Vec<String>>,
    ) -> Result<Server> {
        if let Some(name) = name {
            check_name(&name)?;
            row.server.name = name;
        }
        if let Some(description) = description {
            row.server.description = description;
        }
        row.server.metadata = metadata.unwrap_or(row.server.metadata);
        row.server.tags = tags.unwrap_or(row.server.tags);
        check_words(&row.server.metadata, &row.server.tags)?;
        let status = row.server.status;
        self.save(&mut row, status).await?;
        Ok(row.server)
    }

    /// Notes that somebody began something.
    pub(super) async fn begin(
        &self,
        caller: &Caller,
        id: Uuid,
        action: &str,
    ) -> Result<ServerAction> {
        let action = ServerAction {
            request_id: caller.request_id.clone(),
            action: action.into(),
            user_id: caller.user_id.clone(),
            project_id: caller.project_id.clone(),
            started_at: OffsetDateTime::now_utc(),
            finished_at: None,
            message: None,
        };
        self.records.put_action(id, &action).await?;
        Ok(action)
    }

    /// Notes how it ended, and lets the next one have the server.
    pub(super) async fn finish(
        &self,
        id: Uuid,
        mut action: ServerAction,
        outcome: Result<()>,
        turn: Turn,
    ) {
        action.finished_at = Some(OffsetDateTime::now_utc());
        if let Err(error) = outcome {
            tracing::warn!(server = %id, action = action.action, "{error}");
            action.message = Some(error.to_string());
        }
        if let Err(error) = self.records.put_action(id, &action).await {
            tracing::warn!(server = %id, "the action log: {error}");
        }
        drop(turn);
    }

    async fn free_turn(&self, id: Uuid) -> Result<Turn> {
        // A look at its host keys is over in no time.
        if let Ok(turn) = tokio::time::timeout(GLANCE_MAX, self.turn(id)).await {
            return Ok(turn);
        }
        let task = self.records.server(id).await?.and_then(|row| row.server.task_state);
        Err(Error::Conflict(format!(
            "Something is being done to instance {id} now{}.",
            task.map(|task| format!(" (task_state {task})")).unwrap_or_default()
        )))
    }
}
