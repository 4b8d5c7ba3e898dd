//! What every database keeps of people: accounts, tokens, failures, sessions, and what they did.

use panel::accounts::{
    Accounts, LoginError, NewCredential, NewSession, NewUser, Role, TokenRequest, UserChange,
};
use panel::audit::Entry;
use panel::console::tickets::Ticket;
use panel::store::{Store, now};
use time::Duration;
use uuid::Uuid;

const PASSWORD: &str = "correct horse battery";

pub async fn all(store: &Store) {
    accounts(store).await;
    tokens(store).await;
    lockout(store).await;
    sessions_and_tickets(store).await;
    audit(store).await;
}

async fn accounts(store: &Store) {
    let accounts = Accounts::new(store.clone());
    let new = |name| NewUser { name, email: "", password: Some(PASSWORD), default_project: None };
    let ada = accounts.create_user(new("Ada")).await.unwrap();
    assert!(matches!(
        accounts.create_user(new("ADA")).await,
        Err(panel::accounts::Error::Conflict(_))
    ));
    let weak = NewUser { password: Some("short"), ..new("Bob") };
    assert!(matches!(
        accounts.create_user(weak).await,
        Err(panel::accounts::Error::Invalid { field: "password", .. })
    ));
    assert_eq!(accounts.user_by_name("ada").await.unwrap(), Some(ada.clone()));
    let main = accounts.create_project("main", "").await.unwrap();
    let side = accounts.create_project("side", "").await.unwrap();
    assert!(accounts.create_project("MAIN", "").await.is_err());
    assert_eq!(accounts.role_in(&ada.id, &main.id).await.unwrap(), None);
    accounts.assign(&ada.id, &main.id, Role::Admin).await.unwrap();
    // An administrator is one everywhere, and the last one stays.
    assert_eq!(accounts.role_in(&ada.id, &side.id).await.unwrap(), Some(Role::Admin));
    assert!(accounts.assign(&ada.id, &main.id, Role::Reader).await.is_err());
    assert!(accounts.unassign(&ada.id, &main.id).await.is_err());
    assert!(accounts.delete_user(&ada.id).await.is_err());
    assert!(accounts.delete_project(&main.id).await.is_err());
    let off = UserChange { enabled: Some(false), ..UserChange::default() };
    assert!(accounts.update_user(&ada.id, off.clone()).await.is_err());
    let bob = accounts.create_user(new("Bob")).await.unwrap();
    accounts.assign(&bob.id, &side.id, Role::Reader).await.unwrap();
    assert_eq!(accounts.role_in(&bob.id, &side.id).await.unwrap(), Some(Role::Reader));
    assert_eq!(accounts.role_in(&bob.id, &main.id).await.unwrap(), None);
    assert_eq!(accounts.projects_of(&bob.id).await.unwrap(), [(side.clone(), Role::Reader)]);
    assert_eq!(accounts.members_of(&side.id).await.unwrap().len(), 1);
    accounts.update_project(&side.id, None, None, Some(false)).await.unwrap();
    assert_eq!(accounts.role_in(&bob.id, &side.id).await.unwrap(), None);
    accounts.update_project(&side.id, None, None, Some(true)).await.unwrap();
    assert_eq!(accounts.users(Some("bo")).await.unwrap().len(), 1);
    accounts.update_user(&bob.id, off).await.unwrap();
    assert_eq!(accounts.role_in(&bob.id, &side.id).await.unwrap(), None);
    let wrong = accounts.log_in("Bob", PASSWORD, None, "a1").await;
    assert!(matches!(wrong, Err(LoginError::Wrong)));
    accounts.delete_user(&bob.id).await.unwrap();
    accounts.delete_project(&side.id).await.unwrap();
}

