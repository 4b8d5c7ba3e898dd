"""Uses files in FOLDER on a server through paramiko's SFTP client."""
import argparse
import os
import stat

import paramiko


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--known-hosts", required=True)
    parser.add_argument("folder")
    return parser.parse_args()


def refused(what, *words):
    try:
        what(*words)
    except OSError as error:
        return error
    raise AssertionError(f"{what} {words} was not refused")


def use(sftp, folder):
    assert sftp.normalize(folder + "/.//.") == folder
    sftp.chdir(folder)
    sftp.mkdir("made", 0o700)
    assert stat.S_IMODE(sftp.stat("made").st_mode) == 0o700
    data = os.urandom(3_000_017)
    with sftp.open("made/data", "wb") as file:
        file.set_pipelined(True)
        for at in range(0, len(data), 100_003):
            file.write(data[at : at + 100_003])
    with sftp.open("made/data", "rb") as file:
        file.prefetch()
        assert file.read() == data
    with sftp.open("made/data", "rb") as file:
        assert file.readv([(5, 10), (2_999_999, 100)]) is not None
        file.seek(1_000_000)
        assert file.read(10) == data[1_000_000:1_000_010]
    with sftp.open("made/data", "ab") as file:
        file.write(b"tail")
    assert sftp.stat("made/data").st_size == len(data) + 4
    sftp.truncate("made/data", 10)
    sftp.utime("made/data", (1_000_000_000, 1_100_000_000))
    sftp.chmod("made/data", 0o640)
    found = sftp.stat("made/data")
    assert (found.st_size, found.st_mtime) == (10, 1_100_000_000)
    assert stat.S_IMODE(found.st_mode) == 0o640
    sftp.symlink("data", "made/link")
    assert sftp.readlink("made/link") == "data"
    assert stat.S_ISLNK(sftp.lstat("made/link").st_mode)
    assert sftp.stat("made/link").st_size == 10
    assert sorted(sftp.listdir("made")) == ["data", "link"]
    for number in range(300):
        sftp.open(f"made/many{number}", "w").close()
    names = [entry.filename for entry in sftp.listdir_iter("made")]
    assert len(names) == len(set(names)) == 302
    refused(sftp.rename, "made/data", "made/link")
    sftp.posix_rename("made/data", "made/link")
    assert stat.S_ISREG(sftp.lstat("made/link").st_mode)
    sftp.rename("made/link", "made/again")
    assert isinstance(refused(sftp.stat, "made/link"), FileNotFoundError)
    refused(sftp.rmdir, "made")
    os.mkfifo(folder + "/made/pipe")
    with sftp.open("made/pipe", "rb") as file:
        refused(file.read, 1)
    refused(sftp.open, "made/pipe", "wb")
    refused(sftp.open, "made/again", "x")
    for name in sftp.listdir("made"):
        sftp.remove("made/" + name)
    sftp.rmdir("made")


def main():
    args = arguments()
    transport = paramiko.Transport(("127.0.0.1", args.port))
    transport.start_client(timeout=30)
    known = paramiko.HostKeys(args.known_hosts)
    key = transport.get_remote_server_key()
    if not known.check(f"[127.0.0.1]:{args.port}", key):
        raise paramiko.SSHException("unknown host key " + key.get_name())
    transport.auth_publickey(args.user, paramiko.PKey.from_path(args.key))
    with paramiko.SFTPClient.from_transport(transport) as sftp:
        use(sftp, args.folder)
    transport.close()
    print("used")


main()
