"""What the tests of ringlun against a fake server share."""

import os
import sys

from fake_api import FakeApi
from ringlun_cmd import Ringlun

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from report import Report  # noqa: E402
from ringlun import wait_for  # noqa: E402,F401

IQN = "iqn.2026-11.io.ringlun:"
VOLUME = {"name": "db1", "id": "0f0e0d0c-0b0a-4908-8706-050403020100", "pool": "default",
          "kind": "file", "state": "available", "error": None, "size": 100 << 30,
          "block_size": 512, "path": "/var/lib/ringlun/pool/layers/1.data", "cache": "direct",
          "writethrough": False, "read_only": False, "allocated": 3 << 29,
          "created": "2026-11-21T06:00:00Z", "exposed": [{"target": IQN + "db1", "lun": 0}],
          "sessions": 0, "origin": "pool"}
TARGET = {"name": IQN + "db1", "luns": [{"lun": 0, "volume": "db1"}], "shared": False,
          "allow": None, "chap": None, "portals": [], "redirect": None, "sessions": 0,
          "origin": "pool"}


def volume(**fields):
    return {"volume": {**VOLUME, **fields}}


def fresh(api, *, portal="10.0.0.1:3260"):
    api.forget()
    api.answer("GET", "/v1/volumes/db1", volume())
    api.answer("GET", "/v1/portals", {"portals": [{"address": portal, "origin": "state"}]})


def run_checks(*functions):
    """Each with the fake, the command, and a folder of its own."""
    report = Report()
    with FakeApi() as api:
        cli = Ringlun(api.socket_path)
        for function in functions:
            folder = os.path.join(api.dir, function.__name__)
            os.mkdir(folder)
            words = (api, cli, folder)[:function.__code__.co_argcount]
            report.check(function.__name__.replace("_", " "), function, *words)
    report.finish()
