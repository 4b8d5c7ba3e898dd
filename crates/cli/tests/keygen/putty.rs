//! PuTTY's files and its key tool.

use crate::{Folder, has, words};

#[test]
fn files_go_both_ways() {
    if !has("puttygen", "files_go_both_ways") {
        return;
    }
    let folder = Folder::new();
    folder.write("secret", "open sesame\n");
    folder.write("none", "");
    for kind in ["ed25519", "ecdsa", "rsa"] {
        for (passphrase, file) in [("", "none"), ("open sesame", "secret")] {
            for version in ["2", "3"] {
                let param = format!("version={version},memory=256,passes=2");
                let make = |out| {
                    vec![
                        "-t",
                        kind,
                        "-q",
                        "-o",
                        out,
                        "--new-passphrase",
                        file,
                        "--ppk-param",
                        &param,
                    ]
                };
                folder.good("puttygen", &make("theirs"));
                folder.good("our-puttygen", &make("ours"));
                assert_eq!(folder.mode("ours"), 0o600);
                for name in ["theirs", "ours"] {
                    for output in ["-L", "-l", "-p"] {
                        let theirs = folder.good("puttygen", &[name, output]);
                        assert_eq!(folder.good("our-puttygen", &[name, output]), theirs, "{kind}");
                    }
                    // As a private key wherever one is taken.
                    let line = folder.good("ours", &["-y", "-P", passphrase, "-f", name]);
                    assert_eq!(line, folder.good("puttygen", &[name, "-L"]));
                    for tool in ["puttygen", "our-puttygen"] {
                        for output in ["private-openssh", "private-openssh-new"] {
                            folder.good(
                                tool,
                                &[name, "-O", output, "-o", "out", "--old-passphrase", file],
                            );
                            let public =
                                folder.good("ours", &["-y", "-P", passphrase, "-f", "out"]);
                            assert_eq!(words(&public), words(&line), "{tool} {output}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn changed_in_place() {
    let folder = Folder::new();
    folder.write("secret", "open sesame\n");
    folder.write("none", "");
    folder.line("our-puttygen", "-t ed25519 -o k --new-passphrase none");
    folder.good("our-puttygen", &["k", "-C", "a b"]);
    assert!(folder.read("k").contains("\nComment: a b\n"));
    folder.line("our-puttygen", "k -P --new-passphrase secret");
    assert!(folder.read("k").contains("Encryption: aes256-cbc"));
    folder.good("ours", &["-p", "-P", "open sesame", "-N", "", "-f", "k"]);
    assert!(folder.read("k").starts_with("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none"));
    let public = folder.line("our-puttygen", "k -L");
    folder.line("our-puttygen", "k -p -o k.rfc");
    assert_eq!(folder.line("our-puttygen", "k.rfc -L"), public);
    assert_eq!(words(&folder.line("ours", "-i -f k.rfc")), words(&public));
}

#[test]
fn what_a_key_and_its_certificate_say() {
    if !has("puttygen", "what_a_key_and_its_certificate_say") {
        return;
    }
    let folder = Folder::new();
    folder.write("none", "");
    let same = |line: &str| {
        let (ours, theirs) = (folder.line("our-puttygen", line), folder.line("puttygen", line));
        assert_eq!(ours, theirs, "{line}");
    };
    for (name, flags) in [("rsa", "-t rsa -b 2048"), ("ecdsa", "-t ecdsa -b 521")] {
        folder.line("ours", &format!("-q {flags} -N  -C me -f {name}"));
        same(&format!("{name} -O text"));
        same(&format!("{name}.pub --dump"));
    }
    folder.line("puttygen", "rsa -O private -o rsa.ppk --new-passphrase none");
    for (program, out) in [("puttygen", "theirs"), ("our-puttygen", "ours")] {
        let line = format!("rsa.ppk -O private-sshcom -o {out} --new-passphrase none");
        folder.line(program, &line);
    }
    assert_eq!(folder.read("ours"), folder.read("theirs"));
    for line in [
        "-I id -n one,two -V 20250101:20260101 -z 7",
        "-h -I id -n host -V always:20260101",
        "-I id -V 20250101:forever -O clear -O force-command=ls -O source-address=10.0.0.0/8",
    ] {
        folder.line("ours", &format!("-q -s ecdsa {line} rsa.pub"));
        for flag in ["-O cert-info", "-l"] {
            same(&format!("rsa-cert.pub {flag}"));
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let folder = Folder::new();
    folder.write("secret", "open sesame\n");
    folder.write("wrong", "wrong\n");
    folder.line("our-puttygen", "-t ed25519 -o k --new-passphrase secret --ppk-param passes=1");
    for (line, expected) in [
        ("k -O private-openssh -o x --old-passphrase wrong", "error loading `k': wrong passphrase"),
        ("nothing -L", "unable to load file `nothing': No such file or directory"),
        ("k", "this command would perform no useful action"),
        ("-t ed25519", "need to specify an output file"),
        ("-t foo -o x", "unknown key type `foo'"),
        ("-t ed448 -o x", "this version of Keyway makes no keys of type `ed448'"),
        ("k -O text --old-passphrase secret", "this version of Keyway takes only RSA and ECDSA"),
        ("-t ecdsa -b 255 -o x", "invalid bits for ECDSA, choose 256, 384 or 521"),
    ] {
        let refused = folder.run("our-puttygen", &line.split(' ').collect::<Vec<_>>(), "");
        assert_eq!(refused.code(), Some(1), "{refused}");
        assert!(refused.stderr.starts_with(&format!("puttygen: {expected}")), "{refused}");
    }
    assert_eq!(folder.names(), ["k", "secret", "wrong"]);
}
