"""The baseline (`expected`): what ringlund's volumes are known to answer, and why not
PASS. The same whatever engine carries the bytes."""

import os

EXPECTED = os.path.join(os.path.dirname(os.path.realpath(__file__)), "expected")
BETTER = {"PASS": 2, "SKIP": 1, "FAIL": 0}


def volume_of(column):
    """io_uring-memory: the baseline's column is memory."""
    return column.partition("-")[2]


def load():
    """test -> {volume: result}, and "why" for the comment behind it."""
    if not os.path.exists(EXPECTED):
        return {}
    with open(EXPECTED) as file:
        rows = [line.partition("#")[::2] for line in file if not line.startswith("#")]
    rows = [(words.split(), why.strip()) for words, why in rows if words.strip()]
    columns = rows[0][0][1:]
    return {words[0]: {**dict(zip(columns, words[1:])), "why": why} for words, why in rows[1:]}


def save(by_column, old):
    """From the columns of one engine."""
    columns = {volume_of(column): results for column, results in by_column.items()}
    with open(EXPECTED, "w") as file:
        file.write("# The baseline of tests/conformance/run: a worse result than this is a\n"
                   "# regression. Rewritten by --update, which keeps the comments.\n")
        file.write(f"{'test':<48} {' '.join(columns)}\n")
        for test in next(iter(columns.values())):
            row = " ".join(f"{columns[c][test][0]:<{len(c)}}" for c in columns).rstrip()
            why = old.get(test, {}).get("why")
            file.write(f"{test:<48} {row}{'  # ' + why if why else ''}\n")


def judge(report, column, results, expected):
    """Verdict lines against the baseline; without one, a FAIL is a failure."""
    for test, (result, reason) in results.items():
        name = f"{column}/{test}"
        want = expected.get(test, {}).get(volume_of(column))
        if want and BETTER[result] > BETTER[want]:
            print(f"note: {name}: {result}, better than the baseline's {want} (--update)")
        if want is None and result != "FAIL":
            want = result
        if result == "SKIP" and want != "PASS":
            report.skip(name, reason)
        elif BETTER[result] >= BETTER[want or "SKIP"]:
            report.ok(f"{name}{' (as expected: FAIL)' if result == 'FAIL' else ''}")
        else:
            report.fail(name, f"{result}, expected {want or 'no failure'}: {reason}")
