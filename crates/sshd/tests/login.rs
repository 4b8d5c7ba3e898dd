//! Accounts, passwords and PAM against an account database of the test's own, which a mount name space puts in the
//! place of the system's. Needs root; does nothing otherwise.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]
#![cfg(target_os = "linux")]

use keyway_sshd::access::{self, Peer, Reason, Rules};
use keyway_sshd::accounts::Account;
use keyway_sshd::pam::{Dialogue, Event, Login, Standing, Style, Transaction};
use keyway_sshd::password::{Checker, Verdict};
use keyway_sshd::sys::library::Crypt;
use std::ffi::CString;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

const RULES: &str = "auth required pam_unix.so nodelay\n\
    account required pam_unix.so\n\
    session required pam_permit.so\n";

#[test]
fn logins() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    // Where a container does not allow it there is nothing to test with.
    if !own_database(directory.path()) {
        eprintln!("no mount name space here");
        return;
    }
    accounts();
    passwords();
    if Path::new("/etc/pam.d/sshd").exists() {
        pam_password();
        pam_dialogue();
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn own_database(directory: &Path) -> bool {
    let crypt = Crypt::load().unwrap();
    let hash = crypt.hash(c"secret", c"$6$saltsalt").unwrap();
    let hash = String::from_utf8(hash.to_vec()).unwrap();
    let (mut passwd, mut shadow) = (String::new(), String::new());
    passwd.push_str("root:x:0:0:root:/root:/bin/sh\n");
    shadow.push_str("root:*:19000:0:99999:7:::\n");
    for (number, (name, hash, rest)) in [
        ("good", hash.as_str(), "19000:0:99999:7:::"),
        ("forced", &hash, "0:0:99999:7:::"),
        ("aged", &hash, "10000:0:10:7:::"),
        ("over", &hash, "19000:0:99999:7::10000:"),
        ("locked", &format!("!{hash}"), "19000:0:99999:7:::"),
        ("empty", "", "19000:0:99999:7:::"),
    ]
    .into_iter()
    .enumerate()
    {
        let number = 3000 + number;
        writeln!(passwd, "{name}:x:{number}:{number}::/tmp:/bin/sh").unwrap();
        writeln!(shadow, "{name}:{hash}:{rest}").unwrap();
    }
    let file = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let passwd = file("passwd", &passwd);
    let shadow = file("shadow", &shadow);
    std::fs::create_dir(directory.join("pam.d")).unwrap();
    file("pam.d/sshd", RULES);
    // SAFETY: a flag and, for mount, NUL-terminated strings or null where allowed.
    unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && bind(None, "/", libc::MS_REC | libc::MS_PRIVATE)
            && bind(Some(&passwd), "/etc/passwd", libc::MS_BIND)
            && bind(Some(&shadow), "/etc/shadow", libc::MS_BIND)
            && (!Path::new("/etc/pam.d").exists()
                || bind(Some(&directory.join("pam.d")), "/etc/pam.d", libc::MS_BIND))
    }
}

unsafe fn bind(source: Option<&Path>, target: &str, flags: libc::c_ulong) -> bool {
    let source = source.map(|path| CString::new(path.to_str().unwrap()).unwrap());
    let target = CString::new(target).unwrap();
    let source = source.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
    // SAFETY: strings that live through the call.
    unsafe { libc::mount(source, target.as_ptr(), std::ptr::null(), flags, std::ptr::null()) == 0 }
}

fn account(name: &str) -> Account {
    Account::by_name(name).unwrap().expect("in the test's database")
}

fn accounts() {
    let judge = |name: &str, use_pam| {
        let rules = Rules { use_pam, ..Rules::default() };
        let peer = Peer { host: "here", address: None };
        access::check(&account(name), &rules, &peer, now()).map_err(|why| why.reason().clone())
    };
    assert_eq!(judge("good", false), Ok(()));
    assert_eq!(judge("locked", false), Err(Reason::Locked));
    assert_eq!(judge("locked", true), Ok(()));
    assert_eq!(judge("over", false), Err(Reason::Expired));
    // A password that is over is no reason against a login with a key.
    assert_eq!(judge("aged", false), Ok(()));
}

fn passwords() {
    let checker = Checker::new().unwrap();
    let check = |name: &str, password: &str, empty| {
        checker.check(&account(name), password.as_bytes(), empty, now())
    };
    assert_eq!(check("good", "secret", false), Verdict::Right);
    assert_eq!(check("good", "Secret", false), Verdict::Wrong);
    assert_eq!(check("good", "", true), Verdict::Wrong);
    assert_eq!(check("forced", "secret", false), Verdict::MustChange);
    assert_eq!(check("aged", "secret", false), Verdict::MustChange);
    assert_eq!(check("aged", "wrong", false), Verdict::Wrong);
    assert_eq!(check("locked", "secret", false), Verdict::Wrong);
    assert_eq!(check("empty", "", false), Verdict::Wrong);
    assert_eq!(check("empty", "", true), Verdict::Right);
    assert_eq!(check("root", "*", false), Verdict::Wrong);
}

fn transaction(user: &str) -> Transaction {
    Transaction::start(&Login { service: "sshd", user, remote_host: "192.0.2.1" }).unwrap()
}

fn pam_password() {
    let mut login = transaction("good");
    assert!(login.authenticate_password(b"wrong", false).is_err());
    assert!(login.authenticate_password(&[b's'; 600], false).is_err());
    login.authenticate_password(b"secret", false).unwrap();
    assert_eq!(login.check_account().unwrap(), Standing::Good);
    assert_eq!(login.user().as_deref(), Some("good"));
    login.establish_credentials().unwrap();
    login.open_session().unwrap();
    login.close().unwrap();

    let mut login = transaction("forced");
    login.authenticate_password(b"secret", false).unwrap();
    assert_eq!(login.check_account().unwrap(), Standing::MustChangePassword);
    assert!(transaction("over").check_account().is_err());
    assert!(transaction("nosuchuser").authenticate_password(b"secret", false).is_err());
    assert!(transaction("empty").authenticate_password(b"", false).is_err());
}

fn pam_dialogue() {
    let wait = Duration::from_secs(30);
    let mut dialogue = Dialogue::start(transaction("good"), false).unwrap();
    let Some(Event::Ask(messages)) = dialogue.next(wait).unwrap() else { panic!("a question") };
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].style, Style::Hidden);
    assert!(messages[0].text.starts_with("Password"), "{messages:?}");
    assert!(dialogue.next(Duration::from_millis(5)).unwrap().is_none());
    dialogue.answer(vec![Zeroizing::new("secret".to_owned())]).unwrap();
    let Some(Event::Done(mut login, outcome)) = dialogue.next(wait).unwrap() else {
        panic!("the end")
    };
    outcome.unwrap();
    assert_eq!(login.check_account().unwrap(), Standing::Good);
}
