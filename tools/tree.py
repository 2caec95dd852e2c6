"""What the checks of the tree share: which files there are."""

import os
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))


def files(*endings):
    """The tree's own files (not ignored by git), by path from the root."""
    out = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others",
                          "--exclude-standard"], check=True, capture_output=True, text=True)
    paths = sorted(set(filter(None, out.stdout.split("\0"))))
    return [path for path in paths
            if path.endswith(endings) and os.path.isfile(os.path.join(ROOT, path))]


def lines(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read().splitlines()


def finish(problems):
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)
