"""A server on asyncssh: runs each command in a shell. Prints its port."""
import argparse
import asyncio
import sys

import asyncssh

PASSWORD = "open sesame"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host-key", action="append", required=True)
    parser.add_argument("--authorized", required=True)
    parser.add_argument("--kex")
    parser.add_argument("--cipher")
    parser.add_argument("--mac")
    parser.add_argument("--compression")
    return parser.parse_args()


class Server(asyncssh.SSHServer):
    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return password == PASSWORD

    def kbdint_auth_supported(self):
        return True

    def get_kbdint_challenge(self, username, lang, submethods):
        return "A riddle", "Answer it.", "en", [("The word: ", False)]

    def validate_kbdint_response(self, username, responses):
        return list(responses) == [PASSWORD]


async def handle(process):
    shell = await asyncio.create_subprocess_shell(
        process.command or "cat",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await process.redirect(stdin=shell.stdin, stdout=shell.stdout, stderr=shell.stderr)
    code = await shell.wait()
    # Everything that was written goes out before the exit status does.
    await process.stdout.drain()
    if code < 0:
        process.exit_with_signal({9: "KILL", 15: "TERM"}.get(-code, "TERM"))
    else:
        process.exit(code)


async def main():
    args = arguments()
    options = {}
    for name, value in (
        ("kex_algs", args.kex),
        ("encryption_algs", args.cipher),
        ("mac_algs", args.mac),
        ("compression_algs", args.compression),
    ):
        if value:
            options[name] = value.split(",")
    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        server_host_keys=args.host_key,
        authorized_client_keys=args.authorized,
        process_factory=handle,
        encoding=None,
        **options,
    )
    print("listening", listener.get_port(), flush=True)
    await listener.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
