#!/usr/bin/python3
"""All raw tests, against a server of our own, or with --portal against one that runs:

    tests/raw/run.py [-k WORD]
    tests/raw/run.py --portal HOST:PORT --target IQN [-k WORD]"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import rawtest  # noqa: E402
import ringlun  # noqa: E402


def main():
    argv = sys.argv[1:]
    if "--portal" in argv or "-h" in argv:
        args = rawtest.options(argv)
        return rawtest.run(rawtest.all_tests(), args.k)
    with ringlun.Server("raw", {"raw": "path=memory:,size=64M"}) as server:
        args = rawtest.options(["--portal", "127.0.0.1:%d" % server.port,
                                "--target", ringlun.IQN + "raw", *argv])
        rawtest.Options.own = True
        return rawtest.run(rawtest.all_tests(), args.k)


if __name__ == "__main__":
    sys.exit(main())
