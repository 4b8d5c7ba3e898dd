//! Who gets in, and who does not.

use super::Test;
use super::private;
use super::support::{Folder, Server, SystemUser, assert_refused, is_root};

pub const TESTS: &[Test] = &[
    ("unknown_key", unknown_key),
    ("unknown_user", unknown_user),
    ("passwords", passwords),
    ("keyboard_interactive", keyboard_interactive),
    ("too_many_attempts", too_many_attempts),
    ("root_logins", root_logins),
    ("two_keys", two_keys),
    ("key_and_password", key_and_password),
    ("allow_and_deny", allow_and_deny),
    ("match_blocks", match_blocks),
    ("certificates", certificates),
    ("only_certificates", only_certificates),
    ("principals_file", principals_file),
    ("passwords_in_vain_stay_unseen", passwords_in_vain_stay_unseen),
    ("host_certificate", host_certificate),
    ("banner", banner),
    ("strict_modes", strict_modes),
];

fn unknown_key() {
    let server = Server::start("");
    server.folder.keygen("other");
    server.folder.authorize("", "other");
    let seen = server.login("true");
    assert_refused(&seen);
    assert!(seen.err.contains("Permission denied (publickey"), "{}", seen.err);
    server.folder.wait_for("Connection closed by authenticating user ");
    server.folder.wait_for("[preauth]");
}

fn unknown_user() {
    let server = Server::start("");
    let seen = super::support::outcome(server.folder.ssh(&["nobodyhere@127.0.0.1", "true"]));
    assert_refused(&seen);
    server.folder.wait_for("Invalid user nobodyhere from 127.0.0.1 port ");
    server.folder.wait_for("Connection closed by invalid user nobodyhere 127.0.0.1 port ");
}

fn passwords() {
    let Some(user) = SystemUser::new("the right one") else { return };
    let server = Server::start("");
    let folder = &server.folder;
    let seen = user.login(folder, "password", "the right one", "id -un; pwd");
    assert_eq!(seen.out, format!("{0}\n/home/{0}\n", user.name), "{}", seen.err);
    folder.wait_for(&format!("Accepted password for {} from 127.0.0.1 port ", user.name));
    assert_refused(&user.login(folder, "password", "the wrong one", "true"));
    folder.wait_for(&format!("Failed password for {} from 127.0.0.1 port ", user.name));
    assert_refused(&user.login(folder, "password", "", "true"));
    let stranger = SystemUser { name: "nobodyhere".into() };
    assert_refused(&stranger.login(folder, "password", "the right one", "true"));
    std::mem::forget(stranger);
    folder.wait_for("Failed password for invalid user nobodyhere from ");
    let without = Server::start("PasswordAuthentication no");
    let seen = user.login(&without.folder, "password", "the right one", "true");
    assert_refused(&seen);
    assert!(seen.err.contains("Permission denied (publickey)"), "{}", seen.err);
}

fn keyboard_interactive() {
    if !std::path::Path::new("/etc/pam.d/sshd").exists() {
        println!("(no /etc/pam.d/sshd: left out)");
        return;
    }
    let Some(user) = SystemUser::new("the right one") else { return };
    let server = Server::start("UsePAM yes\nKbdInteractiveAuthentication yes");
    let folder = &server.folder;
    for method in ["keyboard-interactive", "password"] {
        let seen = user.login(folder, method, "the right one", "id -un");
        assert_eq!(seen.out, format!("{}\n", user.name), "{}", seen.err);
        assert_refused(&user.login(folder, method, "the wrong one", "true"));
    }
    folder.wait_for(&format!("Accepted keyboard-interactive/pam for {} from ", user.name));
    folder.wait_for(&format!("Failed keyboard-interactive/pam for {} from ", user.name));
}

