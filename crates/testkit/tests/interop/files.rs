//! Files over SFTP: the machine's `sftp` and `scp`, paramiko and asyncssh with our server, both the one inside
//! `sshd` and the program `sftp-server`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use keyway_testkit::Implementation::{OpenSsh, Ours};
use keyway_testkit::key_files::{self, Holder};
use keyway_testkit::process::{DEADLINE, Finished, run};
use keyway_testkit::program::find;
use keyway_testkit::python::{self, Library};
use keyway_testkit::{Server, StartedServer, not_run};
use tempfile::TempDir;

/// Not a multiple of anything.
const LARGE_BYTES: usize = 9_000_011;

fn serving(lines: &[&str]) -> StartedServer {
    let mut server = Server::new(Ours);
    for line in lines {
        server = server.config(*line);
    }
    server.start()
}

fn internal() -> StartedServer {
    serving(&["Subsystem sftp internal-sftp"])
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("keyway-files-").tempdir().unwrap()
}

fn noise() -> Vec<u8> {
    let mut state = 1u32;
    let step = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(step).take(LARGE_BYTES).collect()
}

/// A client with the options that `sftp` and `scp` share.
fn client(server: &StartedServer, program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["-F", "none", "-P", &server.port.to_string(), "-o", "BatchMode=yes", "-o"]);
    command.arg(format!("UserKnownHostsFile={}", server.folder().join("known_hosts").display()));
    command.args(["-o", "IdentitiesOnly=yes", "-i"]);
    command.arg(key_files::private(Holder::User, "ssh-ed25519"));
    command.current_dir(folder).env_remove("SSH_AUTH_SOCK");
    command
}

/// Gives commands to the machine's `sftp`, which works in `folder` on both sides.
fn sftp(server: &StartedServer, folder: &Path, commands: &str) -> Finished {
    let batch = format!("cd {}\n{commands}\n", folder.display());
    let mut command = client(server, &OpenSsh.tool("sftp"), folder);
    command.args(["-b", "-"]).arg(format!("{}@127.0.0.1", server.user));
    run(&mut command, batch.as_bytes(), DEADLINE)
}

/// Whether the machine's clients are here; says so when not.
fn has_clients(test: &str) -> bool {
    let missing = ["sftp", "scp"].into_iter().find(|program| find(program).is_none());
    if let Some(program) = missing {
        not_run(test, &format!("no {program} on this machine"));
    }
    missing.is_none()
}

fn our_server() -> PathBuf {
    Ours.tool("sftp-server")
}

#[test]
fn everything_the_machines_sftp_does() {
    if !has_clients("everything_the_machines_sftp_does") {
        return;
    }
    let program = format!("Subsystem sftp {} -l ERROR", our_server().display());
    for line in ["Subsystem sftp internal-sftp -u 027", &program] {
        let server = serving(&[line]);
        let folder = folder();
        let path = |name: &str| folder.path().join(name);
        let data = noise();
        fs::write(path("large"), &data).unwrap();
        let commands = "put -p large there\nget there back\ncopy there copied\nrename copied moved\n\
                        symlink moved link\nln moved hard\nchmod 640 moved\nmkdir sub\n\
                        mkdir gone\nrmdir gone\nput large sub/part\nls -l\nls -ln sub\ndf\npwd\n\
                        -rename moved hard\nrm hard";
        let done = sftp(&server, folder.path(), commands);
        assert!(done.success(), "{line}: {done}");
        for name in ["there", "back", "moved", "sub/part"] {
            assert!(fs::read(path(name)).unwrap() == data, "{line}: {name}");
        }
        assert_eq!(fs::read_link(path("link")).unwrap(), Path::new("moved"));
        assert_eq!(fs::metadata(path("moved")).unwrap().permissions().mode() & 0o777, 0o640);
        let modified = |name: &str| fs::metadata(path(name)).unwrap().mtime();
        assert_eq!(modified("there"), modified("large"));
        if line.contains("-u 027") {
            let mode = fs::metadata(path("sub")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o750);
        }
        for shown in ["Remote working directory: ", "%Capacity", " sub/part", "lrwxrwxrwx"] {
            assert!(done.text().contains(shown), "{line}: {shown}: {done}");
        }

        // Both ways from the middle on.
        for name in ["there", "back"] {
            let file = fs::OpenOptions::new().write(true).open(path(name)).unwrap();
            file.set_len(4_000_003).unwrap();
        }
        let resumed = sftp(&server, folder.path(), "reput large there\nreget sub/part back");
        assert!(resumed.success(), "{line}: {resumed}");
        assert!(fs::read(path("there")).unwrap() == data, "{line}");
        assert!(fs::read(path("back")).unwrap() == data, "{line}");

        for (command, says) in [
            ("get missing", "not found"),
            ("rm missing", "No such file"),
            ("rmdir sub", "Directory not empty"),
            ("put large missing/x", "No such file"),
        ] {
            let failed = sftp(&server, folder.path(), command);
            // Stock's own server has less to say of the third.
            let text = format!("{}{}", failed.text(), failed.stderr);
            assert!(!failed.success(), "{line}: {failed}");
            assert!(text.contains(says) || text.contains("Failure"), "{line}: {failed}");
        }
    }
}

