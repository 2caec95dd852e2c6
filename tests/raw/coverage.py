#!/usr/bin/python3
"""Whether each test that COVERAGE.md names exists: a table of what is proved must not rot."""

import fnmatch
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(HERE, "..")
sys.path.insert(0, os.path.join(TESTS, "lib"))

import report  # noqa: E402


def functions(path, pattern):
    with open(path) as file:
        return set(re.findall(pattern, file.read(), re.M))


def tests_of(where, known):
    """The names that a file of tests has."""
    if where not in known:
        if where.endswith(".c"):
            path, pattern = os.path.join(TESTS, where), r"cmocka_unit_test\((\w+)\)"
        elif where == "matrix":
            path, pattern = os.path.join(HERE, "matrix.py"), r"^    def (\w+)\("
        else:
            path, pattern = os.path.join(HERE, f"test_{where}.py"), r"^    def test_(\w+)\("
        assert os.path.exists(path), f"there is no {os.path.relpath(path, TESTS)}"
        known[where] = functions(path, pattern)
    return known[where]


def check_row(cells, known):
    assert len(cells) == 3, f"{len(cells)} cells"
    section, rule, tests = cells
    assert re.match(r"(\d|C$|[\w., ]+$)", section) and len(rule) > 10, f"{section}: {rule}"
    if tests.startswith("none: "):
        assert len(tests) > 20, f"{section}: no reason"
        return
    assert tests, f"{section}: neither a test nor a reason"
    for test in tests.split():
        where, _, name = test.rpartition(":" if ".c:" in test else "/")
        assert fnmatch.filter(tests_of(where, known), name), f"{section}: there is no {test}"


def rows():
    with open(os.path.join(HERE, "COVERAGE.md")) as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if line.startswith("|") and cells[0] != "section" and not cells[0].startswith("-"):
                yield cells


def main():
    out, known = report.Report(), {}
    table = list(rows())
    for number, cells in enumerate(table, 1):
        try:
            check_row(cells, known)
            assert table.index(cells) == number - 1, f"{cells[0]}: stands there twice"
        except AssertionError as wrong:
            out.fail(f"COVERAGE.md, row {number}", wrong)
    if len(table) < 100:
        out.fail("COVERAGE.md", f"only {len(table)} rows were read")
    if not out.failed:
        out.ok(f"COVERAGE.md, {len(table)} rules")
    out.finish()


if __name__ == "__main__":
    main()
