//! Keystone: logging in, entering projects, and the panel's own login.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::catalog::Catalog;
use super::clouds_yaml::Account;
use super::http::{Answer, Ask};
use super::{Known, Openstack, digest, fault, lock};
use crate::accounts::{Credentials, Entry, OwnAccounts, OwnProject, Person, Refusal, Token};
use crate::cloud::{Caller, Role};
use crate::model::Region;
use crate::{Error, Result};

/// Projects of one person that are offered.
const PROJECTS_MAX: usize = 1000;
/// A token is renewed while it is still good for this long.
const RENEW_BEFORE: time::Duration = time::Duration::minutes(5);
/// Names of regions are read this often.
const REGIONS_EVERY: Duration = Duration::from_secs(600);

/// The panel's own login.
pub(super) struct ServiceLogin {
    caller: Caller,
    expires_at: OffsetDateTime,
}

/// A token with what Keystone says of it.
struct Issued {
    token: Token,
    expires_at: OffsetDateTime,
    about: Value,
}

impl Openstack {
    async fn authenticate(&self, auth: Value) -> Result<Answer> {
        let url = format!("{}/auth/tokens", self.config.auth_url);
        let mut ask = Ask::new("Keystone", Method::POST, url).body(json!({ "auth": auth }));
        ask.raw = true;
        self.http.ask(ask).await
    }

    async fn ask_keystone(&self, token: &Token, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.config.auth_url);
        self.http.ask(Ask::new("Keystone", Method::GET, url).token(token)).await?.json("Keystone")
    }

    /// A token for a project, remembered with its catalog.
    fn settle(&self, answer: &Answer, own: bool) -> Result<(Issued, Entry)> {
        let issued = issued(answer)?;
        let project = issued.about["project"]["id"].as_str().unwrap_or_default();
        let interface = &self.config.interface;
        let catalog = Catalog::read(&issued.about["catalog"], interface, project);
        let (expires_at, refused) = (issued.expires_at, AtomicBool::new(false));
        self.remember(&issued.token, Known { catalog, expires_at, own, refused });
        let role = role(&issued.about["roles"]);
        let entry = Entry { token: issued.token.clone(), expires_at, role };
        Ok((issued, entry))
    }

    /// The regions of the caller's catalog, with the names that people gave them.
    pub(super) async fn region_list(&self, caller: &Caller) -> Result<Vec<Region>> {
        let token = caller.token.as_ref();
        let token = token.ok_or_else(|| Error::Unauthorized("Log in first.".to_owned()))?;
        let known = self.known(token)?;
        let named = self.region_names(token).await;
        let ids = known.catalog.names(self.config.first_region.as_deref(), &self.config.regions);
        Ok(ids
            .into_iter()
            .map(|id| Region { name: region_name(&id, named.get(&id)), id })
            .collect())
    }

    async fn region_names(&self, token: &Token) -> std::collections::BTreeMap<String, String> {
        let kept = lock(&self.region_names).clone();
        if let Some((at, names)) = &kept
            && at.elapsed() < REGIONS_EVERY
        {
            return names.clone();
        }
        let Ok(answer) = self.ask_keystone(token, "/regions").await else {
            return kept.map(|(_, names)| names).unwrap_or_default();
        };
        let mut names = std::collections::BTreeMap::new();
        for region in answer["regions"].as_array().into_iter().flatten() {
            let name = fault::shown(region["description"].as_str().unwrap_or_default(), 60);
            if let (Some(id), false) = (region["id"].as_str(), name.is_empty()) {
                names.insert(id.to_owned(), name);
            }
        }
        *lock(&self.region_names) = Some((Instant::now(), names.clone()));
        names
    }

    async fn log_in_service(&self, account: &Account) -> Result<ServiceLogin> {
        let auth = match account {
            Account::Password { user, scope, password } => {
                let mut user = user.clone();
                user["password"] = password.as_str().into();
                json!({"identity": {"methods": ["password"], "password": {"user": user}},
                       "scope": scope})
            }
            Account::ApplicationCredential { credential, secret } => {
                let mut credential = credential.clone();
                credential["secret"] = secret.as_str().into();
                json!({"identity": {"methods": ["application_credential"],
                                    "application_credential": credential}})
            }
        };
        let answer = self.authenticate(auth).await?;
        if !answer.status.is_success() {
            return Err(fault::of("Keystone, to the panel's own account", &answer));
        }
        let (issued, entry) = self.settle(&answer, true)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let caller = Caller {
            user_id: text(&issued.about["user"]["id"]),
            user_name: text(&issued.about["user"]["name"]),
            project_id: text(&issued.about["project"]["id"]),
            role: entry.role,
            request_id: String::new(),
            token: Some(entry.token.clone()),
        };
        Ok(ServiceLogin { caller, expires_at: entry.expires_at })
    }
}

/// What people call a region, with its identifier, which commands take.
fn region_name(id: &str, description: Option<&String>) -> String {
    match description {
        Some(text) if text.contains(id) => text.clone(),
        Some(text) => format!("{text} ({id})"),
        None => id.to_owned(),
    }
}

fn issued(answer: &Answer) -> Result<Issued> {
    let unreadable = |what: &str| Error::Internal(format!("Keystone's token has no {what}."));
    let secret = answer.header("x-subject-token").ok_or_else(|| unreadable("identifier"))?;
    let token = Token::new(secret.to_owned());
    let about = answer.json("Keystone")?["token"].take();
    let expires_at = about["expires_at"]
        .as_str()
        .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
        .ok_or_else(|| unreadable("end"))?;
    Ok(Issued { token, expires_at, about })
}

