"""A live server for the tests of ringlun, with one volume of its command line."""

import json
import os
import re
import sys

from ringlun_cmd import Ringlun, command

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from api import Api, part  # noqa: E402
from initiator import INITIATOR, Closed, Session  # noqa: E402,F401
from report import Report  # noqa: E402
from ringlun import IQN, Server, free_port, wait_for  # noqa: E402,F401

MIB = 1 << 20
GONE = "of-old"


class Rig:
    def __init__(self, server):
        self.server = server
        self.cli, self.api = Ringlun(server.api), Api(server.api)

    def volume(self, name):
        return self.api.ok("GET", f"/v1/volumes/{part(name)}")["volume"]

    def target(self, name):
        return self.api.ok("GET", f"/v1/targets/{part(name)}")["target"]

    def log_in(self, name, **options):
        """A session that has been told what a new one is told (29h)."""
        session = Session(self.server.port, IQN + name, **options)
        session.wait(session.command(bytes(6)))     # TEST UNIT READY
        return session

    def refuses(self, status, *words, says=""):
        """The command fails with @status; so it does with --json, which has the same sentence."""
        done = self.cli.fails(status, *words, says=says)
        again = self.cli.fails(status, *words, "--json")
        error = json.loads(again.out)
        assert (error.get("error") or error["job"]["error"])["message"] in done.err, (done, again)


def ended(session):
    try:
        session.pump(0.05)
    except (Closed, OSError):
        return True
    return False


def tested(*programs):
    """The words of those programs of this folder."""
    text = ""
    for name in programs:
        with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), name)) as file:
            text += file.read()
    return re.sub(r'",\s+"', '", "', text)


def run_checks(name, *functions):
    """Each with the rig of one server, in that order."""
    report = Report()
    command()
    server = Server(name, {GONE: "path=memory:,size=8M"},
                    args=["--api", f"127.0.0.1:{free_port()}"])
    token = os.path.join(server.dir, "token")
    with open(token, "w") as file:
        file.write("correct-horse-battery-staple\n")
    os.chmod(token, 0o600)
    server.args += ["--api-token", token]
    with server:
        rig = Rig(server)
        for function in functions:
            report.check(function.__name__.replace("_", " "), function, rig)
    report.finish()
