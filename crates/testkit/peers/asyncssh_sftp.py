"""Uses files in FOLDER on a server through asyncssh's SFTP client, extensions too."""
import argparse
import asyncio
import os

import asyncssh


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--known-hosts", required=True)
    parser.add_argument("folder")
    return parser.parse_args()


async def refused(what, kind):
    try:
        await what
    except kind:
        return
    raise AssertionError(f"not refused as {kind}")


async def use(sftp, folder):
    assert sftp.version == 3
    limits = sftp.limits
    assert (limits.max_read_len, limits.max_write_len) == (261120, 261120), limits
    await sftp.chdir(folder)
    await sftp.mkdir("made")
    data = os.urandom(5_000_011)
    async with sftp.open("made/data", "wb") as file:
        await file.write(data)
        await file.fsync()
        volume = await file.statvfs()
        assert volume.bsize > 0 and volume.namemax >= 255
    async with sftp.open("made/data", "rb") as file:
        assert await file.read() == data
        assert await file.read(7, 4_000_000) == data[4_000_000:4_000_007]
    assert (await sftp.statvfs(folder)).blocks > 0
    await sftp.remote_copy("made/data", "made/copy")
    async with sftp.open("made/copy", "rb") as file:
        assert await file.read() == data
    async with sftp.open("made/data", "rb") as source, sftp.open("made/part", "w+b") as target:
        await sftp.remote_copy(source, target, 1000, 500, 3)
        assert await target.read(600, 0) == bytes(3) + data[1000:1500]
    await sftp.link("made/data", "made/hard")
    assert (await sftp.stat("made/hard")).size == len(data)
    # To servers that are not called OpenSSH it sends the two in the draft's order, which nobody's server has.
    await sftp.symlink(folder + "/made/link", "made/data")
    assert await sftp.readlink("made/link") == folder + "/made/data"
    await sftp.setstat("made/link", asyncssh.SFTPAttrs(mtime=9, atime=9), follow_symlinks=False)
    assert (await sftp.lstat("made/link")).mtime == 9
    assert (await sftp.stat("made/link")).mtime != 9
    await refused(sftp.rename("made/copy", "made/part"), asyncssh.SFTPError)
    await sftp.posix_rename("made/copy", "made/part")
    await refused(sftp.stat("made/copy"), asyncssh.SFTPNoSuchFile)
    assert sorted(await sftp.listdir("made")) == [".", "..", "data", "hard", "link", "part"]
    assert await sftp.realpath("made/link") == folder + "/made/data"
    # Everything at once: answers find their requests.
    parts = [sftp.open(f"made/many{number}", "wb") for number in range(50)]
    files = await asyncio.gather(*parts)
    await asyncio.gather(*[file.write(data[:100_000]) for file in files])
    await asyncio.gather(*[file.close() for file in files])
    sizes = await asyncio.gather(*[sftp.getsize(f"made/many{number}") for number in range(50)])
    assert sizes == [100_000] * 50
    await sftp.rmtree("made")


async def main():
    args = arguments()
    async with asyncssh.connect(
        "127.0.0.1",
        args.port,
        username=args.user,
        client_keys=[args.key],
        known_hosts=args.known_hosts,
        config=None,
        agent_path=None,
    ) as connection:
        async with connection.start_sftp_client() as sftp:
            await use(sftp, args.folder)
    print("used")


asyncio.run(main())
