"""Answers DNS on 127.0.0.1: names of 127.0.0.0/8, one of which is a lie. Argument: nothing."""

import socket
import struct

NAMES = {"1": "friend.test", "2": "liar.test", "3": "10.0.0.9"}


def wire(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def main():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    while True:
        query, client = server.recvfrom(4096)
        name, at = [], 12
        while query[at]:
            name.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1 : at + 3])[0]
        data = None
        if kind == 12 and name[-1] == "arpa" and name[0] in NAMES:
            data = wire(NAMES[name[0]])
        if kind == 1 and name[0] in ("friend", "liar"):
            data = b"\x7f\0\0\1"
        head = struct.pack(">HHHHH", 0x8180, 1, int(data is not None), 0, 0)
        body = b"" if data is None else b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data
        server.sendto(query[:2] + head + query[12 : at + 5] + body, client)


main()
