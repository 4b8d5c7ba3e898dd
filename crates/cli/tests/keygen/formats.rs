//! Key files of every kind, from and to other programs.

use crate::{Folder, KINDS, has, words};

const SSH_KEYGEN: &str = "ssh-keygen";

#[test]
fn ours_are_read_by_openssh() {
    for (kind, flags) in KINDS {
        for format in ["RFC4716", "PKCS8", "PEM"] {
            for passphrase in ["", "open sesame"] {
                let folder = Folder::new();
                let make =
                    [*flags, &["-q", "-m", format, "-N", passphrase, "-f", "k", "-C", "a b"]];
                folder.good("ours", &make.concat());
                assert_eq!((folder.mode("k"), folder.mode("k.pub")), (0o600, 0o644));
                assert_eq!(folder.names(), ["k", "k.pub"]);
                let theirs = folder.good(SSH_KEYGEN, &["-y", "-P", passphrase, "-f", "k"]);
                assert_eq!(words(&theirs), words(&folder.read("k.pub")), "{kind} {format}");
                let ours = folder.good("ours", &["-y", "-P", passphrase, "-f", "k"]);
                assert_eq!(ours, theirs, "{kind} {format}");
                let refused = folder.run("ours", &["-y", "-P", "wrong", "-f", "k"], "");
                if !passphrase.is_empty() {
                    assert_eq!(refused.code(), Some(255));
                    let expected =
                        "Load key \"k\": incorrect passphrase supplied to decrypt private key\n";
                    assert_eq!(refused.stderr, expected);
                }
            }
        }
    }
}

#[test]
fn theirs_are_read_by_us() {
    for (kind, flags) in KINDS {
        for format in ["RFC4716", "PKCS8", "PEM"] {
            for passphrase in ["", "open sesame"] {
                let folder = Folder::new();
                let make =
                    [*flags, &["-q", "-m", format, "-N", passphrase, "-f", "k", "-C", "a b"]];
                folder.good(SSH_KEYGEN, &make.concat());
                let public = folder.good("ours", &["-y", "-P", passphrase, "-f", "k"]);
                assert_eq!(words(&public), words(&folder.read("k.pub")), "{kind} {format}");
                for flags in [["-l"], ["-B"], ["-lv"]] {
                    let words = [flags.as_slice(), &["-f", "k"]].concat();
                    let (ours, theirs) =
                        (folder.good("ours", &words), folder.good(SSH_KEYGEN, &words));
                    assert_eq!(ours, theirs, "{kind} {format}");
                }
                // Changed by us, read by them.
                folder.good("ours", &["-p", "-P", passphrase, "-N", "another", "-f", "k"]);
                folder.good(SSH_KEYGEN, &["-y", "-P", "another", "-f", "k"]);
                assert_eq!(folder.mode("k"), 0o600);
            }
        }
    }
}

#[test]
fn openssl_and_dropbear() {
    if !has("openssl", "openssl_and_dropbear") || !has("dropbearconvert", "openssl_and_dropbear") {
        return;
    }
    for (kind, flags) in KINDS {
        let folder = Folder::new();
        folder.good("ours", &[*flags, &["-q", "-N", "", "-f", "k"]].concat());
        folder.line("dropbearconvert", "openssh dropbear k dropbear");
        folder.line("dropbearconvert", "dropbear openssh dropbear back");
        // Dropbear writes a file that others may read where the umask lets it.
        let back = folder.read("back");
        folder.write("back", &back);
        let public = words(&folder.read("k.pub"));
        assert_eq!(words(&folder.line("ours", "-y -f back")), public, "{kind}");
        if *kind == "ed25519" {
            folder.line("openssl", "genpkey -algorithm ed25519 -out pem");
            let ours = folder.line("ours", "-l -f pem");
            assert!(ours.contains("no comment (ED25519)"), "{ours}");
            continue;
        }
        for format in ["PEM", "PKCS8"] {
            folder.good("ours", &["-p", "-m", format, "-N", "open sesame", "-f", "k"]);
            folder.good("openssl", &["pkey", "-in", "k", "-passin", "pass:open sesame", "-noout"]);
            folder.good("ours", &["-p", "-P", "open sesame", "-N", "", "-f", "k"]);
        }
    }
}

#[test]
fn exports_are_the_same() {
    for (kind, flags) in KINDS {
        let folder = Folder::new();
        folder.good(SSH_KEYGEN, &[*flags, &["-q", "-N", "", "-f", "k", "-C", "c"]].concat());
        for format in ["RFC4716", "PKCS8", "PEM"] {
            let export = ["-e", "-m", format, "-f", "k"];
            let (ours, theirs) =
                (folder.run("ours", &export, ""), folder.run(SSH_KEYGEN, &export, ""));
            assert_eq!((ours.text(), ours.code()), (theirs.text(), theirs.code()), "{kind} {ours}");
            if !theirs.success() || (format == "PEM" && *kind != "rsa") {
                continue;
            }
            folder.write("exported", &theirs.text());
            let import = ["-i", "-m", format, "-f", "exported"];
            assert_eq!(words(&folder.good("ours", &import)), words(&folder.read("k.pub")));
            assert_eq!(folder.good("ours", &import), folder.good(SSH_KEYGEN, &import));
        }
    }
}

#[test]
fn records_are_the_same() {
    for (_, flags) in KINDS {
        let folder = Folder::new();
        folder.good(SSH_KEYGEN, &[*flags, &["-q", "-N", "", "-f", "k"]].concat());
        for line in ["-r host.example -f k.pub", "-r host.example -g -f k"] {
            assert_eq!(folder.line("ours", line), folder.line(SSH_KEYGEN, line));
        }
    }
}

#[test]
fn host_keys_that_are_missing() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path("etc/ssh")).expect("folder");
    folder.write("etc/ssh/ssh_host_rsa_key", "there already\n");
    let prefix = folder.path("");
    let made = folder.good("ours", &["-A", "-f", crate::text(&prefix).trim_end_matches('/')]);
    assert_eq!(made, "ssh-keygen: generating new host keys: ECDSA ED25519 \n");
    assert_eq!(folder.read("etc/ssh/ssh_host_rsa_key"), "there already\n");
    for kind in ["ecdsa", "ed25519"] {
        assert_eq!(folder.mode(&format!("etc/ssh/ssh_host_{kind}_key")), 0o600);
        folder.line(SSH_KEYGEN, &format!("-l -f etc/ssh/ssh_host_{kind}_key.pub"));
    }
}

#[test]
fn moduli_are_found_and_tested() {
    let folder = Folder::new();
    folder.line("ours", "-M generate -O bits=512 candidates");
    let candidates = folder.read("candidates");
    let some: Vec<&str> = candidates.lines().take(1500).collect();
    folder.write("candidates", &format!("{}\n", some.join("\n")));
    folder.line("ours", "-M screen -f candidates -O prime-tests=10 ours");
    folder.line(SSH_KEYGEN, "-M screen -f candidates ours2");
    let numbers = |name: &str| -> Vec<String> {
        folder
            .read(name)
            .lines()
            .filter_map(|line| Some(line.split(' ').nth(6)?.to_owned()))
            .collect()
    };
    assert_eq!(numbers("ours"), numbers("ours2"));
}
