"""Debian's iscsi-test-cu, one process per test.

The tool itself counts a skipped test as passed, and one that crashes takes the rest
with it: hence a process each, and a look at the text."""

import re
import subprocess

import ringlun

LIMIT_SECONDS = 90


def list_tests(prefix=""):
    """Each test once: the family ALL has them all."""
    lines = ringlun.run("iscsi-test-cu", "--list").split()
    tests = [line[len("ALL."):] for line in lines if re.fullmatch(r"ALL\.[\w-]+\.[\w-]+", line)]
    return [test for test in tests if test.startswith(prefix)]


def run_test(test, urls):
    """Returns (result, reason)."""
    command = ["iscsi-test-cu", "--dataloss", "--verbose", f"--test=ALL.{test}", *urls]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return "FAIL", f"not done after {LIMIT_SECONDS} s"
    text = done.stdout.decode(errors="replace")
    ran = re.search(r"^ +tests +(\d+) +(\d+) +(\d+) +(\d+)", text, re.M)
    if not ran:
        last = [line.strip() for line in text.splitlines() if line.strip()][-1:]
        return "FAIL", f"status {done.returncode}, no summary: {''.join(last)}"
    if int(ran[4]) or done.returncode:
        test_only = text[max(text.find("Suite: "), 0):]
        first = re.search(r"\[FAILED\] *(.*)", test_only) or \
            re.search(r"^ +1\. (.*)", test_only, re.M)
        reason = first[1] if first else f"status {done.returncode}"
        return "FAIL", reason.partition("[SKIPPED]")[0].strip()    # that is of the tidying up
    if ran[2] != "1" or ran[3] != "1":
        return "FAIL", f"ran {ran[2]} tests, {ran[3]} passed, instead of one"
    # what comes before and after is the tool's own probing and tidying up
    body = re.search(r"^ *Test: .*?(?=passed\s+(?:Send PRIN|\[SKIPPED\] PERS)|^Run Summary|\Z)",
                     text, re.M | re.S)
    skipped = re.search(r"\[SKIPPED\] *(.*)", body[0] if body else text)
    if skipped:
        return "SKIP", skipped[1].strip()
    return "PASS", ""


def run_all(tests, url):
    """Against the address twice: the MultipathIO tests have a second session."""
    return {test: run_test(test, [url] * 2) for test in tests}


def counts(results):
    values = [result for result, _ in results.values()]
    return tuple(values.count(word) for word in ("PASS", "SKIP", "FAIL"))
