"""Runs commands of the stock `openstack` client in one process: starting it costs more than they do.

openstack_steps.py GLOBAL-OPTIONS --step "COMMAND" "TEXT THAT THE ANSWER HOLDS" ...
"""

import contextlib
import io
import os
import shlex
import sys

from openstackclient import shell

# `image create` uploads its standard input unless that is a terminal.
sys.stdin = open(os.openpty()[1])

arguments = sys.argv[1:]
at = arguments.index("--step")
common, rest = arguments[:at], arguments[at:]
steps = [(rest[i + 1], rest[i + 2]) for i in range(0, len(rest), 3)]
for number, (command, holds) in enumerate(steps, 1):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = shell.main(common + shlex.split(command))
        except SystemExit as end:
            status = end.code
    text = out.getvalue()
    if status not in (0, None) or holds not in text:
        print(f"{number:2} FAILED (status {status}) {command}\nwanted: {holds}\n{text}")
        sys.exit(1)
    print(f"{number:2} ok {command}")
print(f"all {len(steps)} steps")
