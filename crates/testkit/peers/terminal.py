"""Plays a person at a terminal: runs the given ssh command on a pty and types.

Ends with 0 when all that was expected came, else says what did not.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

DEADLINE = 30


class Terminal:
    def __init__(self, command):
        self.seen = b""
        self.passed = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            # ssh asks for the size as it starts: it must be right by then.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 117, 0, 0))
            os.execv(command[0], command)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def expect(self, text):
        """Reads until `text` came after all that was expected before."""
        wanted = text.encode()
        until = time.monotonic() + DEADLINE
        while wanted not in self.seen:
            ready, _, _ = select.select([self.master], [], [], 0.2)
            if ready:
                try:
                    chunk = os.read(self.master, 65536)
                except OSError:
                    chunk = b""
                if not chunk:
                    self.fail(text, "the terminal closed")
                self.seen += chunk
            if time.monotonic() > until:
                self.fail(text, "nothing more came")
        self.passed, self.seen = self.seen.split(wanted, 1)
        if os.environ.get("TERMINAL_SHOW"): print(repr(text), repr(self.passed), file=sys.stderr)

    def fail(self, text, reason):
        os.kill(self.pid, signal.SIGKILL)
        sys.exit(f"waited for {text!r}: {reason}; unread: {self.seen!r}")

    def wait(self):
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if ready:
                try:
                    self.seen += os.read(self.master, 65536)
                except OSError:
                    pass
        self.fail("the end", "ssh still runs")


def main():
    terminal = Terminal(sys.argv[1:])
    # A prompt of our own; the expression keeps the echo from looking like it.
    terminal.type("PS1='rea''dy> '; export PS1\n")
    terminal.expect("ready> ")
    terminal.type("stty size\n")
    terminal.expect("31 117")
    terminal.expect("ready> ")
    terminal.resize(40, 99)
    until = time.monotonic() + DEADLINE
    # The change travels beside the data, so the first look may be early.
    while True:
        terminal.type("test \"$(stty size)\" = '40 99' && echo si''ze=new || echo si''ze=old\n")
        terminal.expect("size=")
        terminal.expect("ready> ")
        if terminal.passed.startswith(b"new"):
            break
        if time.monotonic() > until:
            terminal.fail("40 99", "the size stayed as it was")
        time.sleep(0.1)
    # Ctrl-C reaches the command, not the client.
    terminal.type("sleep 100; echo co''de $?\n")
    time.sleep(0.5)
    terminal.type("\x03")
    terminal.expect("ready> ")
    terminal.type("echo st''ill here\n")
    terminal.expect("still here")
    # End of input ends the shell; its code comes back.
    terminal.type("exit 23\n")
    code = terminal.wait()
    if code != 23:
        sys.exit(f"expected code 23, got {code}")


if __name__ == "__main__":
    main()