#[test]
fn folders_by_the_machines_scp() {
    if !has_clients("folders_by_the_machines_scp") {
        return;
    }
    let server = internal();
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("tree/a/b")).unwrap();
    let data = noise();
    fs::write(path("tree/a/b/large"), &data).unwrap();
    fs::write(path("tree/empty"), "").unwrap();
    fs::set_permissions(path("tree/empty"), fs::Permissions::from_mode(0o751)).unwrap();
    let remote = |name: &str| format!("{}@127.0.0.1:{}", server.user, path(name).display());
    let scp = |from: &str, to: &str| {
        let mut command = client(&server, &OpenSsh.tool("scp"), folder.path());
        let copied = run(command.args(["-s", "-r", "-p", from, to]), b"", DEADLINE);
        assert!(copied.success(), "{copied}");
    };
    scp("tree", &remote("there"));
    scp(&remote("there"), "back");
    for name in ["there", "back"] {
        assert!(fs::read(path(name).join("a/b/large")).unwrap() == data, "{name}");
        let mode = fs::metadata(path(name).join("empty")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o751, "{name}");
    }
}

#[test]
fn libraries() {
    let server = internal();
    for library in [Library::Paramiko, Library::AsyncSsh] {
        let folder = folder();
        let path = folder.path().canonicalize().unwrap();
        let mut command = match python::files(library, &server, &path) {
            Ok(command) => command,
            Err(reason) => return not_run("libraries", &reason),
        };
        let used = run(&mut command, b"", DEADLINE);
        assert!(used.success() && used.text() == "used\n", "{library:?}: {used}");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0, "{library:?}");
    }
}