async fn tokens(store: &Store) {
    let accounts = Accounts::new(store.clone());
    let ada = accounts.user_by_name("ada").await.unwrap().unwrap();
    let main = accounts.project_by_name("main").await.unwrap().unwrap();
    let request = TokenRequest {
        user_id: &ada.id,
        project_id: Some(&main.id),
        method: "password",
        credential_id: None,
        expires_at: None,
        role_cap: Some(Role::Member),
    };
    let (secret, token) = accounts.issue_token(request).await.unwrap();
    assert_eq!(token.scope, Some((main.clone(), Role::Member)));
    assert_eq!(accounts.validate_token(&secret).await.unwrap(), Some(token));
    assert!(accounts.revoke_token(&secret).await.unwrap());
    assert_eq!(accounts.validate_token(&secret).await.unwrap(), None);
    assert_eq!(accounts.validate_token("").await.unwrap(), None);
    let past = TokenRequest { expires_at: Some(now() - Duration::seconds(1)), ..request };
    assert!(accounts.issue_token(past).await.is_err());
    let nowhere = TokenRequest { project_id: Some("nowhere"), ..request };
    assert!(accounts.issue_token(nowhere).await.is_err());

    let new = NewCredential {
        user_id: &ada.id,
        project_id: &main.id,
        name: "ci",
        description: "",
        secret: None,
        role: Some(Role::Reader),
        unrestricted: false,
        expires_at: None,
    };
    let (secret, credential) = accounts.create_credential(new).await.unwrap();
    assert!(accounts.create_credential(new).await.is_err());
    let by_id = accounts.verify_credential(Ok(&credential.id), &secret).await.unwrap();
    assert_eq!(by_id.map(|(user, _)| user.id), Some(ada.id.clone()));
    let by_name = accounts.verify_credential(Err((&ada.id, "ci")), &secret).await.unwrap();
    assert!(by_name.is_some());
    assert!(accounts.verify_credential(Ok(&credential.id), "wrong").await.unwrap().is_none());
    let via = TokenRequest { credential_id: Some(&credential.id), ..request };
    let (got, _) = accounts.issue_token(via).await.unwrap();
    assert!(accounts.delete_credential(&ada.id, &credential.id).await.unwrap());
    assert_eq!(accounts.validate_token(&got).await.unwrap(), None);

    let (before, _) = accounts.issue_token(request).await.unwrap();
    accounts.set_password(&ada.id, PASSWORD, None).await.unwrap();
    assert_eq!(accounts.validate_token(&before).await.unwrap(), None);
}

async fn lockout(store: &Store) {
    let accounts = Accounts::new(store.clone());
    for _ in 0..5 {
        let wrong = accounts.log_in("ada", "wrong", None, "10.1.1.1").await;
        assert!(matches!(wrong, Err(LoginError::Wrong)));
    }
    // Now even the right password waits, but not for somebody at another address.
    let wait = accounts.log_in("ada", PASSWORD, None, "10.1.1.1").await;
    assert!(matches!(wait, Err(LoginError::TooMany { .. })), "{wait:?}");
    assert!(accounts.log_in("ada", PASSWORD, None, "10.1.1.2").await.is_ok());
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert!(accounts.log_in("ada", PASSWORD, None, "10.1.1.1").await.is_ok());
}

async fn sessions_and_tickets(store: &Store) {
    let accounts = Accounts::new(store.clone());
    let ada = accounts.user_by_name("ada").await.unwrap().unwrap();
    let new = NewSession { user_id: &ada.id, project_id: "", address: "a", agent: "b\n" };
    let (secret, session) = accounts.begin_session(new).await.unwrap();
    let (other, _) = accounts.begin_session(new).await.unwrap();
    assert_eq!(accounts.session(&secret).await.unwrap(), Some(session.clone()));
    assert_eq!(accounts.sessions_of(&ada.id).await.unwrap().len(), 2);
    accounts.end_other_sessions(&ada.id, &session.id).await.unwrap();
    assert_eq!(accounts.session(&other).await.unwrap(), None);
    assert!(accounts.end_session(&ada.id, &session.id).await.unwrap());
    assert_eq!(accounts.session(&secret).await.unwrap(), None);

    let ticket = Ticket {
        user_id: ada.id,
        project_id: "p".into(),
        region: "ams".into(),
        server_id: Uuid::new_v4(),
        kind: cloud::ConsoleKind::Shell,
    };
    let secret = store.issue_ticket(&ticket).await.unwrap();
    assert_eq!(store.take_ticket(&secret).await.unwrap(), Some(ticket));
    assert_eq!(store.take_ticket(&secret).await.unwrap(), None);
}

async fn audit(store: &Store) {
    for number in 0..3 {
        let target = format!("Key {number}");
        let entry = Entry {
            user_id: "u9",
            user_name: "ada",
            action: "key.add",
            target: &target,
            ..Entry::default()
        };
        store.audit(entry).await.unwrap();
    }
    let (records, total) = store.audit_entries(Some("u9"), "", 2, 0).await.unwrap();
    assert_eq!((records.len(), total), (2, 3));
    assert_eq!(records[0].target, "Key 2");
    assert_eq!(store.audit_entries(None, "key 1", 10, 0).await.unwrap().1, 1);
    assert_eq!(store.audit_entries(Some("other"), "", 10, 0).await.unwrap().1, 0);
}
