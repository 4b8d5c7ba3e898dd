//! Projects, and the roles that users have in them.

use sqlx::Row;
use sqlx::any::AnyRow;
use time::OffsetDateTime;

use super::{Accounts, Error, Role, User, check_name, folded, new_id, role_number, role_of_number};
use crate::store::{micros, now, time_of};

/// What servers belong to, and what users have roles in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Its identifier for good.
    pub id: String,
    /// What people call it; unique whatever its case.
    pub name: String,
    /// A free description.
    pub description: String,
    /// Whether anyone may work in it.
    pub enabled: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

const COLUMNS: &str = "id, name, description, enabled, created_at";

impl Accounts {
    /// All projects by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn projects(&self) -> Result<Vec<Project>, Error> {
        let rows = sqlx::query(&format!("SELECT {COLUMNS} FROM projects ORDER BY folded"))
            .fetch_all(self.store.read())
            .await?;
        rows.iter().map(project).collect()
    }

    /// One by identifier.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn project(&self, id: &str) -> Result<Option<Project>, Error> {
        let row = sqlx::query(&format!("SELECT {COLUMNS} FROM projects WHERE id = $1"))
            .bind(id)
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(project).transpose()
    }

    /// One by name, whatever its case.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn project_by_name(&self, name: &str) -> Result<Option<Project>, Error> {
        let row = sqlx::query(&format!("SELECT {COLUMNS} FROM projects WHERE folded = $1"))
            .bind(folded(name))
            .fetch_optional(self.store.read())
            .await?;
        row.as_ref().map(project).transpose()
    }

    /// Makes one.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a name in use, [`Error::Invalid`].
    pub async fn create_project(&self, name: &str, description: &str) -> Result<Project, Error> {
        let name = check_name("name", name)?;
        let description = check_description(description)?;
        let (id, at) = (new_id(), now());
        sqlx::query(
            "INSERT INTO projects (id, name, folded, description, enabled, created_at) \
             VALUES ($1, $2, $3, $4, 1, $5)",
        )
        .bind(&id)
        .bind(&name)
        .bind(folded(&name))
        .bind(&description)
        .bind(micros(at))
        .execute(self.store.write())
        .await
        .map_err(|error| taken(error, &name))?;
        Ok(Project { id, name, description, enabled: true, created_at: at })
    }

    /// Changes one; nothing where it says none.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`], [`Error::Invalid`].
    pub async fn update_project(
        &self,
        id: &str,
        name: Option<&str>,
        description: Option<&str>,
        enabled: Option<bool>,
    ) -> Result<Project, Error> {
        let mut project = self.need_project(id).await?;
        if let Some(name) = name {
            project.name = check_name("name", name)?;
        }
        if let Some(description) = description {
            project.description = check_description(description)?;
        }
        project.enabled = enabled.unwrap_or(project.enabled);
        sqlx::query(
            "UPDATE projects SET name = $1, folded = $2, description = $3, enabled = $4 \
             WHERE id = $5",
        )
        .bind(&project.name)
        .bind(folded(&project.name))
        .bind(&project.description)
        .bind(i64::from(project.enabled))
        .bind(id)
        .execute(self.store.write())
        .await
        .map_err(|error| taken(error, &project.name))?;
        Ok(project)
    }

    /// Deletes one that holds no servers in the panel's own store.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while it has servers or the last administrator.
    pub async fn delete_project(&self, id: &str) -> Result<(), Error> {
        self.need_project(id).await?;
        let mut tx = self.store.begin().await?;
        let servers: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM servers WHERE project_id = $1")
            .bind(id)
            .fetch_one(&mut *tx)
            .await?;
        if servers > 0 {
            return Err(Error::Conflict(format!(
                "The project still has {servers} servers; delete them first."
            )));
        }
        let administrators: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM users u JOIN roles r ON r.user_id = u.id WHERE r.role = 3 \
             AND u.enabled = 1 AND u.password <> '' AND r.project_id <> $1",
        )
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
        if administrators == 0 {
            return Err(Error::Conflict(
                "All administrators have their role in this project; give one of them that role \
                 in another project first."
                    .to_owned(),
            ));
        }
        for statement in [
            "DELETE FROM roles WHERE project_id = $1",
            "DELETE FROM tokens WHERE project_id = $1",
            "DELETE FROM credentials WHERE project_id = $1",
            "UPDATE users SET default_project = '' WHERE default_project = $1",
            "UPDATE sessions SET project_id = '' WHERE project_id = $1",
            "DELETE FROM projects WHERE id = $1",
        ] {
            sqlx::query(statement).bind(id).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// The user's role in a project, if both are enabled. An administrator of any project is one
    /// in all of them.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn role_in(&self, user_id: &str, project_id: &str) -> Result<Option<Role>, Error> {
        let role: Option<i64> = sqlx::query_scalar(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM roles a WHERE a.user_id = u.id AND a.role = 3) \
             THEN 3 ELSE r.role END FROM users u JOIN projects p ON p.id = $1 \
             LEFT JOIN roles r ON r.user_id = u.id AND r.project_id = p.id \
             WHERE u.id = $2 AND u.enabled = 1 AND p.enabled = 1 AND (r.role IS NOT NULL OR \
             EXISTS (SELECT 1 FROM roles a WHERE a.user_id = u.id AND a.role = 3))",
        )
        .bind(project_id)
        .bind(user_id)
        .fetch_optional(self.store.read())
        .await?;
        role.map(role_of_number).transpose()
    }

    /// The projects that a user has a role in, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn projects_of(&self, user_id: &str) -> Result<Vec<(Project, Role)>, Error> {
        let rows = sqlx::query(
            "SELECT p.id, p.name, p.description, p.enabled, p.created_at, r.role FROM projects p \
             JOIN roles r ON r.project_id = p.id WHERE r.user_id = $1 ORDER BY p.folded",
        )
        .bind(user_id)
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(|row| Ok((project(row)?, role_of_number(row.try_get("role")?)?))).collect()
    }

    /// Who has a role in a project, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn members_of(&self, project_id: &str) -> Result<Vec<(User, Role)>, Error> {
        let rows = sqlx::query("SELECT user_id, role FROM roles WHERE project_id = $1")
            .bind(project_id)
            .fetch_all(self.store.read())
            .await?;
        let mut members = Vec::with_capacity(rows.len());
        for row in &rows {
            if let Some(user) = self.user(&row.try_get::<String, _>("user_id")?).await? {
                members.push((user, role_of_number(row.try_get("role")?)?));
            }
        }
        members.sort_by_key(|(user, _)| folded(&user.name));
        Ok(members)
    }

    /// Gives a user a role in a project, in place of the one it had there.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the last administrator would be one no more.
    pub async fn assign(&self, user_id: &str, project_id: &str, role: Role) -> Result<(), Error> {
        self.need_user(user_id).await?;
        self.need_project(project_id).await?;
        if role != Role::Admin {
            self.may_lose_admin(user_id, project_id).await?;
        }
        sqlx::query(
            "INSERT INTO roles (user_id, project_id, role) VALUES ($1, $2, $3) \
             ON CONFLICT (user_id, project_id) DO UPDATE SET role = excluded.role",
        )
        .bind(user_id)
        .bind(project_id)
        .bind(role_number(role))
        .execute(self.store.write())
        .await?;
        Ok(())
    }

    /// Takes a user out of a project; `false` when it was not in it.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the last administrator would be one no more.
    pub async fn unassign(&self, user_id: &str, project_id: &str) -> Result<bool, Error> {
        self.may_lose_admin(user_id, project_id).await?;
        let done = sqlx::query("DELETE FROM roles WHERE user_id = $1 AND project_id = $2")
            .bind(user_id)
            .bind(project_id)
            .execute(self.store.write())
            .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn may_lose_admin(&self, user_id: &str, project_id: &str) -> Result<(), Error> {
        let elsewhere: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM roles WHERE user_id = $1 AND project_id <> $2 AND role = 3",
        )
        .bind(user_id)
        .bind(project_id)
        .fetch_one(self.store.read())
        .await?;
        if elsewhere == 0 { self.keep_an_administrator(user_id).await } else { Ok(()) }
    }

    async fn need_project(&self, id: &str) -> Result<Project, Error> {
        self.project(id)
            .await?
            .ok_or_else(|| Error::NotFound("There is no such project.".to_owned()))
    }
}

fn project(row: &AnyRow) -> Result<Project, Error> {
    Ok(Project {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        enabled: row.try_get::<i64, _>("enabled")? != 0,
        created_at: time_of(row.try_get("created_at")?),
    })
}

fn taken(error: sqlx::Error, name: &str) -> Error {
    let error = crate::store::Error::from(error);
    if error.is_duplicate() {
        Error::Conflict(format!("There is a project called {name} already."))
    } else {
        error.into()
    }
}

fn check_description(text: &str) -> Result<String, Error> {
    let text = text.trim();
    if text.chars().count() > 1000 {
        return Err(Error::invalid("description", "A description has at most 1000 characters."));
    }
    if text.contains('\0') {
        return Err(Error::invalid("description", crate::store::UNSTORABLE));
    }
    Ok(text.to_owned())
}
