#!/usr/bin/env python3
"""The areas of tests/run: each prints verdict lines (report.py), which are counted.

    tests/run [--full] [--engine auto|io_uring|epoll] [--list] [AREA...]"""

import argparse
import fnmatch
import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree

from ringlun import LOGS, ROOT, die_with_parent

MINUTE = 60


class Failed(Exception):
    """An area cannot go on; the text says why."""


class Run:
    """Counts verdicts, and builds each preset at most once."""

    def __init__(self, full):
        self.full = full
        self.passed = self.failed = self.skipped = 0
        self.area = ""
        self.built = {}
        with open(os.path.join(ROOT, "tests", "skips")) as file:
            rows = [line.split(None, 1) for line in file
                    if line.strip() and not line.startswith("#")]
        self.may_skip = [pattern for pattern, reason in rows if reason.strip()]

    def ok(self, name, note=""):
        self.passed += 1
        print(f"ok    {self.area}/{name} {note}".rstrip(), flush=True)

    def fail(self, name, why=""):
        self.failed += 1
        print(f"FAIL  {self.area}/{name}", flush=True)
        for line in str(why).rstrip().splitlines()[-60:]:
            print(f"      | {line}", flush=True)

    def skip(self, name, reason):
        if any(fnmatch.fnmatch(f"{self.area}/{name}", p) for p in self.may_skip):
            self.skipped += 1
            print(f"skip  {self.area}/{name}: {reason}", flush=True)
        else:
            self.fail(name, f"skipped, and tests/skips does not say why it may be: {reason}")

    def line(self, line):
        """One line of an area's program."""
        verdict = re.match(r"(ok|FAIL|skip)\s+(.*)", line)
        if not verdict:
            print(line, flush=True)
        elif verdict[1] == "ok":
            self.ok(verdict[2])
        elif verdict[1] == "FAIL":
            self.fail(verdict[2])
        else:
            name, _, reason = verdict[2].partition(": ")
            self.skip(name, reason)

    # --- programs ---------------------------------------------------------------

    def program(self, *command, seconds=10 * MINUTE, **env):
        """Run a program that prints verdict lines, and count them."""
        before = (self.passed, self.failed, self.skipped)
        words = [str(word) for word in command]
        log = os.path.join(LOGS, f"{self.area}.out")
        process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   errors="replace", start_new_session=True,
                                   preexec_fn=die_with_parent, env={**os.environ, **env})
        late = threading.Event()

        def give_up():
            late.set()
            os.killpg(process.pid, signal.SIGKILL)  # its own group, made above
        timer = threading.Timer(seconds, give_up)
        timer.start()
        with process.stdout, open(log, "a") as file:
            for line in process.stdout:
                file.write(line)
                self.line(line.rstrip("\n"))
        status = process.wait()
        timer.cancel()
        short = os.path.relpath(words[0], ROOT) if words[0].startswith("/") else words[0]
        if late.is_set():
            self.fail(short, f"not done after {seconds} s")
        elif status and self.failed == before[1]:
            self.fail(short, f"status {status}, and no FAIL line")
        elif (self.passed, self.failed, self.skipped) == before:
            self.fail(short, "printed no verdict")

    def command(self, name, *command, seconds=10 * MINUTE, **env):
        """Run a program whose exit status is the verdict."""
        begin = time.monotonic()
        try:
            done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  errors="replace", timeout=seconds, check=False,
                                  env={**os.environ, **env})
        except subprocess.TimeoutExpired as late:
            output = late.output or b""
            self.fail(name, f"{output.decode(errors='replace')}\nnot done after {seconds} s")
            return False
        if done.returncode:
            self.fail(name, done.stdout or f"status {done.returncode}")
            return False
        self.ok(name, f"{time.monotonic() - begin:.1f} s")
        return True

    # --- builds and ctest ---------------------------------------------------------

    def build(self, preset, *options):
        """Configure and build a preset, as a check of its own; its folder."""
        if preset not in self.built:
            self.built[preset] = self.command(
                f"build {preset}", "sh", "-c",
                'preset=$1; shift; cmake --preset "$preset" "$@" >/dev/null && '
                'cmake --build --preset "$preset"', "sh", preset, "-DRINGLUN_WERROR=ON",
                *options, seconds=20 * MINUTE)
        if not self.built[preset]:
            raise Failed(f"preset {preset} does not build")
        return os.path.join(ROOT, "build", preset)

    def ctest(self, folder, label, *options, prefix=(), seconds=10 * MINUTE):
        junit = os.path.join(LOGS, f"{self.area}.xml")
        command = [*prefix, "ctest", "--test-dir", folder, "-L", f"^({label})$", "-j2",
                   "--output-junit", junit, "--test-output-size-passed", "1000000",
                   "--test-output-size-failed", "1000000", *options]
        if os.path.exists(junit):
            os.unlink(junit)
        try:
            done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"ctest was not done after {seconds} s") from None
        if not os.path.exists(junit):
            raise Failed(f"ctest wrote no results:\n{done.stdout}")
        cases = list(xml.etree.ElementTree.parse(junit).getroot().iter("testcase"))
        if not cases:
            raise Failed(f"no tests are labelled {label}")
        for case in cases:
            self.ctest_case(case)

    def ctest_case(self, case):
        name, output = case.get("name"), case.findtext("system-out") or ""
        tests = len(re.findall(r"^\[       OK \]", output, re.M))
        if case.get("status") == "run":
            self.ok(name, f"{float(case.get('time') or 0):.1f} s"
                    + (f", {tests} tests" if tests else ""))
            for part in sorted(set(re.findall(r"^\[  SKIPPED \] (\w+)$", output, re.M))):
                self.skip(f"{name}.{part}", "cmocka says SKIPPED")
        elif case.find("skipped") is not None and case.get("status") != "fail":
            self.skip(name, output.strip().splitlines()[-1] if output.strip() else "no reason")
        else:
            failure = case.find("failure")
            why = failure.get("message") if failure is not None else case.get("status")
            self.fail(name, f"{output}\n{why}")

    def sanitizer_reports(self):
        for path in sorted(glob.glob(os.path.join(LOGS, "sanitizer.*"))):
            with open(path, errors="replace") as file:
                self.fail(os.path.basename(path), file.read())
            os.rename(path, os.path.join(LOGS, f"was-{os.path.basename(path)}"))