fn too_many_attempts() {
    let server = Server::start("MaxAuthTries 2");
    let folder = &server.folder;
    let mut options = Vec::new();
    for name in ["a", "b", "c"] {
        folder.keygen(name);
        options.extend(["-i", name]);
    }
    folder.authorize("", "c");
    options.extend(["-o", "IdentityFile=none"]);
    let target = folder.target();
    let mut ssh = std::process::Command::new("ssh");
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]);
    ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    ssh.args(["-p", &folder.port.to_string()]).args(&options[..6]).args([&target, "true"]);
    ssh.current_dir(folder.path("."));
    let seen = super::support::outcome(ssh);
    assert_refused(&seen);
    assert!(seen.err.contains("Too many authentication failures"), "{}", seen.err);
    folder.wait_for("maximum authentication attempts exceeded for ");
}

fn root_logins() {
    if !is_root() {
        println!("(not root: left out)");
        return;
    }
    assert_refused(&Server::start("PermitRootLogin no").login("true"));
    assert_eq!(Server::start("PermitRootLogin yes").login("true").status, Some(0));
    let server = Server::start("PermitRootLogin forced-commands-only");
    assert_refused(&server.login("true"));
    server.folder.wait_for("ROOT LOGIN REFUSED FROM 127.0.0.1");
    server.folder.authorize("command=\"echo forced\"", "user");
    assert_eq!(server.login("true").out, "forced\n");
}

fn two_keys() {
    let server = Server::start("AuthenticationMethods publickey,publickey");
    let folder = &server.folder;
    assert_refused(&server.login("true"));
    server.folder.wait_for("Partial publickey for ");
    folder.keygen("second");
    let both = ["user", "second"]
        .map(|name| std::fs::read_to_string(folder.path(&format!("{name}.pub"))).unwrap());
    std::fs::write(folder.path("authorized"), both.concat()).unwrap();
    let seen = server.login_with(&["-i", "second"], "echo in");
    assert_eq!(seen.out, "in\n", "{}", seen.err);
}

fn key_and_password() {
    let Some(user) = SystemUser::new("the right one") else { return };
    let server = Server::start("AuthenticationMethods publickey,password");
    let folder = &server.folder;
    // A password alone is not even asked for.
    assert_refused(&user.login(folder, "password", "the right one", "true"));
    let seen = user.login(folder, "publickey,password", "the right one", "echo in");
    assert_eq!(seen.out, "in\n", "{}", seen.err);
    assert_refused(&user.login(folder, "publickey,password", "the wrong one", "true"));
}

fn allow_and_deny() {
    let name = Folder::new().user;
    assert_refused(&Server::start(&format!("DenyUsers {name}")).login("true"));
    assert_refused(&Server::start("AllowUsers somebody").login("true"));
    let server = Server::start(&format!("AllowUsers {name}@127.0.0.*"));
    assert_eq!(server.login("true").status, Some(0));
    assert_refused(&Server::start(&format!("AllowUsers {name}@192.0.2.*")).login("true"));
    assert_refused(&Server::start("AllowGroups nosuchgroup").login("true"));
}

