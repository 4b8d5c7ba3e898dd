//! One service of one region, asked in one caller's name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::Method;
use serde_json::{Value, json};

use super::catalog::Services;
use super::http::{Answer, Ask};
use super::{Known, Openstack, digest, lock};
use crate::accounts::{OwnAccounts, Token};
use crate::cloud::Caller;
use crate::{Error, Result};

/// Nova 2.60 is Queens of 2018: flavors inline, keys and user data at a rebuild, tags at creation.
const MINOR_MIN: u32 = 60;
/// What was tried. From 2.92 key pairs may be called `me@laptop`.
const MINOR_MAX: u32 = 96;
/// Tokens of the panel's own that are tried one after the other.
const RENEWALS: usize = 2;
/// Pages of a list that are read before the rest is left out.
const PAGES_MAX: usize = 20;

/// See the module.
pub(super) struct Service<'a> {
    cloud: &'a Openstack,
    name: &'static str,
    region: &'a str,
    base: String,
    minor: Option<u32>,
    token: Token,
    known: Arc<Known>,
    request_id: &'a str,
}

impl Openstack {
    fn services(&self, caller: &Caller, region: &str) -> Result<(Token, Arc<Known>, Services)> {
        let token = caller.token.clone();
        let token = token.ok_or_else(|| Error::Unauthorized("Log in first.".to_owned()))?;
        let known = self.known(&token)?;
        let services = known
            .catalog
            .get(region)
            .cloned()
            .ok_or_else(|| Error::NotFound(format!("There is no region {region}.")))?;
        Ok((token, known, services))
    }

    fn part<'a>(
        &'a self,
        caller: &'a Caller,
        region: &'a str,
        name: &'static str,
        pick: impl FnOnce(Services) -> Option<String>,
    ) -> Result<Service<'a>> {
        let (token, known, services) = self.services(caller, region)?;
        let base = pick(services).ok_or_else(|| {
            Error::Unsupported(format!("The region {region} has no {name} in its catalog."))
        })?;
        let request_id = &caller.request_id;
        Ok(Service { cloud: self, name, region, base, minor: None, token, known, request_id })
    }

    /// Nova of a region, in the version that it and this program both speak.
    pub(super) async fn nova<'a>(
        &'a self,
        caller: &'a Caller,
        region: &'a str,
    ) -> Result<Service<'a>> {
        let mut nova = self.part(caller, region, "Nova", |services| services.compute)?;
        let known = lock(&self.versions).get(&nova.base).copied();
        let highest = if let Some(highest) = known {
            highest
        } else {
            let highest = highest_minor(&nova.get("/").await?).unwrap_or(0);
            lock(&self.versions).insert(nova.base.clone(), highest);
            highest
        };
        if highest < MINOR_MIN {
            return Err(Error::Unsupported(format!(
                "Nova of {region} speaks up to version 2.{highest}; 2.{MINOR_MIN} (Queens, 2018) is \
                 the least that this panel can use."
            )));
        }
        nova.minor = Some(highest.min(MINOR_MAX));
        Ok(nova)
    }

    pub(super) fn glance<'a>(&'a self, caller: &'a Caller, region: &'a str) -> Result<Service<'a>> {
        self.part(caller, region, "Glance", |services| services.image)
    }

    /// None where the region has no network service.
    pub(super) fn neutron<'a>(
        &'a self,
        caller: &'a Caller,
        region: &'a str,
    ) -> Result<Option<Service<'a>>> {
        let (_, _, services) = self.services(caller, region)?;
        if services.network.is_none() {
            return Ok(None);
        }
        self.part(caller, region, "Neutron", |services| services.network).map(Some)
    }
}

/// `2.104` of a version document, as 104.
fn highest_minor(document: &Value) -> Option<u32> {
    let version = document["version"]["version"].as_str()?;
    version.strip_prefix("2.")?.parse().ok()
}

impl Service<'_> {
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, None).await?.json(self.name)
    }

    /// All pages of a list: `name` holds the items, and the next page's address is in `links` or
    /// in the field that Nova calls `NAME_links`.
    pub(super) async fn list(&self, path: &str, name: &str) -> Result<Vec<Value>> {
        let mut path = path.to_owned();
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut page = self.get(&path).await?;
            if let Value::Array(items) = page[name].take() {
                all.extend(items);
            }
            match next_page(&page, name) {
                Some(query) => {
                    let before = path.split('?').next().unwrap_or_default();
                    path = format!("{before}?{query}");
                }
                None => break,
            }
        }
        Ok(all)
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        let answer = self.ask(Method::POST, path, Some(body)).await?;
        if answer.body.is_empty() { Ok(Value::Null) } else { answer.json(self.name) }
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Result<()> {
        self.ask(Method::PUT, path, Some(body)).await.map(drop)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<()> {
        self.ask(Method::DELETE, path, None).await.map(drop)
    }

    /// What Nova calls an action.
    pub(super) async fn act(&self, server: uuid::Uuid, name: &str, about: Value) -> Result<Value> {
        self.post(&format!("/servers/{server}/action"), json!({ name: about })).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let mut token = self.token.clone();
        for _ in 0..RENEWALS {
            let asked = self.ask_with(&token, method.clone(), path, body.clone()).await;
            let Err(Error::Unauthorized(words)) = asked else { return asked };
            self.cloud.known(&token)?.refused.store(true, Ordering::Relaxed);
            // The panel's own login is renewed; a person's is the person's.
            if !self.known.own {
                return Err(Error::Unauthorized(words));
            }
            // Another request may have renewed it, even to one that is refused by now.
            let fresh = self.cloud.service().await?.token;
            let fresh = fresh.filter(|fresh| digest(fresh) != digest(&token));
            token = fresh.ok_or(Error::Unauthorized(words))?;
        }
        self.ask_with(&token, method, path, body).await
    }

    async fn ask_with(
        &self,
        token: &Token,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer> {
        let mut ask = Ask::new(self.name, method, format!("{}{path}", self.base)).token(token);
        ask.body = body;
        ask.region = self.region;
        ask.microversion = self.minor;
        ask.request_id = Some(self.request_id);
        self.cloud.http.ask(ask).await
    }
}

/// The query of the next page. Its host is not believed: behind a proxy it is often a wrong one.
fn next_page(page: &Value, name: &str) -> Option<String> {
    let links = page[format!("{name}_links")].as_array();
    let nova = links.and_then(|links| {
        links.iter().find(|link| link["rel"] == "next").and_then(|link| link["href"].as_str())
    });
    let next = nova.or_else(|| page["next"].as_str())?;
    next.split_once('?').map(|(_, query)| query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_pages() {
        let document = json!({"version": {"id": "v2.1", "version": "2.104", "min_version": "2.1"}});
        assert_eq!(highest_minor(&document), Some(104));
        assert_eq!(highest_minor(&json!({"version": {"version": ""}})), None);
        let nova = json!({"servers_links": [{"rel": "next", "href": "http://x/v2.1/servers?marker=a&limit=2"}]});
        assert_eq!(next_page(&nova, "servers").as_deref(), Some("marker=a&limit=2"));
        let glance = json!({"images": [], "next": "/v2/images?marker=b"});
        assert_eq!(next_page(&glance, "images").as_deref(), Some("marker=b"));
        assert_eq!(next_page(&json!({"images": []}), "images"), None);
    }
}