# --- the areas, in the order of a run ---------------------------------------------

def checks(run):
    """formatting, layers, sizes, spelling, scripts, man page, both compilers"""
    for tool in ("check_format", "check_layers", "check_size"):
        run.command(tool, os.path.join(ROOT, "tools", tool))
    run.command("codespell", "codespell")
    run.command("shellcheck", "sh", "-c",
                "git ls-files | while read -r f; do head -n 1 \"$f\" | "
                "grep -a -q -e '^#!/bin/\\(ba\\)\\?sh' && echo \"$f\"; case $f in *.sh|*.bash) echo \"$f\";; "
                "esac; done | sort -u | xargs shellcheck -S warning")
    run.command("man pages", "sh", "-c", "mandoc -T lint -W warning tools/man/*.[1-8]")
    run.build("dev")
    run.build("release")
    run.build("clang")


def unit(run):
    """each pure part by itself"""
    run.ctest(run.build("dev"), "unit")


def component(run):
    """the whole server on the fake waist"""
    run.ctest(run.build("dev"), "component")


def powercut(run):
    """the fake loses or tears what was not synced; mutants are killed"""
    run.ctest(run.build("dev"), "powercut")


def fuzz(run):
    """the corpus replayed; with --full each target for ten minutes"""
    run.ctest(run.build("dev"), "fuzz")
    if not run.full:
        return
    run.command("each target for ten minutes", os.path.join(ROOT, "tests", "fuzz", "run"), "600",
                seconds=3 * 60 * MINUTE)


def tsan(run):
    """ThreadSanitizer, on epoll: hand-offs through a ring it cannot see"""
    # its shadow memory does not fit every address layout
    seen = ["env", "RINGLUN_TEST_ENGINE=epoll"]  # its hand-offs are
    fixed = ["setarch", "-R"] if subprocess.run(["setarch", "-R", "true"], check=False,
                                                capture_output=True).returncode == 0 else []
    # test_faults puts a malloc of its own in TSan's way, and has one thread only
    run.ctest(run.build("tsan"), "unit|component", "-E", "io_uring|test_faults", prefix=seen + fixed)
    run.program(*fixed, os.path.join(ROOT, "tests", "storm", "run"), "--preset", "tsan",
                "--engine", "epoll", "--seconds", "300" if run.full else "30")


def protocol(run):
    """a client that does what no initiator does; each way that login keys and data can meet"""
    run.build("dev")
    folder = os.path.join(ROOT, "tests", "raw")
    run.program("python3", os.path.join(folder, "coverage.py"))
    run.program("python3", os.path.join(folder, "run.py"))
    run.program("python3", os.path.join(folder, "matrix.py"), *(["--full"] if run.full else []),
                seconds=60 * MINUTE)


def scale(run):
    """300 logins at once, 1,000 sessions, units, targets; limits; peers that behave badly"""
    run.build("dev")
    run.build("release")
    run.program(os.path.join(ROOT, "tests", "scale", "run"), *(["--full"] if run.full else []),
                seconds=40 * MINUTE)


def tools(run):
    """start and end; QEMU's initiator, libiscsi's tools, and bench/load"""
    run.build("dev")
    run.program(os.path.join(ROOT, "tests", "tools", "start"))
    run.program(os.path.join(ROOT, "tests", "tools", "run"))
    run.program(os.path.join(ROOT, "tests", "tools", "load"))


def bench(run):
    """bench/run and bench/metrics from end to end: their tables and files, not speed"""
    run.build("release")
    run.program(os.path.join(ROOT, "tests", "tools", "race"))
    run.program(os.path.join(ROOT, "tests", "tools", "watched"))


def conformance(run):
    """Debian's iscsi-test-cu against the baseline"""
    run.build("dev")
    run.program(os.path.join(ROOT, "tests", "conformance", "run"),
                "--json", os.path.join(LOGS, "conformance.json"), seconds=15 * MINUTE)


