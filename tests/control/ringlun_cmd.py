"""The ringlun command for a test: run, on a terminal or not, and what it said."""

import collections
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from ringlun import LOGS, ROOT, die_with_parent, sanitizer_env  # noqa: E402

OK, FAILED, USAGE, NOT_FOUND, CONFLICT, NOT_REACHED, UNFINISHED = range(7)
Done = collections.namedtuple("Done", "status out err")


def command(preset="dev"):
    """The command to test: $RINGLUN, or what that preset builds."""
    path = os.environ.get("RINGLUN") or os.path.join(ROOT, "build", preset, "ringlun")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{path} is not there: cmake --preset {preset} && "
                           f"cmake --build --preset {preset}")
    return path


class Ringlun:
    """Calls the command with one server's socket."""

    def __init__(self, socket_path):
        self.socket_path = socket_path
        os.makedirs(LOGS, exist_ok=True)

    def env(self, more=None):
        env = sanitizer_env("ringlun-cli")
        env.update({"RINGLUN_SOCKET": self.socket_path, "COLUMNS": "", "LC_ALL": "C"})
        env.pop("RINGLUN_API", None)
        env.update(more or {})
        return env

    def start(self, *words, env=None, **options):
        return subprocess.Popen([command(), *words], env=self.env(env),
                                preexec_fn=die_with_parent, text=True,
                                **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                                   "stderr": subprocess.PIPE, **options})

    def __call__(self, *words, stdin="", env=None, cwd=None, seconds=60):
        done = subprocess.run([command(), *words], env=self.env(env), input=stdin, text=True,
                              capture_output=True, timeout=seconds, check=False, cwd=cwd,
                              preexec_fn=die_with_parent)
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *words, **options):
        """It must exit with 0, without a word of error; what it printed."""
        done = self(*words, **options)
        assert done.status == OK and not done.err, f"{words}: {done}"
        return done.out

    def json(self, *words, **options):
        return json.loads(self.ok(*words, "--json", **options))

    def fails(self, status, *words, says="", **options):
        """It must exit with @status and say @says (a regular expression)."""
        done = self(*words, **options)
        assert done.status == status, f"{words}: {status} was expected: {done}"
        assert re.search(says, done.err), f"{words}: no {says!r} in {done.err!r}"
        return done

    def terminal(self, *words, **options):
        return Terminal([command(), *words], self.env(), **options)


class Terminal:
    """A process on a pseudo terminal, standard output, input and error."""

    def __init__(self, words, env, rows=24, columns=80):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            die_with_parent()
            os.execve(words[0], words, env)
        self.text, self.status = "", None
        self.resize(rows, columns)

    def resize(self, rows, columns):
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.fd, text.encode())

    def kill(self, number):
        os.kill(self.pid, number)

    def read(self, seconds):
        """What comes in that time, added to self.text; False: nothing comes any more."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:     # EIO: it has ended
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern, seconds=20):
        """Waits until @pattern has come; forgets what was before its end."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.text)
            if found:
                self.text = self.text[found.end():]
                return found
            assert time.monotonic() < end, f"no {pattern!r} in {self.text!r}"
            assert self.read(0.1), f"it has ended, without {pattern!r}: {self.text!r}"

    def wait(self, seconds=20):
        """Its exit status; what it still said is in self.text."""
        end = time.monotonic() + seconds
        while self.read(0.1):
            assert time.monotonic() < end, f"it does not end: {self.text!r}"
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        os.close(self.fd)
        return self.status

    def stop(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
