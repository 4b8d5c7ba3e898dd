//! Revocation lists.

use crate::{Folder, KINDS};

const SPEC: &str = "\
# a comment
serial: 1-4
serial: 10
serial: 15
serial: 17
serial: 19
serial: 21
serial: 999
serial: 0x3e9
serial: 500-799
id: bad id
";

#[test]
fn lists_go_both_ways() {
    let folder = Folder::new();
    for (kind, flags) in KINDS {
        folder.good("ssh-keygen", &[*flags, &["-q", "-N", "", "-f", kind]].concat());
    }
    let names = ["good id", "bad id"];
    for (serial, name) in [
        (1, names[0]),
        (16, names[0]),
        (19, names[0]),
        (0, names[1]),
        (799, names[0]),
        (800, names[0]),
    ] {
        std::fs::copy(folder.path("ed25519.pub"), folder.path(&format!("{serial}.pub")))
            .expect("copy");
        folder.good(
            "ssh-keygen",
            &["-q", "-s", "rsa", "-I", name, "-z", &serial.to_string(), &format!("{serial}.pub")],
        );
    }
    folder.write("spec", SPEC);
    let hashed = format!(
        "sha1: {}sha256: {}hash: {}\n",
        folder.read("ecdsa256.pub"),
        folder.read("ecdsa384.pub"),
        folder.line("ssh-keygen", "-l -f ecdsa521.pub").split(' ').nth(1).expect("fingerprint"),
    );
    folder.write("hashed", &hashed);
    let files = "ed25519.pub rsa.pub ecdsa256.pub ecdsa384.pub ecdsa521.pub 0-cert.pub 1-cert.pub 16-cert.pub 19-cert.pub 799-cert.pub 800-cert.pub";
    for make in [
        "-s rsa.pub -z 9 spec",
        "-s NONE spec",
        "hashed",
        "ed25519.pub",
        "rsa.pub",
        "1-cert.pub 0-cert.pub 800-cert.pub",
    ] {
        let mut answers = Vec::new();
        for maker in ["ours", "ssh-keygen"] {
            folder.line(maker, &format!("-q -k -f krl {make}"));
            for asked in ["ours", "ssh-keygen"] {
                let words = format!("-Q -f krl {files}");
                let finished = folder.run(asked, &words.split(' ').collect::<Vec<_>>(), "");
                answers.push((finished.code(), finished.text()));
            }
            let list = |program| {
                let text = folder.run(program, &["-Q", "-l", "-f", "krl"], "").text();
                text.lines()
                    .filter(|line| !line.starts_with("# Gen"))
                    .fold(String::new(), |all, line| all + line + "\n")
            };
            // Only the order of serial numbers is each one's own.
            let (mut ours, mut theirs): (Vec<_>, Vec<_>) = (
                list("ours").lines().map(str::to_owned).collect(),
                list("ssh-keygen").lines().map(str::to_owned).collect(),
            );
            ours.sort();
            theirs.sort();
            ours.retain(|line| !line.is_empty());
            theirs.retain(|line| !line.is_empty());
            assert_eq!(ours, theirs, "{maker} {make}");
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{make}: {answers:#?}");
    }
}

#[test]
fn lists_grow_and_errors_name_the_line() {
    let folder = Folder::new();
    for name in ["a", "b"] {
        folder.line("ours", &format!("-q -t ed25519 -N  -f {name}"));
    }
    folder.line("ours", "-q -k -f krl a.pub");
    folder.line("ours", "-q -k -u -f krl b.pub");
    let both = folder.run("ssh-keygen", &["-Q", "-f", "krl", "a.pub", "b.pub"], "");
    assert_eq!(both.text().matches("REVOKED").count(), 2, "{both}");
    folder.write("spec", "# ok\nserial: x\n");
    for (line, expected) in [
        ("-k -f x -s a.pub spec", "spec:2: invalid serial \"x\""),
        ("-k -u -f nothing a.pub", "KRL \"nothing\" does not exist"),
        ("-Q -f a.pub a.pub", "Invalid KRL file a.pub"),
        ("-Q a.pub", "KRL checking requires an input file"),
    ] {
        let refused = folder.run("ours", &line.split(' ').collect::<Vec<_>>(), "");
        assert_eq!(refused.code(), Some(255), "{refused}");
        assert!(refused.stderr.contains(expected), "{refused}");
    }
}
