//! What the account itself brings along: a cage, and a password that has run out.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Test;
use super::private::{self, TemporaryFile};
use super::support::{Folder, Server, SystemUser, Talk, assert_refused, outcome};

pub const TESTS: &[Test] = &[
    ("chroot_directory", chroot_directory),
    ("expired_password", expired_password),
    ("expired_password_with_pam", expired_password_with_pam),
    ("expired_account", expired_account),
];

/// A root directory with these programs and what they need.
fn cage(name: &str, programs: &[&str]) -> PathBuf {
    let cage = Path::new("/home").join(name);
    let put = |path: &str| {
        let to = cage.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(path, to).unwrap();
    };
    for program in programs {
        put(program);
        let output = Command::new("ldd").arg(program).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace().filter(|word| word.starts_with('/')).for_each(put);
    }
    std::fs::write(cage.join("inside"), "").unwrap();
    cage
}

fn set_mode(path: &Path, mode: &str) {
    assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
}

fn chroot_directory() {
    if !private::is_ours() {
        return;
    }
    let Some(user) = SystemUser::new("the right one") else { return };
    let cage = cage(&format!("cage-{}", user.name), &["/bin/sh", "/bin/ls", "/usr/bin/id"]);
    let folder = Folder::new();
    folder.configure("ChrootDirectory /home/cage-%u");
    let target = user.admit(&folder);
    let server = Server::start_in(folder, &[], &[]);
    let folder = &server.folder;
    let run = |options: &[&str], command: &str| {
        let mut arguments = options.to_vec();
        arguments.extend([target.as_str(), command]);
        outcome(folder.ssh(&arguments))
    };
    let seen = run(&[], "pwd; ls; id -u; ls /proc");
    assert!(seen.out.starts_with("/\n"), "{} {}", seen.out, seen.err);
    assert!(seen.out.contains("\ninside\n"), "{} {}", seen.out, seen.err);
    assert!(seen.out.lines().any(|line| line.parse::<u32>().is_ok_and(|uid| uid > 0)));
    assert!(seen.err.contains("Could not chdir to home directory /home/"), "{}", seen.err);
    // With a home of its own in there.
    let home = cage.join("home").join(&user.name);
    std::fs::create_dir_all(&home).unwrap();
    let seen = run(&[], "pwd");
    assert_eq!((seen.out, seen.err.as_str()), (format!("/home/{}\n", user.name), ""));
    // A terminal needs no device inside.
    let seen = run(&["-tt"], "test -t 0 && test -t 1 && pwd");
    assert_eq!(seen.out.trim_end(), format!("/home/{}", user.name), "{}", seen.err);
    // Doors are closed for the inside as well.
    {
        let _closed = TemporaryFile::new("/etc/nologin", "Closed for repair.\n");
        let seen = run(&[], "pwd");
        assert_eq!((seen.status, seen.out.as_str()), (Some(254), ""), "{}", seen.err);
        assert!(seen.err.contains("Closed for repair."), "{}", seen.err);
    }
    // Only root may have made any of it.
    set_mode(&cage, "g+w");
    assert_refused(&run(&[], "pwd"));
    let shown = cage.display();
    folder.wait_for(&format!("bad ownership or modes for chroot directory \"{shown}\""));
    set_mode(&cage, "g-w");
    set_mode(Path::new("/home"), "o+w");
    assert_refused(&run(&[], "pwd"));
    folder.wait_for("bad ownership or modes for chroot directory component \"/home/\"");
    set_mode(Path::new("/home"), "o-w");
    let owner = format!("{}:", user.name);
    assert!(Command::new("chown").arg(&owner).arg(&cage).status().unwrap().success());
    assert_refused(&run(&[], "pwd"));
    assert!(Command::new("chown").arg("root:").arg(&cage).status().unwrap().success());
    assert_eq!(run(&[], "pwd").status, Some(0));
    std::fs::rename(&cage, "/home/elsewhere").unwrap();
    assert_refused(&run(&[], "pwd"));
    folder.wait_for(&format!("stat(\"{shown}\"): No such file or directory"));
    std::fs::remove_dir_all("/home/elsewhere").unwrap();
}

fn chage(user: &SystemUser, arguments: &[&str]) {
    let status = Command::new("chage").args(arguments).arg(&user.name).status();
    assert!(status.unwrap().success());
}

