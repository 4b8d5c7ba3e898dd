//! People who logged in by the cloud's own accounts: their tokens are in memory only, so a login
//! lasts as long as its token does, and at most until the panel stops.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cloud::accounts::{Entry, OwnAccounts, Person, Token};
use time::{Duration, OffsetDateTime};

use super::{Project, Role, Session, User};

/// More people than one panel serves.
const GUESTS_MAX: usize = 20_000;
/// What is asked for with a token still takes a while.
const MARGIN: Duration = Duration::seconds(20);

/// Those who are logged in, by their session's identifier.
#[derive(Default)]
pub struct Guests {
    inside: Mutex<HashMap<String, Guest>>,
}

#[derive(Clone)]
struct Guest {
    user: User,
    token: Token,
    expires_at: OffsetDateTime,
    projects: Vec<Project>,
    entries: HashMap<String, Entry>,
}

/// A guest in the project that the session is in.
pub struct Presence {
    /// Who it is.
    pub user: User,
    /// Every project to switch between.
    pub projects: Vec<Project>,
    /// The present one, with the role and the token there; none for someone without any.
    pub project: Option<(Project, Role, Token)>,
}

impl Guests {
    fn inside(&self) -> MutexGuard<'_, HashMap<String, Guest>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets someone in.
    pub fn admit(&self, session_id: &str, person: Person) {
        let now = OffsetDateTime::now_utc();
        let guest = Guest {
            user: User {
                id: person.user_id,
                name: person.user_name,
                email: String::new(),
                enabled: true,
                default_project: person.default_project,
                has_totp: false,
                created_at: now,
                password_at: now,
            },
            token: person.token,
            expires_at: person.expires_at,
            projects: person
                .projects
                .into_iter()
                .map(|project| Project {
                    id: project.id,
                    name: project.name,
                    description: project.description,
                    enabled: true,
                    created_at: now,
                })
                .collect(),
            entries: HashMap::new(),
        };
        let mut inside = self.inside();
        inside.retain(|_, guest| guest.expires_at > now);
        if inside.len() < GUESTS_MAX {
            inside.insert(session_id.to_owned(), guest);
        }
    }

    /// Who a session is of, having entered its project; none when the login is over.
    ///
    /// # Errors
    /// What the cloud says against entering the project.
    pub async fn find(
        &self,
        own: &dyn OwnAccounts,
        session: &Session,
    ) -> Result<Option<Presence>, cloud::Error> {
        let Some(guest) = self.inside().get(&session.id).cloned() else { return Ok(None) };
        if guest.user.id != session.user_id || guest.expires_at - MARGIN < OffsetDateTime::now_utc()
        {
            return Ok(None);
        }
        let wanted = guest.projects.iter().find(|project| project.id == session.project_id);
        let Some(project) = wanted.or_else(|| guest.projects.first()).cloned() else {
            return Ok(Some(Presence {
                user: guest.user,
                projects: guest.projects,
                project: None,
            }));
        };
        let known = guest.entries.get(&project.id).filter(|entry| own.is_good(&entry.token));
        let entry = match known {
            Some(entry) => entry.clone(),
            None => match own.enter(&guest.token, &project.id).await {
                Ok(entry) => {
                    if let Some(guest) = self.inside().get_mut(&session.id) {
                        guest.entries.insert(project.id.clone(), entry.clone());
                    }
                    entry
                }
                Err(cloud::Error::Unauthorized(_)) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let project = Some((project, entry.role, entry.token));
        Ok(Some(Presence { user: guest.user, projects: guest.projects, project }))
    }

    /// Lets someone out: the tokens that are to be ended.
    pub fn dismiss(&self, session_id: &str) -> Vec<Token> {
        let Some(guest) = self.inside().remove(session_id) else { return Vec::new() };
        guest.entries.into_values().map(|entry| entry.token).chain([guest.token]).collect()
    }

    /// The name of someone who is logged in.
    pub fn name(&self, user_id: &str) -> Option<String> {
        let inside = self.inside();
        let guest = inside.values().find(|guest| guest.user.id == user_id)?;
        Some(guest.user.name.clone())
    }
}
