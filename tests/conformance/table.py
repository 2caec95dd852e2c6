"""The results as Markdown."""

import os

import cu
import targets
from baseline import volume_of

RESULTS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "RESULTS.md")
HEAD = """# Conformance

{tool}, every test of `--test=ALL` in a process of its
own; each cell is PASS / SKIP / FAIL. Written by `tests/conformance/run --all-targets` on
{date}. The engines of ringlund are built with sanitizers; all targets serve {mib} MiB, blocks
of 512 bytes, thinly provisioned.

{versions}

"""


def families(by_column):
    """Markdown: a line per family."""
    columns = list(by_column)
    names = list(dict.fromkeys(test.split(".")[0] for test in by_column[columns[0]]))
    out = ["| family | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for family in names + [""]:
        cells = []
        for column in columns:
            part = {test: result for test, result in by_column[column].items()
                    if not family or test.split(".")[0] == family}
            cells.append(" / ".join(map(str, cu.counts(part))))
        out.append(f"| {family or '**all**'} | " + " | ".join(cells) + " |")
    return out


def differences(by_column):
    """The tests that do not end alike everywhere, column by column."""
    columns = list(by_column)
    out = ["| test | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for test in by_column[columns[0]]:
        cells = [by_column[column][test][0] for column in columns]
        if len(set(cells)) > 1:
            out.append(f"| {test} | " + " | ".join(cells) + " |")
    return out


def plain(reason):
    """What a tool says, in one line of Markdown."""
    return reason.replace("|", "\\|").replace("<", "&lt;")


def not_passed(by_column, expected, words):
    """Each reason once, with the columns that it is for."""
    rows = {}
    for column, results in by_column.items():
        for test, (result, reason) in results.items():
            if result in words:
                why = expected.get(test, {}).get("why") if volume_of(column) else ""
                rows.setdefault((test, result, reason, why), []).append(column)
    order = list(next(iter(by_column.values())))
    return [f"- {test}: {', '.join(columns)}: {result}: {plain(reason)}{f' [{why}]' if why else ''}"
            for (test, result, reason, why), columns
            in sorted(rows.items(), key=lambda row: order.index(row[0][0]))]


def text(by_column, expected):
    out = families(by_column)
    if len(by_column) > 1:
        out += ["", "## Where they differ", ""] + differences(by_column)
    out += ["", "## What failed", "", "As the tool says it; in brackets what we say of ringlund.", ""]
    out += not_passed(by_column, expected, ("FAIL",))
    out += ["", "## What was skipped", ""] + not_passed(by_column, expected, ("SKIP",))
    return "\n".join(out) + "\n"


def save(by_column, expected, versions, date):
    with open(RESULTS, "w") as file:
        file.write(HEAD.format(tool=f"Debian's `iscsi-test-cu` ({targets.package('libiscsi-bin')})",
                               date=date, mib=targets.MIB,
                               versions="\n".join(f"- {version}" for version in versions)))
        file.write(text(by_column, expected))
