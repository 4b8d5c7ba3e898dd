//! What is done to a server, and that it takes a moment.

use cloud::model::{Power, Server, ServerAction, ServerEvent, ServerRequest, Status};
use cloud::{Caller, Error, Result, Role};
use uuid::Uuid;

use super::{MOMENT, MemoryCloud, missing, now};

/// What goes on, and how it ends.
struct Step {
    action: &'static str,
    task: &'static str,
    /// What the server is meanwhile; none for what it was.
    meanwhile: Option<Status>,
    then: Status,
}

impl MemoryCloud {
    /// Does what is asked of this server, if it is in a state for that.
    pub(super) fn carry_out(
        &self,
        caller: &Caller,
        server: Server,
        request: ServerRequest,
    ) -> Result<Server> {
        let free = matches!(request, ServerRequest::Describe { .. } | ServerRequest::Unlock);
        if server.locked && caller.role < Role::Admin && !free {
            return Err(Error::Conflict(format!("Instance {} is locked", server.id)));
        }
        match request {
            ServerRequest::Reboot { hard } => {
                let meanwhile = Some(if hard { Status::HardReboot } else { Status::Reboot });
                let step =
                    Step { action: "reboot", task: "rebooting", meanwhile, then: Status::Active };
                let fine = hard || server.status == Status::Active;
                self.begin(caller, &server, fine, &step)
            }
            ServerRequest::Stop => {
                let (action, task, then) = ("stop", "powering-off", Status::Shutoff);
                let step = Step { action, task, meanwhile: None, then };
                self.begin(caller, &server, server.status == Status::Active, &step)
            }
            ServerRequest::Start => {
                let (action, task, then) = ("start", "powering-on", Status::Active);
                let step = Step { action, task, meanwhile: None, then };
                self.begin(caller, &server, server.status == Status::Shutoff, &step)
            }
            ServerRequest::Rebuild { image_id, key_names, name } => {
                let rests =
                    matches!(server.status, Status::Active | Status::Shutoff | Status::Error);
                let off = server.status == Status::Shutoff;
                let then = if off { Status::Shutoff } else { Status::Active };
                let meanwhile = Some(Status::Rebuild);
                let step = Step { action: "rebuild", task: "rebuilding", meanwhile, then };
                self.begin(caller, &server, rests, &step)?;
                self.make_host_keys(&server);
                self.change(server.id, |server| {
                    if let Some(image_id) = image_id {
                        server.image_id = image_id;
                    }
                    if let Some(names) = key_names {
                        server.key_name = names.first().cloned();
                        server.key_names = names;
                    }
                    if let Some(name) = name {
                        server.name = name;
                    }
                })
            }
            ServerRequest::Lock => {
                self.note(caller, server.id, "lock", true);
                self.change(server.id, |server| server.locked = true)
            }
            ServerRequest::Unlock => {
                self.note(caller, server.id, "unlock", true);
                self.change(server.id, |server| server.locked = false)
            }
            ServerRequest::Describe { name, description, metadata, tags } => {
                self.change(server.id, |server| {
                    if let Some(name) = name {
                        server.name = name;
                    }
                    if let Some(description) = description {
                        server.description = description;
                    }
                    if let Some(metadata) = metadata {
                        server.metadata = metadata;
                    }
                    if let Some(tags) = tags {
                        server.tags = tags;
                    }
                })
            }
        }
    }

    fn begin(&self, caller: &Caller, server: &Server, fine: bool, step: &Step) -> Result<Server> {
        if !fine {
            return Err(Error::Conflict(format!(
                "Cannot '{}' instance {} while it is in state {:?}",
                step.action, server.id, server.status
            )));
        }
        self.note(caller, server.id, step.action, false);
        self.finish(server.id, step.then, caller.request_id.clone());
        self.change(server.id, |server| {
            server.status = step.meanwhile.unwrap_or(server.status);
            server.task_state = Some(step.task.to_owned());
        })
    }

    /// After a moment the server is in this state, unless it is gone.
    pub(super) fn finish(&self, id: Uuid, status: Status, request_id: String) {
        let Some(me) = self.me.upgrade() else { return };
        tokio::spawn(async move {
            tokio::time::sleep(MOMENT).await;
            let server = {
                let mut tables = me.tables();
                for (_, _, action) in &mut tables.actions {
                    if action.request_id == request_id {
                        action.finished_at = Some(now());
                    }
                }
                let Some(server) = tables.servers.get_mut(&id) else { return };
                server.status = status;
                server.task_state = None;
                server.power =
                    if status == Status::Active { Power::Running } else { Power::Shutdown };
                server.updated_at = now();
                if status == Status::Active {
                    server.launched_at.get_or_insert_with(now);
                }
                server.clone()
            };
            let _ = me.events.send(ServerEvent {
                region: server.region,
                project_id: server.project_id,
                server_id: id,
                status: Some(status),
            });
        });
    }

    pub(super) fn note(&self, caller: &Caller, id: Uuid, action: &str, done: bool) {
        let action = ServerAction {
            request_id: caller.request_id.clone(),
            action: action.to_owned(),
            user_id: caller.user_id.clone(),
            project_id: caller.project_id.clone(),
            started_at: now(),
            finished_at: done.then(now),
            message: None,
        };
        self.tables().actions.insert(0, (id, caller.project_id.clone(), action));
    }

    fn change(&self, id: Uuid, change: impl FnOnce(&mut Server)) -> Result<Server> {
        let mut tables = self.tables();
        let server = tables.servers.get_mut(&id).ok_or_else(|| missing(id))?;
        change(server);
        server.updated_at = now();
        Ok(server.clone())
    }
}
