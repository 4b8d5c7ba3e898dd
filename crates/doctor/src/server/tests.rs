use super::modes::Place;
use super::{Account, Authorized, Denied, FoundLine, Passwords, Port, Premises, Service, judge};
use crate::firewall::Look;

fn sound() -> Premises {
    let account = Account {
        name: "u".to_owned(),
        exists: true,
        has_home: true,
        shell_listed: true,
        ..Account::default()
    };
    Premises {
        ports: vec![Port {
            number: 22,
            holder: Some(("sshd".to_owned(), 7)),
            is_taken: true,
            firewall: Look::Clear,
        }],
        account: Some(account),
        strict_modes: true,
        keys_on: (true, None),
        ..Premises::default()
    }
}

fn names(premises: &Premises) -> Vec<&'static str> {
    judge(premises).into_iter().map(|finding| finding.name).collect()
}

#[test]
fn nothing_wrong() {
    assert_eq!(names(&sound()), Vec::<&str>::new());
}

#[test]
fn who_listens() {
    let mut premises = sound();
    premises.ports[0].holder = Some(("nginx".to_owned(), 3));
    assert_eq!(names(&premises), ["port-in-use"]);
    premises.ports[0].holder = None;
    premises.ports[0].is_taken = false;
    premises.service = Service::Systemd("ssh".to_owned());
    let found = judge(&premises);
    assert_eq!(found[0].name, "sshd-not-running");
    assert_eq!(found[0].mend[0], "systemctl enable --now ssh");
}

#[test]
fn modes_and_keys() {
    let mut premises = sound();
    let place = |mode| Place { path: "/h/.ssh".into(), uid: 1000, mode };
    let file = |mode| Authorized {
        path: "/h/.ssh/authorized_keys".into(),
        exists: true,
        user_id: 1000,
        places: vec![place(0o600), place(mode)],
        ..Authorized::default()
    };
    premises.authorized = vec![file(0o775)];
    let found = judge(&premises);
    assert_eq!((found.len(), found[0].name), (1, "authorized-keys-modes"));
    assert_eq!(found[0].mend, ["chmod 0755 /h/.ssh"]);
    premises.authorized = vec![file(0o700)];
    premises.wanted_key = Some("SHA256:x".to_owned());
    assert_eq!(names(&premises), ["key-not-authorized"]);
    premises.authorized[0].found =
        Some(FoundLine { line: 2, expired: false, from: None, command: None });
    assert_eq!(names(&premises), Vec::<&str>::new());
}

#[test]
fn accounts_and_passwords() {
    let mut premises = sound();
    premises.passwords.interactive.0 = true;
    assert_eq!(names(&premises), ["passwords-through-pam"]);
    premises.passwords.password.0 = true;
    premises.passwords.outdone = Some(("a".to_owned(), "b".to_owned()));
    assert_eq!(names(&premises), ["passwords-still-on"]);
    premises.passwords = Passwords::default();
    if let Some(account) = &mut premises.account {
        account.denied = Some(Denied::Locked);
    }
    assert_eq!(names(&premises), ["account-locked"]);
}
