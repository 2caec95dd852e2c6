"""Verdict lines, the one language between the tests and tests/run:

    ok    NAME  1.2 s
    FAIL  NAME  1.2 s
          | what went wrong
    skip  NAME: reason

A program prints them on standard output as they come, and its exit status says
whether there was a FAIL."""

import sys
import time
import traceback


class Skip(Exception):
    """Raised by a check that cannot be made here; its text is the reason."""


class Report:
    def __init__(self):
        self.failed = 0

    def _line(self, word, name, rest=""):
        print(f"{word:<5} {name}{rest}", flush=True)

    def ok(self, name, seconds=None):
        self._line("ok", f"{name:<44}" if seconds is not None else name,
                   f" {seconds:5.1f} s" if seconds is not None else "")

    def fail(self, name, why="", seconds=None):
        self.failed += 1
        self._line("FAIL", f"{name:<44}" if seconds is not None else name,
                   f" {seconds:5.1f} s" if seconds is not None else "")
        for line in str(why).rstrip().splitlines()[-40:]:
            print(f"      | {line}", flush=True)

    def skip(self, name, reason):
        self._line("skip", f"{name}: {reason}")

    def check(self, name, function, *args, **kwargs):
        """Run it; an exception is the failure."""
        begin = time.monotonic()
        try:
            result = function(*args, **kwargs)
        except Skip as reason:
            self.skip(name, reason)
        except AssertionError as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.fail(name, f"{error}\n{where.filename}:{where.lineno}: {where.line}",
                      time.monotonic() - begin)
        except Exception:
            self.fail(name, traceback.format_exc(), time.monotonic() - begin)
        else:
            self.ok(name, time.monotonic() - begin)
            return result
        return None

    def finish(self):
        sys.exit(1 if self.failed else 0)
