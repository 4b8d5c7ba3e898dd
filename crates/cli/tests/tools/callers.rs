//! Programs that call `ssh`: git, rsync and scp.

use std::process::Command;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::Server;
use keyway_testkit::process::{DEADLINE, run};

use crate::User;

#[test]
fn git_rsync_and_scp() {
    for implementation in [OpenSsh, Ours] {
        let server = Server::new(implementation).start();
        let user = User::knowing(&server, &["ssh-ed25519"]);
        let ssh = user.ssh(&[]);
        let mut words: Vec<String> = std::iter::once(ssh.get_program())
            .chain(ssh.get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        // The caller adds the host.
        words.pop();
        let line = words.join(" ");
        user.write("caller", &format!("#!/bin/sh\nexec {line} \"$@\"\n"));
        user.write("text", "some text\n");
        let script = r#"
            set -e; cd "$1"; chmod 700 caller
            git init -q --bare a.git; git init -q b; cd b
            git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first
            export GIT_SSH_COMMAND="$2"
            git push -q "127.0.0.1:$1/a.git" HEAD:refs/heads/main; cd ..
            git clone -q -b main "127.0.0.1:$1/a.git" c; git -C c log --format=%s
            rsync -e "$2" -a text "127.0.0.1:$1/synced"; cat synced
            scp -O -q -S "$1/caller" text "127.0.0.1:$1/copied"; cat copied
        "#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(user.folder.path()).arg(&line);
        let finished = run(&mut command, b"", DEADLINE);
        assert_eq!(finished.text(), "first\nsome text\nsome text\n", "{finished}");
    }
}
