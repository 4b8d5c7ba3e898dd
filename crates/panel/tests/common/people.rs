//! Who may use a panel in tests.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::fmt::Write as _;

use panel::accounts::{Accounts, NewUser, Project, Role, User};

pub const PASSWORD: &str = "correct horse battery";

/// A user with a role in a project, both made where they are not there yet.
pub async fn user(accounts: &Accounts, name: &str, project: &str, role: Role) -> (User, Project) {
    let project = match accounts.project_by_name(project).await.unwrap() {
        Some(project) => project,
        None => accounts.create_project(project, "").await.unwrap(),
    };
    let user = match accounts.user_by_name(name).await.unwrap() {
        Some(user) => user,
        None => accounts
            .create_user(NewUser {
                name,
                email: "",
                password: Some(PASSWORD),
                default_project: Some(&project.id),
            })
            .await
            .unwrap(),
    };
    accounts.assign(&user.id, &project.id, role).await.unwrap();
    (user, project)
}

/// The people that Tempest wants, and its file about them: two of each persona in a project, and
/// a second project.
pub async fn for_tempest(accounts: &Accounts) -> String {
    let mut file = String::new();
    for project in ["demo", "alt"] {
        let prefix = if project == "alt" { "alt_" } else { "" };
        for (label, role) in
            [("manager", Role::Member), ("member", Role::Member), ("reader", Role::Reader)]
        {
            for letter in ['a', 'b'] {
                let name = format!("{project}-{label}{letter}");
                user(accounts, &name, project, role).await;
                let roles = if prefix.is_empty() {
                    label.to_owned()
                } else {
                    format!("{prefix}{label}, {label}")
                };
                writeln!(
                    file,
                    "- {{username: {name}, project_name: {project}, password: '{PASSWORD}', \
                     user_domain_name: Default, project_domain_name: Default, \
                     domain_name: Default, roles: [{roles}]}}"
                )
                .unwrap();
            }
        }
    }
    user(accounts, "demo", "demo", Role::Member).await;
    user(accounts, "boss", "admin", Role::Admin).await;
    file
}