#[test]
fn nothing_is_changed_where_nothing_may_be() {
    if !has_clients("nothing_is_changed_where_nothing_may_be") {
        return;
    }
    let server = serving(&["Subsystem sftp internal-sftp -R -P statvfs -l VERBOSE"]);
    let folder = folder();
    fs::write(folder.path().join("file"), "as it was").unwrap();
    let read = sftp(&server, folder.path(), "get file copy\nls -l");
    assert!(read.success(), "{read}");
    for command in
        ["put file", "put file new", "rm file", "chmod 600 file", "mkdir x", "rename file x", "df"]
    {
        let refused = sftp(&server, folder.path(), command);
        assert!(!refused.success(), "{command}: {refused}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "as it was");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    let log = server.process.log();
    for line in [
        "session opened for local user",
        "from [127.0.0.1]",
        "Refusing remove request in read-only mode",
        "bytes read 9 written 0",
        "sent status Permission denied",
        "session closed for local user",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn files_and_nothing_else() {
    if !has_clients("files_and_nothing_else") {
        return;
    }
    let server = serving(&["Subsystem sftp /nowhere", "ForceCommand internal-sftp -d /etc"]);
    let there = sftp(&server, Path::new("/tmp"), "pwd");
    assert!(there.success(), "{there}");
    let mut started = client(&server, &OpenSsh.tool("sftp"), Path::new("/tmp"));
    started.args(["-b", "-"]).arg(format!("{}@127.0.0.1", server.user));
    let started = run(&mut started, b"pwd\n", DEADLINE);
    assert!(started.text().contains("Remote working directory: /etc"), "{started}");
    for command in ["id", ""] {
        let mut ssh = keyway_testkit::Client::new(OpenSsh, &server);
        if !command.is_empty() {
            ssh = ssh.command(command);
        }
        let refused = ssh.run();
        assert_eq!(refused.code(), Some(1), "{refused}");
        assert_eq!(refused.text(), "This service allows sftp connections only.\n");
    }
}

/// Where there is no program to execute and no library to load.
#[test]
fn in_a_root_directory_of_its_own() {
    let name = "in_a_root_directory_of_its_own";
    if !has_clients(name) {
        return;
    }
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !is_root {
        return not_run(name, "only root may change the root directory");
    }
    // Every folder above it has to be root's alone, which /tmp is not.
    let Ok(root) = tempfile::Builder::new().prefix("keyway-root-").tempdir_in("/run") else {
        return not_run(name, "no folder can be made in /run");
    };
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(root.path().join("files")).unwrap();
    let chroot = format!("ChrootDirectory {}", root.path().display());
    let server = serving(&["Subsystem sftp internal-sftp -d /files", &chroot]);
    let folder = folder();
    fs::write(folder.path().join("file"), "inside").unwrap();
    let mut command = client(&server, &OpenSsh.tool("sftp"), folder.path());
    command.args(["-b", "-"]).arg(format!("{}@127.0.0.1", server.user));
    let done = run(&mut command, b"put file\npwd\nls -l /\nget /files/file back\n", DEADLINE);
    assert!(done.success(), "{done}");
    assert!(done.text().contains("Remote working directory: /files"), "{done}");
    assert_eq!(fs::read_to_string(root.path().join("files/file")).unwrap(), "inside");
    assert_eq!(fs::read_to_string(folder.path().join("back")).unwrap(), "inside");
    let escape = run(
        client(&server, &OpenSsh.tool("sftp"), folder.path())
            .args(["-b", "-"])
            .arg(format!("{}@127.0.0.1", server.user)),
        b"ls /../../etc/passwd\n",
        DEADLINE,
    );
    assert!(!escape.success(), "{escape}");
}

/// The listings are the same to the letter, as are the names of requests.
#[test]
fn as_the_stock_program_has_it() {
    let Some(stock) = find("sftp-server").or_else(|| {
        let usual = PathBuf::from("/usr/lib/openssh/sftp-server");
        usual.exists().then_some(usual)
    }) else {
        return not_run("as_the_stock_program_has_it", "no sftp-server of OpenSSH here");
    };
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("file"), "data").unwrap();
    fs::create_dir(path("folder")).unwrap();
    std::os::unix::fs::symlink("file", path("link")).unwrap();
    fs::set_permissions(path("folder"), fs::Permissions::from_mode(0o1777)).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = fs::OpenOptions::new().write(true).open(path("file")).unwrap();
    file.set_modified(old).unwrap();
    let listing = |server: &Path| {
        let mut command = Command::new(OpenSsh.tool("sftp"));
        command.arg("-D").arg(server).args(["-b", "-"]).current_dir(folder.path());
        let done = run(&mut command, b"ls -la\nls -lan\nls -l folder\nls -l file\n", DEADLINE);
        assert!(done.success(), "{done}");
        done.text()
    };
    assert_eq!(listing(&our_server()), listing(&stock));
    let requests =
        |server: &Path| run(Command::new(server).args(["-Q", "requests"]), b"", DEADLINE).text();
    let (ours, theirs) = (requests(&our_server()), requests(&stock));
    for name in theirs.lines() {
        assert!(ours.lines().any(|known| known == name), "{name}");
    }
}
