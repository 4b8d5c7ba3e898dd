//! The way Visual Studio Code's remote extension calls `ssh`: a shell that reads its script from
//! standard input, a SOCKS server beside it, and a helper program for every question.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::Server;
use keyway_testkit::process::wait;
use keyway_testkit::ssh::free_port;

use crate::{User, keygen_with};

#[test]
fn a_shell_on_standard_input_beside_a_socks_server() {
    for implementation in [OpenSsh, Ours] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let key = folder.path().join("key");
        keygen_with(&key, "open sesame");
        let public = std::fs::read_to_string(key.with_extension("pub")).expect("public key");
        let server = Server::new(implementation).authorized(&[public]).start();
        let user = User::knowing(&server, &["ssh-ed25519"]);
        user.write("askpass", "#!/bin/sh\necho \"$1\" >>\"$0.asked\"\necho open sesame\n");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(user.path("askpass"), executable).expect("chmod");
        let socks = free_port();
        let socks_text = socks.to_string();
        let options = [
            "-T",
            "-D",
            &socks_text,
            "-o",
            "ConnectTimeout=15",
            "-o",
            "ControlMaster=no",
            "-o",
            "ControlPath=none",
        ];
        let mut command = user.ssh_with_key(&key, &options);
        command.arg("bash").env("SSH_ASKPASS", user.path("askpass"));
        command.env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("ssh starts");
        let mut input = child.stdin.take().expect("its input");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        // The script goes in one piece and is longer than a pipe takes at once.
        let script = format!(
            "{}\necho \"started==$(uname -s)==\"\n",
            "# a comment to make it long\n".repeat(4000)
        );
        input.write_all(script.as_bytes()).expect("write the script");
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert!(line.starts_with("started==") && line.ends_with("==\n"), "{line:?}");

        // SOCKS 5, no authentication, an IPv4 address.
        let mut stream = TcpStream::connect(("127.0.0.1", socks)).expect("the SOCKS server");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let [high, low] = server.port.to_be_bytes();
        stream.write_all(&[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, high, low]).expect("write");
        let mut answer = [0; 12 + 4];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!((&answer[..4], &answer[12..]), (&[5, 0, 5, 0][..], &b"SSH-"[..]));
        drop(stream);

        input.write_all(b"echo got==more==\nexit 3\n").expect("write");
        line.clear();
        output.read_line(&mut line).expect("a line");
        assert_eq!(line, "got==more==\n");
        let status = wait(&mut child, Instant::now() + Duration::from_secs(20));
        assert_eq!(status.and_then(|status| status.code()), Some(3));
        let asked = user.read("askpass.asked");
        assert_eq!(asked, format!("Enter passphrase for key '{}': \n", key.display()));
    }
}