/// What role names say of a person's rights. Names that are not known here are given rights to
/// try: what they really allow is OpenStack's to say, request by request.
fn role(roles: &Value) -> Role {
    let names: Vec<&str> =
        roles.as_array().into_iter().flatten().filter_map(|role| role["name"].as_str()).collect();
    if names.iter().any(|name| name.eq_ignore_ascii_case("admin")) {
        Role::Admin
    } else if !names.is_empty() && names.iter().all(|name| matches!(*name, "reader" | "auditor")) {
        Role::Reader
    } else {
        Role::Member
    }
}

#[async_trait]
impl OwnAccounts for Openstack {
    fn address(&self) -> &str {
        &self.config.auth_url
    }

    fn domain(&self) -> &str {
        &self.config.domain
    }

    async fn log_in(&self, with: Credentials<'_>) -> std::result::Result<Person, Refusal> {
        let domain = if with.domain.is_empty() { &self.config.domain } else { with.domain };
        let user = |secret: (&str, &str)| json!({"user": {"name": with.name, "domain": {"name": domain}, secret.0: secret.1}});
        let mut identity =
            json!({"methods": ["password"], "password": user(("password", with.password))});
        if let Some(passcode) = with.passcode {
            identity["methods"] = json!(["password", "totp"]);
            identity["totp"] = user(("passcode", passcode));
        }
        let answer = self.authenticate(json!({"identity": identity, "scope": "unscoped"})).await;
        let answer = answer.map_err(Refusal::Failed)?;
        if answer.status == StatusCode::UNAUTHORIZED {
            if answer.header("openstack-auth-receipt").is_some() && with.passcode.is_none() {
                return Err(Refusal::NeedsCode);
            }
            return Err(Refusal::Wrong(fault::of("Keystone", &answer).to_string()));
        }
        if !answer.status.is_success() {
            return Err(Refusal::Failed(fault::of("Keystone", &answer)));
        }
        let issued = issued(&answer).map_err(Refusal::Failed)?;
        let projects =
            self.ask_keystone(&issued.token, "/auth/projects").await.map_err(Refusal::Failed)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut projects: Vec<OwnProject> = projects["projects"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|project| project["enabled"] != Value::Bool(false))
            .take(PROJECTS_MAX)
            .map(|project| OwnProject {
                id: text(&project["id"]),
                name: text(&project["name"]),
                description: text(&project["description"]),
            })
            .collect();
        projects.sort_by_cached_key(|project| project.name.to_lowercase());
        let user_id = text(&issued.about["user"]["id"]);
        // Some clouds do not tell people about themselves.
        let whole = self.ask_keystone(&issued.token, &format!("/users/{user_id}")).await;
        let default_project =
            whole.ok().and_then(|user| Some(user["user"]["default_project_id"].as_str()?.into()));
        Ok(Person {
            user_name: text(&issued.about["user"]["name"]),
            user_id,
            default_project,
            token: issued.token,
            expires_at: issued.expires_at,
            projects,
        })
    }

    async fn enter(&self, person: &Token, project_id: &str) -> Result<Entry> {
        let auth = json!({
            "identity": {"methods": ["token"], "token": {"id": person.expose()}},
            "scope": {"project": {"id": project_id}},
        });
        let answer = self.authenticate(auth).await?;
        if !answer.status.is_success() {
            return Err(fault::of("Keystone", &answer));
        }
        self.settle(&answer, false).map(|(_, entry)| entry)
    }

    async fn leave(&self, token: &Token) {
        lock(&self.tokens).remove(&digest(token));
        let url = format!("{}/auth/tokens", self.config.auth_url);
        let mut ask = Ask::new("Keystone", Method::DELETE, url).token(token);
        ask.subject = Some(token);
        if let Err(error) = self.http.ask(ask).await {
            tracing::info!(%error, "a token was not ended; its time ends it");
        }
    }

    fn is_good(&self, token: &Token) -> bool {
        self.known(token).is_ok_and(|known| known.is_good())
    }

    async fn service(&self) -> Result<Caller> {
        let account = self.config.account.as_ref().ok_or_else(|| {
            Error::Unsupported(format!(
                "The panel has no account of its own: {} names none for {}.",
                self.config.file.display(),
                self.config.name
            ))
        })?;
        let mut login = self.service.lock().await;
        let fresh = login.as_ref().filter(|login| {
            login.expires_at - RENEW_BEFORE > OffsetDateTime::now_utc()
                && login.caller.token.as_ref().is_some_and(|token| self.is_good(token))
        });
        if let Some(login) = fresh {
            return Ok(login.caller.clone());
        }
        let new = self.log_in_service(account).await?;
        Ok(login.insert(new).caller.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_by_their_names() {
        let of = |names: &[&str]| {
            role(&names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>().into())
        };
        assert_eq!(of(&["reader", "member", "admin"]), Role::Admin);
        assert_eq!(of(&["reader", "member"]), Role::Member);
        assert_eq!(of(&["reader"]), Role::Reader);
        assert_eq!(of(&["_member_"]), Role::Member);
        assert_eq!(role(&Value::Null), Role::Member);
    }
}
