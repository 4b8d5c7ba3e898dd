"""A server that says what no terminal should hear. Arguments: a host key, and what to do it with."""

import socket
import sys
import time

import paramiko
from paramiko.common import cMSG_CHANNEL_OPEN_FAILURE, cMSG_DEBUG, cMSG_DISCONNECT
from paramiko.message import Message

# A title, a colour, C1's form of the same, a bell, a carriage return over what stands there, a
# backspace, and a character that turns the direction of text.
EVIL = "\x1b]0;evil\x07 \x1b[31m \u009b31m \rFAKE\b\u202e"
HOW = sys.argv[2]


class Server(paramiko.ServerInterface):
    def get_banner(self):
        return (EVIL + "\n", "en")

    def get_allowed_auths(self, username):
        return "keyboard-interactive"

    def check_auth_interactive(self, username, submethods):
        query = paramiko.InteractiveQuery(EVIL + "name", EVIL + "text", (EVIL + "question: ", True))
        return query

    def check_auth_interactive_response(self, responses):
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind, channel):
        message = Message()
        if HOW == "disconnect":
            message.add_byte(cMSG_DISCONNECT)
            message.add_int(2)
            message.add_string(EVIL + "goodbye")
            message.add_string("en")
        else:
            message.add_byte(cMSG_CHANNEL_OPEN_FAILURE)
            message.add_int(0)
            message.add_int(2)
            message.add_string(EVIL + "no channel")
            message.add_string("en")
        debug = Message()
        debug.add_byte(cMSG_DEBUG)
        debug.add_boolean(True)
        debug.add_string(EVIL + "debug")
        debug.add_string("en")
        transport._send_message(debug)
        transport._send_message(message)
        time.sleep(1)
        transport.close()
        return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


listener = socket.create_server(("127.0.0.1", 0))
print("listening", listener.getsockname()[1], flush=True)
client, _ = listener.accept()
if HOW == "ident":
    client.sendall((EVIL + "first line\r\nSSH-2.0-" + EVIL + "\r\n").encode())
    time.sleep(2)
    sys.exit()
if HOW == "proposal":
    client.sendall(b"SSH-2.0-Evil\r\n")
    time.sleep(0.3)
    names = [EVIL, "ssh-ed25519", "aes128-ctr", "aes128-ctr", "hmac-sha1", "hmac-sha1", "none", "none", "", ""]
    payload = bytes([20]) + bytes(16)
    for name in names:
        payload += len(name.encode()).to_bytes(4, "big") + name.encode()
    payload += bytes(5)
    padding = 8 - (len(payload) + 5) % 8 + 8
    client.sendall((len(payload) + padding + 1).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding))
    time.sleep(2)
    sys.exit()
transport = paramiko.Transport(client)
transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(sys.argv[1]))
transport.start_server(server=Server())
transport.join(30)
