"""A server on paramiko: runs each command in a shell. Prints its port."""
import argparse
import socket
import subprocess
import threading

import paramiko

PASSWORD = "open sesame"


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--host-key", action="append", required=True)
    parser.add_argument("--authorized", required=True)
    parser.add_argument("--kex")
    parser.add_argument("--cipher")
    parser.add_argument("--mac")
    parser.add_argument("--announce", choices=["nothing"], help="an empty list of host keys")
    return parser.parse_args()


class Server(paramiko.ServerInterface):
    def __init__(self, authorized, announce):
        self.authorized = authorized
        self.announce = announce

    def get_allowed_auths(self, username):
        return "publickey,password,keyboard-interactive"

    def check_auth_publickey(self, username, key):
        fits = key.get_base64() in self.authorized
        return paramiko.AUTH_SUCCESSFUL if fits else paramiko.AUTH_FAILED

    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL if password == PASSWORD else paramiko.AUTH_FAILED

    def check_auth_interactive(self, username, submethods):
        query = paramiko.InteractiveQuery("A riddle", "Answer it.")
        query.add_prompt("The word: ", False)
        return query

    def check_auth_interactive_response(self, responses):
        fits = list(responses) == [PASSWORD]
        return paramiko.AUTH_SUCCESSFUL if fits else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, channel_id):
        if kind == "session":
            return paramiko.OPEN_SUCCEEDED
        return paramiko.OPEN_FAILED_UNKNOWN_CHANNEL_TYPE

    def check_channel_exec_request(self, channel, command):
        if self.announce:
            channel.transport.global_request("hostkeys-00@openssh.com", wait=False)
        threading.Thread(target=execute, args=(channel, command), daemon=True).start()
        return True


def execute(channel, command):
    shell = subprocess.Popen(
        command, shell=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )

    def feed():
        try:
            while chunk := channel.recv(65536):
                shell.stdin.write(chunk)
            shell.stdin.close()
        except OSError:
            pass

    def drain(source, send):
        while chunk := source.read1(65536):
            send(chunk)

    threading.Thread(target=feed, daemon=True).start()
    workers = [
        threading.Thread(target=drain, args=(shell.stdout, channel.sendall)),
        threading.Thread(target=drain, args=(shell.stderr, channel.sendall_stderr)),
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    channel.send_exit_status(shell.wait() & 0xFF)
    channel.close()


def serve(connection, args, authorized):
    transport = paramiko.Transport(connection)
    options = transport.get_security_options()
    for name, value in (("kex", args.kex), ("ciphers", args.cipher), ("digests", args.mac)):
        if value:
            setattr(options, name, value.split(","))
    for path in args.host_key:
        transport.add_server_key(paramiko.PKey.from_path(path))
    try:
        transport.start_server(server=Server(authorized, args.announce))
    except (EOFError, OSError, paramiko.SSHException) as error:
        print("connection:", error, flush=True)


def main():
    args = arguments()
    with open(args.authorized, encoding="ascii") as file:
        authorized = {line.split()[1] for line in file if line.strip()}
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print("listening", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, args, authorized), daemon=True).start()


if __name__ == "__main__":
    main()