/// Goes through passwd(1) on the terminal.
fn change_password(mut talk: Talk, old: &str, new: &str) {
    talk.wait_for("WARNING: Your password has expired.");
    talk.wait_for("You must change your password now and login again!");
    talk.wait_for("urrent password:");
    talk.say(&format!("{old}\n"));
    talk.wait_for("New password:");
    talk.say(&format!("{new}\n"));
    talk.wait_for("etype new password:");
    talk.say(&format!("{new}\n"));
    let (code, text) = talk.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("updated successfully"), "{text}");
}

fn expired_password() {
    if !private::is_ours() {
        return;
    }
    let (old, new) = ("the right one", "Quite another, 4711");
    let Some(user) = SystemUser::new(old) else { return };
    let server = Server::start("");
    let folder = &server.folder;
    let target = user.admit(folder);
    chage(&user, &["-d", "0"]);
    let seen = user.login(folder, "password", old, "echo in");
    assert_eq!((seen.status, seen.out.as_str()), (Some(1), ""));
    assert!(seen.err.contains("WARNING: Your password has expired."), "{}", seen.err);
    assert!(seen.err.contains("Password change required but no TTY available."), "{}", seen.err);
    // A key does not ask for the password.
    assert_eq!(outcome(folder.ssh(&[&target, "echo in"])).out, "in\n");
    // Nothing else is to be had before, whatever the client asks for.
    let forward = ["-W", &format!("127.0.0.1:{}", folder.port)];
    let seen = outcome(user.by_password(folder, "password", old, &forward, ""));
    assert!(!seen.out.contains("SSH-2.0"), "{}", seen.out);
    user.write(".ssh/rc", "touch ~/rc-ran\n");
    let ssh = user.by_password(folder, "password", old, &["-tt"], "echo in");
    change_password(Talk::start(ssh), old, new);
    let ran = Path::new("/home").join(&user.name).join("rc-ran");
    assert!(!ran.exists());
    assert_eq!(outcome(folder.ssh(&[&target, "echo in"])).out, "in\n");
    assert!(ran.exists());
    user.remove(".ssh/rc");
    let seen = user.login(folder, "password", new, "echo in");
    assert_eq!(seen.out, "in\n", "{}", seen.err);
    assert_refused(&user.login(folder, "password", old, "true"));
    // The same when it has run out by its age.
    chage(&user, &["-d", "2020-01-01", "-M", "30"]);
    let seen = user.login(folder, "password", new, "echo in");
    assert_eq!(seen.status, Some(1), "{}", seen.err);
}

fn expired_password_with_pam() {
    if !private::is_ours() || !Path::new("/etc/pam.d/sshd").exists() {
        return;
    }
    let (old, new) = ("the right one", "Quite another, 4711");
    let Some(user) = SystemUser::new(old) else { return };
    let server = Server::start("UsePAM yes\nKbdInteractiveAuthentication yes");
    let folder = &server.folder;
    let target = user.admit(folder);
    chage(&user, &["-d", "0"]);
    for method in ["password", "keyboard-interactive"] {
        let seen = user.login(folder, method, old, "echo in");
        assert_eq!((seen.status, seen.out.as_str()), (Some(1), ""), "{method}: {}", seen.err);
        assert!(seen.err.contains("WARNING: Your password has expired."), "{}", seen.err);
        assert!(seen.err.contains("but no TTY available."), "{}", seen.err);
    }
    // PAM judges the account whatever it came in by.
    let seen = outcome(folder.ssh(&[&target, "echo in"]));
    assert_eq!((seen.status, seen.out.as_str()), (Some(1), ""), "{}", seen.err);
    let seen = outcome(folder.ssh(&["-W", &format!("127.0.0.1:{}", folder.port), &target]));
    assert!(!seen.out.contains("SSH-2.0"), "{}", seen.out);
    change_password(Talk::start(folder.ssh(&["-tt", &target])), old, new);
    for method in ["password", "keyboard-interactive"] {
        let seen = user.login(folder, method, new, "echo in");
        assert_eq!(seen.out, "in\n", "{method}: {}", seen.err);
    }
}

fn expired_account() {
    if !private::is_ours() {
        return;
    }
    let Some(user) = SystemUser::new("the right one") else { return };
    for configuration in ["", "UsePAM yes"] {
        let server = Server::start(configuration);
        let target = user.admit(&server.folder);
        chage(&user, &["-E", "-1"]);
        assert_eq!(outcome(server.folder.ssh(&[&target, "echo in"])).out, "in\n");
        chage(&user, &["-E", "2020-01-01"]);
        assert_refused(&outcome(server.folder.ssh(&[&target, "echo in"])));
        server.folder.wait_for(if configuration.is_empty() {
            " has expired"
        } else {
            "by PAM account configuration"
        });
    }
}
