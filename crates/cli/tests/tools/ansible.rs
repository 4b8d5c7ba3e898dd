//! Ansible with our `ssh`: its ways to run modules and to copy files, over a connection it keeps.

use std::process::Command;
use std::thread;
use std::time::Duration;

use keyway_testkit::Implementation::{self, OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::run;
use keyway_testkit::program::find;
use keyway_testkit::{Server, not_run, python};

use crate::User;

const PLAYBOOK: &str = "
- hosts: all
  gather_facts: false
  tasks:
    - ping:
    - copy: {src: here.txt, dest: '{{ folder }}/there.txt', mode: '0640'}
    - command: {cmd: cat there.txt, chdir: '{{ folder }}'}
      register: said
    - debug: {msg: 'it says {{ said.stdout }}'}
    - fetch: {src: '{{ folder }}/there.txt', dest: fetched.txt, flat: true}
    - command: sh -c 'exit 7'
      register: failed
      failed_when: failed.rc != 7
";

/// Plays it with a way to copy files, and with modules sent on standard input or copied first.
fn play(playbook: &std::path::Path, server: Implementation, transfer: &str, pipelining: bool) {
    let started = Server::new(server).config("Subsystem sftp internal-sftp").start();
    let user = User::knowing(&started, &["ssh-ed25519"]);
    user.write("play.yml", PLAYBOOK);
    user.write("here.txt", "word for word");
    let ssh = Ours.tool("ssh");
    let (folder, ssh) = (user.folder.path().display(), ssh.display());
    user.write(
        "hosts",
        &format!(
            "there ansible_host=127.0.0.1 ansible_port={} ansible_user={} folder={folder} \
             ansible_python_interpreter=/usr/bin/python3 ansible_ssh_executable={ssh} \
             ansible_sftp_extra_args='-S {ssh}' ansible_scp_extra_args='-O -S {ssh}' \
             ansible_ssh_private_key_file={} ansible_ssh_common_args='-F none \
             -oUserKnownHostsFile={folder}/known_hosts -oGlobalKnownHostsFile=none'\n",
            user.port,
            user.name,
            key_files::private(Holder::User, "ssh-ed25519").display(),
        ),
    );
    let mut command = Command::new(playbook);
    command.args(["-vvv", "-i", "hosts", "play.yml"]).current_dir(user.folder.path());
    command.env_remove("SSH_AUTH_SOCK");
    for (name, value) in [
        ("HOME", user.folder.path().to_string_lossy().as_ref()),
        ("ANSIBLE_HOME", user.path("ansible").to_string_lossy().as_ref()),
        ("ANSIBLE_REMOTE_TEMP", user.path("remote").to_string_lossy().as_ref()),
        ("ANSIBLE_PIPELINING", if pipelining { "1" } else { "0" }),
        ("ANSIBLE_SSH_TRANSFER_METHOD", transfer),
        ("ANSIBLE_SSH_ARGS", "-C -o ControlMaster=auto -o ControlPersist=3s"),
        ("LC_ALL", "C.UTF-8"),
    ] {
        command.env(name, value);
    }
    let played = run(&mut command, b"", Duration::from_secs(120));
    let what = format!("{server:?} {transfer} {pipelining}");
    assert!(played.success(), "{what}: {played}");
    assert!(played.text().contains("it says word for word"), "{what}: {played}");
    assert!(played.text().contains("failed=0"), "{what}: {played}");
    assert_eq!(user.read("fetched.txt"), "word for word", "{what}: {played}");
    // All of it went through one connection.
    let logins = started.process.log().matches("Accepted publickey").count();
    assert_eq!(logins, 1, "{what}: {}", started.process.log());
}

#[test]
fn a_playbook() {
    let playbook = match python::interpreter() {
        Ok(python) => python.with_file_name("ansible-playbook"),
        Err(reason) => return not_run("a_playbook", &reason),
    };
    if !playbook.exists() || find("sftp").is_none() {
        return not_run("a_playbook", "no ansible-playbook or no sftp");
    }
    thread::scope(|scope| {
        for (server, ways) in [
            (OpenSsh, [("sftp", true), ("scp", false)]),
            (Ours, [("sftp", false), ("piped", true)]),
        ] {
            let playbook = &playbook;
            scope.spawn(move || {
                for (transfer, pipelining) in ways {
                    play(playbook, server, transfer, pipelining);
                }
            });
        }
    });
}
