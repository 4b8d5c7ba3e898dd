"""Runs one command through paramiko and ends with its exit code."""
import argparse
import os
import sys
import threading

import paramiko


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
    parser.add_argument("--rekey-bytes", type=int)
    parser.add_argument("command")
    return parser.parse_args()


def main():
    args = arguments()
    known = paramiko.HostKeys(args.known_hosts)
    transport = paramiko.Transport(("127.0.0.1", args.port))
    options = transport.get_security_options()
    if args.kex:
        options.kex = [args.kex]
    if args.cipher:
        options.ciphers = [args.cipher]
    if args.mac:
        options.digests = [args.mac]
    if args.hostkey:
        options.key_types = [args.hostkey]
    if args.rekey_bytes:
        transport.packetizer.REKEY_BYTES = args.rekey_bytes
    transport.start_client(timeout=30)
    key = transport.get_remote_server_key()
    if not known.check(f"[127.0.0.1]:{args.port}", key):
        raise paramiko.SSHException("unknown host key " + key.get_name())
    if args.key:
        transport.auth_publickey(args.user, paramiko.PKey.from_path(args.key))
    else:
        transport.auth_password(args.user, args.password)
    channel = transport.open_session()
    channel.exec_command(args.command)

    def send():
        while chunk := sys.stdin.buffer.read(65536):
            channel.sendall(chunk)
        channel.shutdown_write()

    def errors():
        while chunk := channel.recv_stderr(65536):
            sys.stderr.buffer.write(chunk)

    workers = [threading.Thread(target=send, daemon=True), threading.Thread(target=errors)]
    for worker in workers:
        worker.start()
    while chunk := channel.recv(65536):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    workers[1].join()
    code = channel.recv_exit_status()
    transport.close()
    return code


if __name__ == "__main__":
    try:
        code = main()
    except (OSError, EOFError, paramiko.SSHException) as error:
        print(f"paramiko: {type(error).__name__}: {error}", file=sys.stderr)
        code = 255
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread may still wait for standard input, which an orderly end of the
    # interpreter does not survive.
    os._exit(code)
