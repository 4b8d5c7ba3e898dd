"""Runs one command through asyncssh and ends with its exit code.

With --channels N: opens N sessions on one connection, all at once, each
running COMMAND, which is to echo its input (cat).
"""
import argparse
import asyncio
import sys

import asyncssh


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--key")
    parser.add_argument("--password")
    parser.add_argument("--known-hosts", required=True)
    parser.add_argument("--kex")
    parser.add_argument("--cipher")
    parser.add_argument("--mac")
    parser.add_argument("--hostkey")
    parser.add_argument("--signature")
    parser.add_argument("--compression")
    parser.add_argument("--channels", type=int, default=0)
    parser.add_argument("command")
    return parser.parse_args()


async def many(connection, count, command):
    opened = [connection.create_process(command, encoding=None) for _ in range(count)]
    processes = await asyncio.gather(*opened)
    for number, process in enumerate(processes):
        process.stdin.write(b"line %d\n" % number)
    for number, process in enumerate(processes):
        line = await process.stdout.readline()
        assert line == b"line %d\n" % number, (number, line)
    for process in processes:
        process.stdin.write_eof()
    codes = [(await process.wait()).exit_status for process in processes]
    assert codes == [0] * count, codes
    print(f"{count} channels open at once")


async def main():
    args = arguments()
    options = {}
    for name, key in (
        ("kex_algs", args.kex),
        ("encryption_algs", args.cipher),
        ("mac_algs", args.mac),
        ("server_host_key_algs", args.hostkey),
        ("signature_algs", args.signature),
        ("compression_algs", args.compression),
    ):
        if key:
            options[name] = [key]
    async with asyncssh.connect(
        "127.0.0.1",
        args.port,
        username=args.user,
        client_keys=[args.key] if args.key else None,
        password=args.password,
        known_hosts=args.known_hosts,
        config=None,
        agent_path=None,
        **options,
    ) as connection:
        if args.channels:
            await many(connection, args.channels, args.command)
            return 0
        data = sys.stdin.buffer.read()
        result = await connection.run(args.command, input=data, encoding=None)
        sys.stdout.buffer.write(result.stdout)
        sys.stderr.buffer.write(result.stderr)
        if result.exit_signal:
            print("signal", result.exit_signal[0], file=sys.stderr)
            return 254
        return result.exit_status


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (OSError, asyncssh.Error) as error:
        print(f"asyncssh: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(255)
