//! Records in memory: for tests, and for trials without a store.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::records::{Records, ServerRow};
use crate::cloud::{KeyPairQuery, ServerQuery};
use crate::model::{HostKey, Image, KeyPair, Server, ServerAction};
use crate::{Error, Result, ServerList};

/// [`Records`] that are gone with the process.
#[derive(Default)]
pub struct MemoryRecords {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    key_pairs: Vec<KeyPair>,
    last_key_pair: i64,
    images: Vec<Image>,
    servers: Vec<ServerRow>,
    actions: Vec<(Uuid, ServerAction)>,
    projects: Vec<(Uuid, String)>,
    host_keys: Vec<HostKey>,
}

impl MemoryRecords {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn present_first(mut keys: Vec<HostKey>) -> Vec<HostKey> {
    keys.sort_by_key(|key| key.retired_at.is_some());
    keys
}

#[async_trait]
impl Records for MemoryRecords {
    async fn key_pairs(&self, region: &str, user_id: &str) -> Result<Vec<KeyPair>> {
        let mut keys: Vec<_> = self
            .tables()
            .key_pairs
            .iter()
            .filter(|key| key.region == region && key.user_id == user_id)
            .cloned()
            .collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(keys)
    }

    async fn key_pair(&self, region: &str, user_id: &str, name: &str) -> Result<Option<KeyPair>> {
        let wanted = (region, user_id, name);
        let tables = self.tables();
        let found = tables
            .key_pairs
            .iter()
            .find(|key| (key.region.as_str(), key.user_id.as_str(), key.name.as_str()) == wanted);
        Ok(found.cloned())
    }

    async fn find_key_pairs(
        &self,
        regions: &[String],
        user_id: &str,
        query: &KeyPairQuery,
    ) -> Result<(Vec<KeyPair>, u64)> {
        let mut all = self.tables().key_pairs.clone();
        all.retain(|key| key.user_id == user_id);
        Ok(query.apply(regions, all))
    }

    async fn insert_key_pair(&self, mut key: KeyPair) -> Result<KeyPair> {
        let mut tables = self.tables();
        let taken = tables.key_pairs.iter().any(|other| {
            (&other.region, &other.user_id, &other.name) == (&key.region, &key.user_id, &key.name)
        });
        if taken {
            return Err(Error::Conflict(format!("Key pair '{}' already exists.", key.name)));
        }
        tables.last_key_pair += 1;
        key.id = tables.last_key_pair;
        tables.key_pairs.push(key.clone());
        Ok(key)
    }

    async fn delete_key_pair(&self, region: &str, user_id: &str, name: &str) -> Result<bool> {
        let mut tables = self.tables();
        let before = tables.key_pairs.len();
        tables.key_pairs.retain(|key| {
            (key.region.as_str(), key.user_id.as_str(), key.name.as_str())
                != (region, user_id, name)
        });
        Ok(tables.key_pairs.len() < before)
    }

    async fn touch_key_pairs(
        &self,
        region: &str,
        user_id: &str,
        names: &[String],
        at: OffsetDateTime,
    ) -> Result<()> {
        for key in &mut self.tables().key_pairs {
            if key.region == region && key.user_id == user_id && names.contains(&key.name) {
                key.last_used_at = Some(at);
            }
        }
        Ok(())
    }

    async fn images(&self) -> Result<Vec<Image>> {
        Ok(self.tables().images.clone())
    }

    async fn put_image(&self, image: &Image) -> Result<()> {
        let mut tables = self.tables();
        tables.images.retain(|other| other.id != image.id);
        tables.images.push(image.clone());
        Ok(())
    }

    async fn delete_image(&self, id: Uuid) -> Result<bool> {
        let mut tables = self.tables();
        let before = tables.images.len();
        tables.images.retain(|image| image.id != id);
        Ok(tables.images.len() < before)
    }

    async fn insert_server(
        &self,
        region: &str,
        slots: u32,
        fill: Box<dyn FnOnce(u32) -> ServerRow + Send>,
    ) -> Result<ServerRow> {
        let mut tables = self.tables();
        let slot = (0..slots)
            .find(|slot| {
                !tables.servers.iter().any(|row| row.server.region == region && row.slot == *slot)
            })
            .ok_or_else(|| {
                Error::Exhausted(format!("All {slots} addresses of region {region} are taken."))
            })?;
        let row = fill(slot);
        tables.projects.push((row.server.id, row.server.project_id.clone()));
        tables.servers.push(row.clone());
        Ok(row)
    }

