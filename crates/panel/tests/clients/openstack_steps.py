"""Runs commands of the stock `openstack` client in one process: starting it costs more than they do.

openstack_steps.py GLOBAL-OPTIONS --step "COMMAND" "TEXT THAT THE ANSWER HOLDS" ...

"until COMMAND" is asked again until the answer holds the text; "login SERVER KEY COMMAND" has `ssh`
run a command as root of a server, at the address that the client is told.
"""

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import time

from openstackclient import shell

# `image create` uploads its standard input unless that is a terminal.
sys.stdin = open(os.openpty()[1])

arguments = sys.argv[1:]
at = arguments.index("--step")
common, rest = arguments[:at], arguments[at:]
steps = [(rest[i + 1], rest[i + 2]) for i in range(0, len(rest), 3)]


def ask(command):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = shell.main(common + shlex.split(command))
        except SystemExit as end:
            status = end.code
    return status or 0, out.getvalue()


def login(words):
    server, key, command = words.split(" ", 2)
    status, told = ask(f"server show {server} -f json -c addresses")
    if status:
        return status, told
    address = json.loads(told)["addresses"]["public"][0]
    ssh = ["ssh", "-F", "none", "-i", key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"]
    ssh += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"root@{address}"]
    done = subprocess.run(ssh + shlex.split(command), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


for number, (step, holds) in enumerate(steps, 1):
    verb, _, rest = step.partition(" ")
    began = time.monotonic()
    while True:
        status, text = login(rest) if verb == "login" else ask(rest if verb == "until" else step)
        held = status == 0 and holds in text
        if held or verb != "until" or time.monotonic() - began > 60:
            break
    if not held:
        sys.exit(f"{number:2} FAILED (status {status}) {step}\nwanted: {holds}\n{text}")
    print(f"{number:2} ok {step} ({time.monotonic() - began:.1f} s)")
print(f"all {len(steps)} steps")
