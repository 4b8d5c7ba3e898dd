//! Who may log in by the word of a program, who may not any more, and what a session hears of it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Test;
use super::private;
use super::support::{Folder, Server, SystemUser, assert_refused, outcome, wait_until};

pub const TESTS: &[Test] = &[
    ("keys_command", keys_command),
    ("keys_command_that_fails", keys_command_that_fails),
    ("principals_command", principals_command),
    ("revoked_keys", revoked_keys),
    ("exposed_authentication", exposed_authentication),
];

/// A program of root's, where nobody else may write. Goes with the value.
struct Script(PathBuf);

impl Script {
    fn new(text: &str) -> Script {
        let path = Path::new("/home").join(format!("script-{}", super::support::free_port()));
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        Script(path)
    }

    fn show(&self) -> String {
        self.0.display().to_string()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A folder that everybody can look into, and its public key.
fn open_folder() -> (Folder, String) {
    let folder = Folder::new();
    std::fs::set_permissions(folder.path("."), PermissionsExt::from_mode(0o777)).unwrap();
    let public = std::fs::read_to_string(folder.path("user.pub")).unwrap();
    std::fs::remove_file(folder.path("authorized")).unwrap();
    (folder, public.trim().to_owned())
}

fn keys_command() {
    if !private::is_ours() {
        return;
    }
    let Some(user) = SystemUser::new("the right one") else { return };
    let (folder, public) = open_folder();
    let seen = folder.show("seen");
    let script = Script::new(&format!(
        "umask 0; for word; do echo \"<$word>\"; done >{seen}; id -un >>{seen}; env >>{seen}\n\
         ls /proc/self/fd | wc -l >>{seen}; pwd >>{seen}\n\
         echo 'command=\"echo by the command\" {public}'"
    ));
    folder.configure(&format!(
        "AuthorizedKeysCommand {} %u \"%t %k\" %U %h %f %% '%C'\nAuthorizedKeysCommandUser nobody",
        script.show()
    ));
    let target = user.admit(&folder);
    std::fs::set_permissions(folder.path("."), PermissionsExt::from_mode(0o777)).unwrap();
    let server = Server::start_in(folder, &[], &[]);
    let folder = &server.folder;
    let login = || outcome(folder.ssh(&[&target, "echo free"]));
    let came_in = login();
    assert_eq!(came_in.out, "by the command\n", "{}", came_in.err);
    let text = std::fs::read_to_string(&seen).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let words: Vec<&str> = public.split(' ').collect();
    let fingerprint = folder.run("ssh-keygen", &["-l", "-f", "user.pub"]);
    assert_eq!(lines[0], format!("<{}>", user.name));
    assert_eq!(lines[1], format!("<{} {}>", words[0], words[1]));
    assert_eq!(lines[3], format!("</home/{}>", user.name));
    assert_eq!(lines[4], format!("<{}>", fingerprint.split(' ').nth(1).unwrap()));
    assert_eq!(lines[5], "<%>");
    assert!(lines[6].starts_with("<127.0.0.1 "), "{text}");
    assert!(lines[6].ends_with(&format!(" 127.0.0.1 {}>", folder.port)), "{text}");
    assert_eq!(lines[7], "nobody");
    assert!(lines.contains(&"USER=nobody") && lines.contains(&"LOGNAME=nobody"), "{text}");
    // Its own three, and the directory that it lists.
    assert_eq!(&lines[lines.len() - 2..], ["4", "/"], "{text}");
    // Nobody's program runs for who may not come in.
    std::fs::remove_file(&seen).unwrap();
    assert_refused(&outcome(folder.ssh(&["nobodyhere@127.0.0.1", "true"])));
    assert!(!Path::new(&seen).exists());
    // Where it has nothing to say, the files do.
    std::fs::write(&script.0, "#!/bin/sh\necho '# nobody'\n").unwrap();
    assert_refused(&login());
    folder.authorize("", "user");
    assert_eq!(login().out, "free\n");
}

fn keys_command_that_fails() {
    if !private::is_ours() {
        return;
    }
    let (folder, public) = open_folder();
    let script = Script::new(&format!("echo '{public}'; echo noise >&2; exit 3"));
    let settings =
        format!("AuthorizedKeysCommand {}\nAuthorizedKeysCommandUser nobody", script.show());
    folder.configure(&settings);
    let server = Server::start_in(folder, &[], &[]);
    assert_refused(&server.login("true"));
    server.folder.wait_for("AuthorizedKeysCommand /home/script-");
    server.folder.wait_for("exit status: 3");
    // One that others may change is not run at all.
    let write = |text: &str| std::fs::write(&script.0, format!("#!/bin/sh\n{text}\n")).unwrap();
    write(&format!("echo '{public}'"));
    assert_eq!(server.login("echo in").out, "in\n");
    std::fs::set_permissions(&script.0, PermissionsExt::from_mode(0o777)).unwrap();
    assert_refused(&server.login("true"));
    server.folder.wait_for("Unsafe AuthorizedKeysCommand \"/home/script-");
    std::fs::set_permissions(&script.0, PermissionsExt::from_mode(0o755)).unwrap();
    // One that prints without end is ended.
    write("cat /dev/zero");
    assert_refused(&server.login("true"));
    server.folder.wait_for("printed too much");
    // Without arguments it is told the user.
    write(&format!("test \"$*\" = root && echo '{public}'"));
    assert_eq!(server.login("echo in").out, "in\n");
    // Who runs it has to be said, and to be somebody.
    let (folder, _) = open_folder();
    folder.configure(&format!("AuthorizedKeysCommand {}", script.show()));
    let seen = outcome(folder.sshd(&["-t", "-f", "config"]));
    assert_ne!(seen.status, Some(0));
    let text = "AuthorizedKeysCommand set without AuthorizedKeysCommandUser";
    assert!(seen.err.contains(text), "{}", seen.err);
    folder.configure("AuthorizedKeysCommand none");
    assert_eq!(outcome(folder.sshd(&["-t", "-f", "config"])).status, Some(0));
    folder.configure(&settings.replace("nobody", "nosuchuser"));
    let server = Server::start_in(folder, &[], &[]);
    assert_refused(&server.login("true"));
    server.folder.wait_for("AuthorizedKeysCommandUser \"nosuchuser\" not found");
}

fn principals_command() {
    if !private::is_ours() {
        return;
    }
    let (folder, _) = open_folder();
    folder.keygen("ca");
    let sign = ["-q", "-s", "ca", "-I", "the id", "-z", "7", "-n", "role,root", "user.pub"];
    folder.run("ssh-keygen", &sign);
    let fingerprint = folder.run("ssh-keygen", &["-l", "-f", "ca.pub"]);
    let fingerprint = fingerprint.split(' ').nth(1).unwrap();
    let script = Script::new(&format!(
        "test \"$*\" = 'root the id 7 ssh-ed25519 {fingerprint}' || exit 1\n\
         cat {}",
        folder.show("principals")
    ));
    folder.configure(&format!(
        "TrustedUserCAKeys {}\nAuthorizedPrincipalsCommand {} %u \"%i\" %s %T %F\n\
         AuthorizedPrincipalsCommandUser nobody",
        folder.show("ca.pub"),
        script.show()
    ));
    let principals = folder.path("principals");
    let server = Server::start_in(folder, &[], &[]);
    for (text, expected) in [
        ("role\n", Some("free\n")),
        ("# none\nother\n", None),
        ("other\ncommand=\"echo as a role\" role\n", Some("as a role\n")),
        ("from=\"192.0.2.1\" role\n", None),
    ] {
        std::fs::write(&principals, text).unwrap();
        let seen = server.login("echo free");
        match expected {
            Some(expected) => assert_eq!(seen.out, expected, "{text}: {}", seen.err),
            None => assert_refused(&seen),
        }
    }
}

fn revoked_keys() {
    let folder = Folder::new();
    folder.keygen("ca");
    folder.keygen("second");
    let name = folder.user.clone();
    let cert = ["-q", "-s", "ca", "-I", "the id", "-z", "7", "-n", &name, "second.pub"];
    folder.run("ssh-keygen", &cert);
    folder.configure(&format!(
        "TrustedUserCAKeys {}\nRevokedKeys {}",
        folder.show("ca.pub"),
        folder.show("revoked")
    ));
    let server = Server::start_in(folder, &[], &[]);
    let folder = &server.folder;
    let logins = || {
        let plain = server.login("echo in").out == "in\n";
        let target = folder.target();
        let arguments = ["-o", "IdentityFile=second", &target, "echo in"];
        let mut ssh = std::process::Command::new("ssh");
        let given: Vec<_> = folder.ssh(&arguments).get_args().map(ToOwned::to_owned).collect();
        // The other key must not help.
        let user = folder.show("user");
        let without = given.iter().filter(|word| *word != "-i" && **word != *user);
        ssh.args(without).current_dir(folder.path("."));
        (plain, outcome(ssh).out == "in\n")
    };
    let list = |text: &str| std::fs::write(folder.path("revoked"), text).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path(name)).unwrap();
    // A list that is not there revokes everything.
    assert_eq!(logins(), (false, false));
    folder.wait_for("in revoked keys file");
    list("");
    assert_eq!(logins(), (true, true));
    list(&format!("# gone\n{}", read("user.pub")));
    assert_eq!(logins(), (false, true));
    folder.wait_for("Authentication key ED25519 SHA256:");
    folder.wait_for(" revoked by file ");
    list(&read("second.pub"));
    assert_eq!(logins(), (true, false));
    list(&read("ca.pub"));
    assert_eq!(logins(), (true, false));
    for (specification, expected) in [
        (read("user.pub"), (false, true)),
        (read("ca.pub"), (true, false)),
        ("serial: 7\n".to_owned(), (true, false)),
        ("serial: 8\n".to_owned(), (true, true)),
        ("id: the id\n".to_owned(), (true, false)),
    ] {
        std::fs::write(folder.path("specification"), &specification).unwrap();
        folder.run("ssh-keygen", &["-q", "-k", "-f", "revoked", "-s", "ca.pub", "specification"]);
        assert_eq!(logins(), expected, "{specification}");
    }
    // Half a list is none.
    let bytes = std::fs::read(folder.path("revoked")).unwrap();
    std::fs::write(folder.path("revoked"), &bytes[..bytes.len() - 5]).unwrap();
    assert_eq!(logins(), (false, false));
}

fn exposed_authentication() {
    let server = Server::start("ExposeAuthInfo yes\nAuthenticationMethods publickey,publickey");
    let folder = &server.folder;
    folder.keygen("second");
    let publics =
        ["user", "second"].map(|name| std::fs::read_to_string(folder.path(&format!("{name}.pub"))));
    let publics = publics.map(Result::unwrap);
    std::fs::write(folder.path("authorized"), publics.concat()).unwrap();
    let seen = server.login_with(
        &["-i", "second"],
        "echo $SSH_USER_AUTH; stat -c '%a %u' $SSH_USER_AUTH; cat $SSH_USER_AUTH",
    );
    let lines: Vec<&str> = seen.out.lines().collect();
    assert!(lines[0].starts_with("/tmp/sshauth."), "{} {}", seen.out, seen.err);
    let own = std::fs::metadata(folder.path("user")).unwrap().uid();
    assert_eq!(lines[1], format!("600 {own}"));
    for (line, public) in lines[2..].iter().zip(&publics) {
        let key: Vec<&str> = public.split(' ').take(2).collect();
        assert_eq!(*line, format!("publickey {}", key.join(" ")));
    }
    assert_eq!(lines.len(), 4);
    wait_until("the end of the file", || !Path::new(lines[0]).exists());
    assert_eq!(Server::start("").login("echo $SSH_USER_AUTH").out, "\n");
    // Of the user, in his own root directory or not.
    let Some(user) = SystemUser::new("the right one") else { return };
    let server = Server::start("ExposeAuthInfo yes");
    let command = "stat -c '%a %U' $SSH_USER_AUTH; cat $SSH_USER_AUTH";
    let seen = user.login(&server.folder, "password", "the right one", command);
    assert_eq!(seen.out, format!("600 {}\npassword\n", user.name), "{}", seen.err);
}
