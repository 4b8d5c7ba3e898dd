"""Answers DNS on 127.0.0.1 and asks two ssh -G the same questions. Arguments: a configuration, keyway."""

import json
import socket
import struct
import subprocess
import sys
import threading

ADDRESSES = {"www.a.test", "real.c.test", "ftp.b.test", "other.d.test", "deep.er.b.test", "plain"}
ALIASES = {"alias.b.test": "real.c.test", "stray.b.test": "other.d.test"}

QUESTIONS = [
    "www", "WWW", "alias", "alias.b.test", "stray", "ftp", "deep.er", "deep.er.b.test", "plain",
    "www.a.test.", "alias.b.test.", "10.0.0.1",
    "-o CanonicalizeMaxDots=0 alias.b.test",
    "-o CanonicalizeFallbackLocal=no nowhere",
    "-o ProxyCommand=x www",
    "-o CanonicalizeHostname=always -o ProxyCommand=x alias",
    "-o CanonicalizePermittedCNAMEs=none alias",
    "-o CanonicalizeHostname=no plain",
    "-o CanonicalDomains=none www.a.test",
]


def wire(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def answer(query):
    name, at = [], 12
    while query[at]:
        name.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack(">H", query[at + 1 : at + 3])[0]
    question, name, records = query[12 : at + 5], ".".join(name).lower(), []
    known = name in ADDRESSES or name in ALIASES
    if name in ALIASES:
        target = wire(ALIASES[name])
        records.append(wire(name) + struct.pack(">HHIH", 5, 1, 60, len(target)) + target)
        name = ALIASES[name]
    if known and kind == 1:
        records.append(wire(name) + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1]))
    head = struct.pack(">HHHHH", 0x8180 if known else 0x8183, 1, len(records), 0, 0)
    return query[:2] + head + question + b"".join(records)


def serve(server):
    while True:
        query, client = server.recvfrom(4096)
        server.sendto(answer(query), client)


def ask(program, config, question):
    words = program + ["-G", "-F", config] + question.split()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    kept = ("host ", "hostname ", "port ", "user ")
    lines = [line for line in done.stdout.splitlines() if line.startswith(kept)]
    return [done.returncode, sorted(lines)]


def main():
    config, keyway = sys.argv[1:]
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    answers = []
    for question in QUESTIONS:
        theirs = ask(["/usr/bin/ssh"], config, question)
        ours = ask([keyway, "ssh"], config, question)
        answers.append({"question": question, "ours": ours, "theirs": theirs})
    print(json.dumps(answers))


main()
