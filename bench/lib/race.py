"""The race itself: groups of targets on the same backing, measured in turn."""

import contextlib
import os
import shutil
import sys
import tempfile
import time

import machine
from initiator import Closed, Session
from measure import CASES, Meter, fill
from results import summary
from targets import MIB, Bare, Failed, Fio, Istgt, Ringlun, Tgt

IDLE_SESSIONS = 100
SETTLE_SECONDS = 0.05
ERRORS = (Failed, Closed, AssertionError, OSError)


def progress(text):
    """On a terminal one line that changes."""
    before, after = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{before}{text}", end=after, file=sys.stderr, flush=True)


def write_file(path, size):
    """In full: a first write into a hole costs more, and is not what is measured."""
    data = os.urandom(MIB)
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_back(path, drop=False):
    """What one target wrote must not reach the disk while the next one is measured."""
    fd = os.open(path, os.O_RDWR)
    try:
        os.fdatasync(fd)
        if drop:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


class Race:
    def __init__(self, options, programs):
        self.options, self.programs = options, programs
        self.folders = contextlib.ExitStack()
        self.ram, self.disk = self.folder(options.ram), self.folder(options.disk)
        self.files = {"ram": os.path.join(self.ram, "disk.img"),
                      "cache": os.path.join(self.disk, "disk.img")}
        self.files["direct"] = self.files["cache"]
        self.ram_fs, self.disk_fs = (machine.file_system(path) for path in (self.ram, self.disk))
        self.groups = {"ram": f"memory, or a file on {self.ram_fs}",
                       "cache": f"a file on {self.disk_fs}, through the page cache",
                       "direct": f"a file on {self.disk_fs}, O_DIRECT"}
        self.meter = Meter(programs.load, programs.fio, options.seconds,
                           options.server_cpus, options.load_cpus)
        self.running = []
        self.rows, self.idle_rows, self.scaling_rows = [], [], []

    def folder(self, where):
        path = tempfile.mkdtemp(prefix=f"ringlun-bench.{os.getpid()}.", dir=where)
        self.folders.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.stop_all()
        finally:
            self.folders.close()

    # --- who races --------------------------------------------------------------------

    def targets(self, group):
        """Ours first: the tables compare with them."""
        path, size = self.files[group], self.options.size
        peers = [peer for peer in self.options.peer if peer.group == group]
        for peer in peers:
            peer.file, peer.size = path, size
        if group == "ram":
            return [self.ours("memory", group, "memory:, filled", f"path=memory:,size={size}"),
                    self.ours(self.ram_fs, group, f"file on {self.ram_fs}",
                              f"path={path},cache=buffered"),
                    Tgt("tgt rdwr", group, f"file on {self.ram_fs}, 16 threads", path, "rdwr"),
                    Istgt("istgt", group, f"file on {self.ram_fs}", path, size),
                    *peers, Bare(self.programs.bare, False), Bare(self.programs.bare, True)]
        backing = f"file on {self.disk_fs}"
        if group == "cache":
            return [self.ours("buffered", group, f"{backing}, page cache",
                              f"path={path},cache=buffered"),
                    Tgt("tgt rdwr", group, f"{backing}, page cache", path, "rdwr"),
                    Istgt("istgt", group, f"{backing}, page cache", path, size), *peers]
        return [self.ours("direct", group, f"{backing}, O_DIRECT", f"path={path}"),
                Tgt("tgt aio", group, f"{backing}, O_DIRECT, libaio", path, "aio"), *peers,
                Fio(group, f"{backing}, O_DIRECT, no network", path, "io_uring"),
                Fio(group, f"{backing}, O_DIRECT, no network", path, "libaio")]

    def ours(self, kind, group, backing, spec, reactors=1):
        return Ringlun(f"ringlun {kind}", group, backing, self.programs.ringlund, spec, reactors,
                       self.options.engine)

    # --- their lives ------------------------------------------------------------------

    def start(self, target):
        self.running.append(target)
        folder = os.path.join(self.disk, f"{target.group}.{target.name.replace(' ', '-')}"
                              .replace("/", "_"))
        target.start(folder, target.cpus or self.options.server_cpus)
        target.bytes = fill(target, self.options.size) if target.fill else self.options.size

    def stop(self, target):
        target.stop()
        self.running.remove(target)

    def stop_all(self):
        for target in list(self.running):
            self.stop(target)

    def turn(self, target):
        """This one runs; all others do not."""
        for other in self.running:
            if other is not target:
                other.freeze()
        if target not in self.running or not target.alive():
            if target in self.running:
                self.stop(target)
            if target.failures >= 2:
                raise Failed(target.why)
            target.failures += 1
            self.start(target)
            target.failures = 0
        target.thaw()
        time.sleep(SETTLE_SECONDS)

    def attempt(self, target, what):
        """The result of @what; the reason when it fails, and then a new server the next time."""
        try:
            self.turn(target)
            return what()
        except ERRORS as error:
            why = " ".join(str(error).split()) or type(error).__name__
            if target.process and target.folder:
                log = target.last_line()
                why += f"; {'its log' if target.alive() else 'it ended'}: {log}" \
                    if log not in why else ""
            target.why = why
            if target in self.running:
                self.stop(target)
            return {"error": why}

    # --- what is measured -------------------------------------------------------------

    def group(self, name, cases):
        """All cases of a group; its rows."""
        if os.path.exists(self.files[name]):
            write_back(self.files[name], drop=True)
        else:
            write_file(self.files[name], self.options.size)
        targets = self.targets(name)
        rows = [row for case in cases for row in self.case(case, targets)]
        for target in targets:
            target.rss_after = machine.rss_bytes(target.pids())
        self.after(targets)
        self.stop_all()
        return rows

    def after(self, targets):
        for row in self.idle_rows:
            for target in targets:
                if (row["group"], row["target"]) == (target.group, target.name):
                    row["rss_after"] = target.rss_after or None

    def case(self, name, targets):
        rows = [{"group": target.group, "case": name, "target": target.name, "ours": target.ours,
                 "limit": target.limit, "rounds": [], "fio_rounds": []} for target in targets]
        self.rows += rows
        pairs = list(zip(targets, rows))
        for number in range(self.options.rounds):
            shift = number % len(pairs)
            for target, row in pairs[shift:] + pairs[:shift]:
                progress(f"{target.group}, {name}, round {number + 1} of {self.options.rounds}: "
                         f"{target.name}")
                self.measure(target, CASES[name], row)
        for row in rows:
            conclude(row)
        return rows

    def measure(self, target, case, row):
        row["rounds"].append(self.attempt(
            target, lambda: self.meter.measure(target, case, target.bytes)))
        if self.programs.fio and target.scheme == "iscsi" and "error" not in row["rounds"][-1]:
            row["fio_rounds"].append(self.attempt(
                target, lambda: self.meter.with_fio(self.programs.fio, target, case,
                                                    target.bytes)))
        if case.writes and target.group != "ram":
            write_back(self.files[target.group])

    def idle(self):
        """Each by itself, newly started, first without sessions and then with many."""
        self.idle_rows = []
        for group in self.options.group:
            if not os.path.exists(self.files[group]):
                write_file(self.files[group], self.options.size)
            for target in self.targets(group):
                if target.scheme != "iscsi" or \
                        target.name in [row["target"] for row in self.idle_rows]:
                    continue
                progress(f"idle: {target.name}")
                fills, target.fill = target.fill, False
                row = self.attempt(target, lambda one=target: self.idle_one(one))
                self.idle_rows.append({"group": group, "target": target.name, **row})
                self.stop_all()
                target.fill = fills     # a peer is raced, too

    def idle_one(self, target):
        pids = target.pids()
        row = {"rss_start": machine.rss_bytes(pids), "cpu_ms_per_s": self.cpu_while(pids, [])}
        sessions, end = [], time.monotonic() + 2 + 5 * self.options.seconds
        try:
            # some take one login a second
            while len(sessions) < IDLE_SESSIONS and time.monotonic() < end:
                sessions.append(Session(target.port, target.iqn, seconds=5.0))
            row["sessions"] = len(sessions)
            row["cpu_ms_per_s_sessions"] = self.cpu_while(target.pids(), sessions)
            row["rss_sessions"] = machine.rss_bytes(target.pids())
        except ERRORS as error:
            raise Failed(f"session {len(sessions) + 1} of {IDLE_SESSIONS}: {error}") from None
        finally:
            for session in sessions:
                session.close()
        return row

    def cpu_while(self, pids, sessions):
        """CPU ms a second; pings of the target are answered, once a second."""
        time.sleep(min(0.5, self.options.seconds))
        begin, before = time.monotonic(), machine.cpu_seconds(pids)
        end = begin + self.options.seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(1.0, left))
            for session in sessions:
                session.pump(0)
        return 1000 * (machine.cpu_seconds(pids) - before) / (time.monotonic() - begin)

    def scaling(self):
        """One and two reactors on one volume, with all the cores that there are for it."""
        server, load = self.options.scaling_cpus
        meter = Meter(self.programs.load, None, self.options.seconds,
                      server, load)
        self.scaling_rows = []
        targets = []
        for reactors in (1, 2):
            target = self.ours(f"memory, {reactors} reactors", "ram", "memory:, filled",
                               f"path=memory:,size={self.options.size}", reactors)
            target.cpus = server
            targets.append(target)
        for name in ("read-4k-4x32", "write-4k-4x32"):
            rows = [{"case": name, "reactors": target.reactors, "rounds": []}
                    for target in targets]
            self.scaling_rows += rows
            for number in range(self.options.rounds):
                for target, row in zip(targets, rows):
                    progress(f"scaling, {name}, round {number + 1}: {target.name}")
                    row["rounds"].append(self.attempt(
                        target, lambda one=target, case=CASES[name]:
                        meter.measure(one, case, one.bytes)))
            for row in rows:
                conclude(row)
        self.stop_all()


def conclude(row):
    """Medians, and what went wrong."""
    row["median"] = summary(row["rounds"])
    row["fio"] = summary(row.get("fio_rounds", []))
    wrong = [one["error"] for one in row["rounds"] + row.get("fio_rounds", []) if "error" in one]
    row["failed"], row["error"] = len(wrong), wrong[-1] if wrong else None