    async fn update_server(&self, row: &ServerRow) -> Result<()> {
        let mut tables = self.tables();
        let place = tables.servers.iter_mut().find(|other| other.server.id == row.server.id);
        let place = place.ok_or_else(|| Error::NotFound("The server is gone.".into()))?;
        let slot = place.slot;
        *place = row.clone();
        place.slot = slot;
        Ok(())
    }

    async fn delete_server(&self, id: Uuid) -> Result<bool> {
        let mut tables = self.tables();
        let before = tables.servers.len();
        tables.servers.retain(|row| row.server.id != id);
        Ok(tables.servers.len() < before)
    }

    async fn server(&self, id: Uuid) -> Result<Option<ServerRow>> {
        Ok(self.tables().servers.iter().find(|row| row.server.id == id).cloned())
    }

    async fn servers(
        &self,
        region: &str,
        project_id: Option<&str>,
        query: &ServerQuery,
    ) -> Result<(Vec<ServerRow>, u64)> {
        let matches = |row: &&ServerRow| {
            let server = &row.server;
            server.region == region
                && project_id.is_none_or(|project| server.project_id == project)
                && query.search.as_ref().is_none_or(|part| {
                    server.name.contains(part.as_str())
                        || server
                            .addresses
                            .iter()
                            .any(|address| address.address.to_string().contains(part.as_str()))
                })
        };
        let all: Vec<_> = self.tables().servers.iter().rev().filter(matches).cloned().collect();
        let total = all.len() as u64;
        let limit = query.page.limit.map_or(usize::MAX, |limit| limit as usize);
        Ok((all.into_iter().skip(query.page.offset as usize).take(limit).collect(), total))
    }

    async fn find_servers(
        &self,
        regions: &[String],
        project_id: &str,
        list: &ServerList,
    ) -> Result<(Vec<Server>, u64)> {
        let query = ServerQuery { search: list.search.clone(), ..ServerQuery::default() };
        let mut all = Vec::new();
        for region in regions {
            let (rows, _) = self.servers(region, Some(project_id), &query).await?;
            all.extend(rows.into_iter().map(|row| row.server));
        }
        Ok(list.apply(all))
    }

    async fn all_servers(&self) -> Result<Vec<ServerRow>> {
        Ok(self.tables().servers.clone())
    }

    async fn put_action(&self, server_id: Uuid, action: &ServerAction) -> Result<()> {
        let mut tables = self.tables();
        let known = tables
            .actions
            .iter_mut()
            .find(|(id, other)| *id == server_id && other.request_id == action.request_id);
        match known {
            Some((_, place)) => *place = action.clone(),
            None => tables.actions.push((server_id, action.clone())),
        }
        Ok(())
    }

    async fn actions(&self, server_id: Uuid) -> Result<Vec<ServerAction>> {
        let tables = self.tables();
        let of_server = tables.actions.iter().rev().filter(|(id, _)| *id == server_id);
        Ok(of_server.map(|(_, action)| action.clone()).collect())
    }

    async fn project_of(&self, server_id: Uuid) -> Result<Option<String>> {
        let tables = self.tables();
        Ok(tables
            .projects
            .iter()
            .find(|(id, _)| *id == server_id)
            .map(|(_, project)| project.clone()))
    }

    async fn record_host_keys(
        &self,
        server_id: Uuid,
        present: &[HostKey],
        at: OffsetDateTime,
    ) -> Result<()> {
        let mut tables = self.tables();
        for known in &mut tables.host_keys {
            let gone = known.server_id == server_id
                && known.retired_at.is_none()
                && !present.iter().any(|key| key.public_key == known.public_key);
            if gone {
                known.retired_at = Some(at);
            }
        }
        for key in present {
            let known = tables.host_keys.iter().any(|known| {
                known.server_id == server_id
                    && known.public_key == key.public_key
                    && known.retired_at.is_none()
            });
            if !known {
                tables.host_keys.push(key.clone());
            }
        }
        Ok(())
    }

    async fn retire_host_keys(&self, server_id: Uuid, at: OffsetDateTime) -> Result<()> {
        for key in &mut self.tables().host_keys {
            if key.server_id == server_id && key.retired_at.is_none() {
                key.retired_at = Some(at);
            }
        }
        Ok(())
    }

    async fn host_keys(&self, server_id: Uuid) -> Result<Vec<HostKey>> {
        let tables = self.tables();
        let keys = tables.host_keys.iter().filter(|key| key.server_id == server_id);
        Ok(present_first(keys.cloned().collect()))
    }

    async fn host_keys_at(&self, address: &str, port: u16) -> Result<Vec<HostKey>> {
        let tables = self.tables();
        let keys = tables.host_keys.iter().filter(|key| key.address == address && key.port == port);
        Ok(present_first(keys.cloned().collect()))
    }
}