fn match_blocks() {
    let name = Folder::new().user;
    let server = Server::start(&format!("Match User {name}\nForceCommand echo matched\n"));
    assert_eq!(server.login("true").out, "matched\n");
    // A key that only a block allows is tried, too.
    let folder = Folder::new();
    folder.run("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "large"]);
    folder.authorize("", "large");
    folder.configure(&format!(
        "PubkeyAcceptedAlgorithms ssh-ed25519\n\
         Match User {name}\nPubkeyAcceptedAlgorithms rsa-sha2-512\n"
    ));
    let server = Server::start_in(folder, &[], &[]);
    let seen = server.login_with(&["-o", "IdentityFile=large"], "echo in");
    assert_eq!(seen.out, "in\n", "{}", seen.err);
    let server = Server::start("Match Address 192.0.2.0/24\nForceCommand echo matched\n");
    assert_eq!(server.login("echo free").out, "free\n");
}

fn certificates() {
    let folder = Folder::new();
    folder.keygen("ca");
    folder.configure(&format!("TrustedUserCAKeys {}", folder.show("ca.pub")));
    let _ = std::fs::remove_file(folder.path("authorized"));
    let server = Server::start_in(folder, &[], &[]);
    let folder = &server.folder;
    let sign = |arguments: &[&str]| {
        let mut all = vec!["-q", "-s", "ca", "-I", "the id"];
        all.extend(arguments);
        all.push("user.pub");
        folder.run("ssh-keygen", &all);
    };
    let name = folder.user.clone();
    assert_refused(&server.login("true"));
    sign(&["-n", &name]);
    let seen = server.login("echo in");
    assert_eq!(seen.out, "in\n", "{}", seen.err);
    folder.wait_for(" ID the id (serial 0) CA ED25519 SHA256:");
    sign(&["-n", "somebody-else"]);
    assert_refused(&server.login("true"));
    sign(&[]);
    assert_refused(&server.login("true"));
    sign(&["-n", &name, "-V", "20200101:20200102"]);
    assert_refused(&server.login("true"));
    sign(&["-n", &name, "-O", "force-command=echo of the certificate"]);
    assert_eq!(server.login("ls").out, "of the certificate\n");
    sign(&["-n", &name, "-O", "source-address=192.0.2.1"]);
    assert_refused(&server.login("true"));
    sign(&["-n", &name, "-O", "source-address=127.0.0.0/8", "-O", "no-pty"]);
    assert!(server.login_with(&["-tt"], "tty").err.contains(super::sessions::NO_TERMINAL));
    sign(&["-n", &name, "-O", "critical:unheard@of=x"]);
    assert_refused(&server.login("true"));
    // Another CA is trusted when the user says so, and then for whom he says.
    folder.keygen("other");
    folder.run("ssh-keygen", &["-q", "-s", "other", "-I", "x", "-n", "role", "user.pub"]);
    assert_refused(&server.login("true"));
    folder.authorize("cert-authority", "other");
    assert_refused(&server.login("true"));
    folder.authorize("cert-authority,principals=\"role\"", "other");
    assert_eq!(server.login("echo in").out, "in\n");
}

fn only_certificates() {
    let folder = Folder::new();
    folder.keygen("ca");
    folder.run("ssh-keygen", &["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "large"]);
    folder.configure(&format!(
        "TrustedUserCAKeys {}\nPubkeyAcceptedAlgorithms *-cert-v01@openssh.com",
        folder.show("ca.pub")
    ));
    folder.authorize("", "large");
    let server = Server::start_in(folder, &[], &[]);
    let folder = &server.folder;
    let options = ["-o", "IdentityFile=large"];
    assert_refused(&server.login_with(&options, "true"));
    let user = folder.user.clone();
    folder.run("ssh-keygen", &["-q", "-s", "ca", "-I", "x", "-n", &user, "large.pub"]);
    assert_eq!(server.login_with(&options, "echo in").out, "in\n");
}

fn principals_file() {
    let folder = Folder::new();
    folder.keygen("ca");
    folder.configure(&format!(
        "TrustedUserCAKeys {}\nAuthorizedPrincipalsFile {}",
        folder.show("ca.pub"),
        folder.show("principals")
    ));
    let _ = std::fs::remove_file(folder.path("authorized"));
    let server = Server::start_in(folder, &[], &[]);
    let folder = &server.folder;
    let user = folder.user.clone();
    folder.run(
        "ssh-keygen",
        &["-q", "-s", "ca", "-I", "x", "-n", &format!("role,{user}"), "user.pub"],
    );
    assert_refused(&server.login("true"));
    std::fs::write(folder.path("principals"), "# who\nother\n").unwrap();
    assert_refused(&server.login("true"));
    std::fs::write(folder.path("principals"), "other\ncommand=\"echo as a role\" role\n").unwrap();
    assert_eq!(server.login("ls").out, "as a role\n");
    std::fs::write(folder.path("principals"), "expiry-time=\"20000101\" role\n").unwrap();
    assert_refused(&server.login("true"));
    std::fs::write(folder.path("principals"), "role # whoever that is\n").unwrap();
    assert_eq!(server.login("echo in").out, "in\n");
}

/// Modules get no password of users who may not come in.
fn passwords_in_vain_stay_unseen() {
    let has_modules = std::fs::read_dir("/lib").is_ok_and(|mut all| {
        all.any(|entry| entry.is_ok_and(|entry| entry.path().join("security/pam_exec.so").exists()))
    });
    if !private::is_ours() || !has_modules {
        return;
    }
    let secret = "the right one";
    let Some(user) = SystemUser::new(secret) else { return };
    let folder = Folder::new();
    let (script, seen_there) = (folder.path("look"), folder.path("seen"));
    let text = format!("#!/bin/sh\n(tr -d '\\000'; echo) >>'{}'\n", seen_there.display());
    std::fs::write(&script, text).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let rules = format!(
        "auth required pam_exec.so expose_authtok quiet {}\nauth required pam_permit.so\naccount required pam_permit.so\n\
         session required pam_permit.so\n",
        script.display()
    );
    let _rules = private::TemporaryFile::new("/etc/pam.d/keyway-looks", &rules);
    folder.configure(
        "UsePAM yes\nPAMServiceName keyway-looks\nKbdInteractiveAuthentication yes\n\
         PermitRootLogin prohibit-password",
    );
    let server = Server::start_in(folder, &[], &[]);
    let folder = &server.folder;
    // Not made here, so not to be removed.
    let root = std::mem::ManuallyDrop::new(SystemUser { name: "root".into() });
    let nobody = std::mem::ManuallyDrop::new(SystemUser { name: "kw-not-there".into() });
    for method in ["password", "keyboard-interactive"] {
        for in_vain in [&root, &nobody] {
            std::fs::write(&seen_there, "").unwrap();
            assert_refused(&in_vain.login(folder, method, secret, "true"));
            let seen = std::fs::read_to_string(&seen_there).unwrap();
            assert!(seen.contains("INCORRECT") && !seen.contains(secret), "{method}: {seen:?}");
        }
        std::fs::write(&seen_there, "").unwrap();
        assert_eq!(user.login(folder, method, secret, "echo in").out, "in\n");
        assert_eq!(std::fs::read_to_string(&seen_there).unwrap().trim(), secret);
    }
}

fn host_certificate() {
    let folder = Folder::new();
    folder.keygen("ca");
    folder
        .run("ssh-keygen", &["-q", "-s", "ca", "-I", "host", "-h", "-n", "127.0.0.1", "host.pub"]);
    folder.configure(&format!("HostCertificate {}", folder.show("host-cert.pub")));
    let ca = std::fs::read_to_string(folder.path("ca.pub")).unwrap();
    std::fs::write(folder.path("known"), format!("@cert-authority * {ca}")).unwrap();
    let known = format!("UserKnownHostsFile={}", folder.show("known"));
    let server = Server::start_in(folder, &[], &[]);
    let mut ssh = std::process::Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        &known,
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "BatchMode=yes",
    ]);
    ssh.args(["-p", &server.folder.port.to_string(), "-i", &server.folder.show("user")]);
    ssh.args([&server.folder.target(), "echo certified"]);
    let seen = super::support::outcome(ssh);
    assert_eq!(seen.out, "certified\n", "{}", seen.err);
}

fn banner() {
    let folder = Folder::new();
    std::fs::write(folder.path("banner"), "Authorised use only.\n").unwrap();
    folder.configure(&format!("Banner {}", folder.show("banner")));
    let server = Server::start_in(folder, &[], &[]);
    let seen = server.login("true");
    assert!(seen.err.contains("Authorised use only."), "{}", seen.err);
}

fn strict_modes() {
    let folder = Folder::new();
    folder.configure("StrictModes yes");
    use std::os::unix::fs::PermissionsExt;
    let file = folder.path("authorized");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let server = Server::start_in(folder, &[], &[]);
    assert_refused(&server.login("true"));
    server.folder.wait_for("Authentication refused: bad ownership or modes for file");
}