def control(run):
    """the API, the state, ringlun and the metrics: each program of tests/control"""
    run.build("dev")
    folder = os.path.join(ROOT, "tests", "control")
    for path in sorted(glob.glob(os.path.join(folder, "*"))):
        if os.path.isfile(path) and os.access(path, os.X_OK):   # but modules, *.py
            run.program(path, *(["--full"] if run.full else []), seconds=30 * MINUTE)


def kill(run):
    """SIGKILL and a start at once, over and over: what was acknowledged is there"""
    run.build("dev")
    run.program(os.path.join(ROOT, "tests", "crash", "kill"),
                *(["--rounds", "200"] if run.full else []), seconds=30 * MINUTE)


def crash(run):
    """power cuts under ext4, stalled disks, the memory budget"""
    run.build("dev")
    run.build("release")
    folder = os.path.join(ROOT, "tests", "crash")
    run.program(os.path.join(folder, "replay"), *(["--full"] if run.full else []),
                seconds=60 * MINUTE)
    run.program(os.path.join(folder, "zombie"))
    run.program(os.path.join(folder, "cold"))
    run.program(os.path.join(folder, "tmf"))
    run.program(os.path.join(folder, "memory"))


def storm(run):
    """a minute (--full: ten) of logins, aborts and disconnects under load"""
    run.build("dev")
    run.program(os.path.join(ROOT, "tests", "storm", "run"),
                "--seconds", "600" if run.full else "60", seconds=30 * MINUTE)


def guest(run):
    """the kernel's initiator"""
    run.build("release")
    run.program(os.path.join(ROOT, "tests", "guest", "run"), *(["--full"] if run.full else []),
                seconds=180 * MINUTE if run.full else 20 * MINUTE)


def package(run):
    """the Debian package in a fresh root: systemd, an upgrade under load, removal"""
    run.build("release")
    run.program(os.path.join(ROOT, "tests", "package", "run"), seconds=12 * MINUTE)


def epoll(run):
    """the engine for hosts that refuse io_uring: chosen by itself under seccomp; a short run on it"""
    run.build("dev")
    run.build("release")
    run.program(os.path.join(ROOT, "tests", "engine", "run"))
    on_it = {"RINGLUN_TEST_ENGINE": "epoll"}
    run.program("python3", os.path.join(ROOT, "tests", "raw", "run.py"), **on_it)
    run.program(os.path.join(ROOT, "tests", "tools", "run"), **on_it)
    run.program(os.path.join(ROOT, "tests", "crash", "zombie"), **on_it)
    run.program(os.path.join(ROOT, "tests", "guest", "run"), "basic", **on_it)


def quickstart(run):
    """tools/quickstart --check"""
    run.command("--check", os.path.join(ROOT, "tools", "quickstart"), "--check")


AREAS = {area.__name__: area for area in (
    checks, unit, component, powercut, fuzz, tsan, protocol, scale, tools, bench, conformance, control, kill, crash,
    storm, guest, package, epoll, quickstart)}


def run_area(run, name):
    run.area = name
    open(os.path.join(LOGS, f"{name}.out"), "w").close()
    print(f"=== {name}: {AREAS[name].__doc__}", flush=True)
    begin, before = time.monotonic(), (run.passed, run.failed, run.skipped)
    try:
        AREAS[name](run)
        if (run.passed, run.failed, run.skipped) == before:
            run.fail("nothing", "the area made no check")
    except Failed as why:
        run.fail("stopped", why)
    run.sanitizer_reports()
    return (name, time.monotonic() - begin, run.passed - before[0], run.failed - before[1],
            run.skipped - before[2])


def main():
    parser = argparse.ArgumentParser(prog="tests/run")
    parser.add_argument("--full", action="store_true", help="the long variants, too")
    parser.add_argument("--engine", choices=("auto", "io_uring", "epoll"), help="for all servers")
    parser.add_argument("--list", action="store_true", help="list the areas")
    parser.add_argument("area", nargs="*", metavar="AREA")
    options = parser.parse_args()
    if options.list:
        for name, area in AREAS.items():
            print(f"{name:<12} {area.__doc__}")
        return
    unknown = [name for name in options.area if name not in AREAS]
    if unknown:
        parser.error(f"no such area: {' '.join(unknown)} (--list)")
    if options.engine:
        os.environ["RINGLUN_TEST_ENGINE"] = options.engine
    os.makedirs(LOGS, exist_ok=True)
    for old in glob.glob(os.path.join(LOGS, "*sanitizer.*")):
        os.unlink(old)
    run = Run(options.full)
    rows = [run_area(run, name) for name in options.area or AREAS]
    print(f"\n{'area':<12} {'seconds':>8} {'passed':>7} {'failed':>7} {'skipped':>8}")
    for row in rows:
        print("%-12s %8.0f %7d %7d %8d" % row)
    print(f"{run.passed} passed, {run.failed} failed, {run.skipped} skipped", flush=True)
    sys.exit(1 if run.failed else 0)


main()
