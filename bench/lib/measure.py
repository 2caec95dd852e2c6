"""One measurement: a load for some seconds, and what the server's core did meanwhile."""

import json
import os
import resource
import select
import subprocess
import time

from initiator import Session
from machine import cpu_seconds, cpu_times, processes
from ringlun import die_with_parent
from targets import Failed

MIB = 1 << 20
FILL_BYTES = 256 << 10


class Case:
    def __init__(self, name, op, pattern, block_bytes, connections, depth):
        self.name, self.op, self.pattern = name, op, pattern
        self.block_bytes, self.connections, self.depth = block_bytes, connections, depth

    @property
    def writes(self):
        return self.op != "read"

    def describe(self):
        what = {"read": "reads", "write": "writes"}.get(self.op, "70 % reads, 30 % writes")
        order = "random" if self.pattern == "rand" else "sequential"
        width = f"{self.connections} × {self.depth}" if self.connections > 1 else f"{self.depth}"
        return f"{self.block_bytes >> 10} KiB {order} {what}, {width} in flight"


CASES = {case.name: case for case in (
    Case("read-4k-qd1", "read", "rand", 4096, 1, 1),
    Case("write-4k-qd1", "write", "rand", 4096, 1, 1),
    Case("read-4k-qd32", "read", "rand", 4096, 1, 32),
    Case("write-4k-qd32", "write", "rand", 4096, 1, 32),
    Case("mix-4k-qd32", "mix:70", "rand", 4096, 1, 32),
    Case("read-4k-4x32", "read", "rand", 4096, 4, 32),
    Case("write-4k-4x32", "write", "rand", 4096, 4, 32),
    Case("read-128k-qd32", "read", "seq", 131072, 1, 32),
    Case("write-128k-qd32", "write", "seq", 131072, 1, 32),
)}
QUICK = ("read-4k-qd1", "read-4k-qd32", "write-4k-qd32", "read-128k-qd32", "write-128k-qd32")


class Timed:
    """Runs a program on @cpus; how long the CPU clocks of @pids and their cores ran meanwhile:
    from its first moment to its last, so that all the I/Os and all that they cost are counted,
    whatever else the machine did. Without @pids it is its own server, whose beginning and end
    are left away: reading options is not what is measured."""

    def __init__(self, command, cpus, server_cpus, seconds, pids, slack=30.0):
        self.samples, self.server_cpus, self.seconds = [], server_cpus, seconds
        all_cpus = cpus | server_cpus
        before = self.clocks(all_cpus, pids)

        def prepare():
            die_with_parent()
            os.sched_setaffinity(0, cpus)
        self.sample(pids or [])
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, start_new_session=True,
                              preexec_fn=prepare) as process:
            try:
                late = not self.watch(process, pids, seconds, slack)
                if late:
                    process.kill()
                self.stdout, stderr = process.communicate()
            except BaseException:
                process.kill()
                raise
        name = os.path.basename(command[0])
        if late:
            raise Failed(f"{name} was not done {slack:.0f} s after its time: {last_line(stderr)}")
        if process.returncode:
            raise Failed(f"{name}: {last_line(stderr) or last_line(self.stdout)} "
                         f"(status {process.returncode})")
        self.whole = bool(pids)
        self.around(before, self.clocks(all_cpus, pids), len(all_cpus))

    def watch(self, process, pids, seconds, slack):
        """Sample until it ends; False when it does not. What it prints fits its pipes."""
        # with pids the first and the last sample are all that counts
        pause, begin = 1.0 if pids else min(0.05, seconds / 10), time.monotonic()
        pidfd = os.pidfd_open(process.pid)
        try:
            while time.monotonic() < begin + 2 * seconds + slack:
                ready, _, _ = select.select([pidfd], [], [], pause)
                self.sample(pids or processes(process.pid))
                if ready:
                    return True
        finally:
            os.close(pidfd)
        return False

    def sample(self, pids):
        _, _, stolen, idle = cpu_times(self.server_cpus)
        before = self.samples[-1][1] if self.samples else 0.0
        # the clock of one that has ended says nothing any more
        self.samples.append((time.monotonic(), max(cpu_seconds(pids), before), stolen + idle))

    def cost(self, ios):
        """Seconds of (the server, its core) for each I/O of @ios in self.seconds."""
        used, share = self.samples, 1.0
        if not self.whole:
            end = self.samples[-1][0]
            used = [sample for sample in self.samples
                    if end - 0.97 * self.seconds <= sample[0] <= end - 0.03 * self.seconds]
            if len(used) < 2:
                raise Failed("too short to see the CPU time")
            share = (used[-1][0] - used[0][0]) / self.seconds
        (t0, cpu0, idle0), (t1, cpu1, idle1) = used[0], used[-1]
        core = max(len(self.server_cpus) * (t1 - t0) - (idle1 - idle0), 0.0)
        return (cpu1 - cpu0) / share / ios, core / share / ios

    @staticmethod
    def clocks(all_cpus, pids):
        """The time, what the machine did, and what of that is the race's own."""
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF,
                                                    resource.RUSAGE_CHILDREN)]
        own = sum(one.ru_utime + one.ru_stime for one in used) + cpu_seconds(pids or [])
        return (time.monotonic(), *cpu_times(all_cpus), own)

    def around(self, before, after, cpus):
        """What else went on, in percent of the cores of the race."""
        seconds, busy, interrupts, stolen, _, own = (b - a for a, b in zip(before, after))
        share = 100 / (seconds * cpus)
        self.machine = {"others_percent": max(busy - own, 0) * share,
                        "interrupt_percent": interrupts * share,
                        "stolen_percent": stolen * share}


def last_line(text):
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


class Meter:
    """@load: the generator's program; @fio: one with the libiscsi engine, or None."""

    def __init__(self, load, fio, seconds, server_cpus, load_cpus):
        self.program, self.fio, self.seconds = load, fio, seconds
        self.server_cpus, self.load_cpus = server_cpus, load_cpus

    def timed(self, command, cpus, pids):
        return Timed(command, cpus, self.server_cpus, self.seconds, pids)

    def measure(self, target, case, size):
        if target.scheme == "file":
            return self.with_fio("fio", target, case, size)
        return self.with_load(target, case, size)

    def with_load(self, target, case, size):
        timed = self.timed(
            [self.program, target.url(), "--connections", str(case.connections),
             "--depth", str(case.depth), "--op", case.op, "--pattern", case.pattern,
             "--bs", str(case.block_bytes), "--seconds", f"{self.seconds:g}",
             "--warmup", "0", "--range", str(size),
             "--threads", str(min(case.connections, len(self.load_cpus))), "--json"],
            self.load_cpus, target.pids())
        try:
            result = json.loads(timed.stdout)
        except ValueError:
            raise Failed(f"load printed no JSON: {last_line(timed.stdout)}") from None
        if result["errors"]:
            raise Failed(f"{result['errors']} of its answers were errors")
        return finish(result, timed)

    def with_fio(self, program, target, case, size):
        """fio on the target's file, or, through its libiscsi engine, on the target."""
        remote = target.scheme == "iscsi"
        engine = "libiscsi" if remote else target.engine
        name = target.url().replace(":", "\\:") if remote else target.path
        order = {"rand": "rand", "seq": ""}[case.pattern]
        kind = {"read": "read", "write": "write"}.get(case.op, "rw")
        command = [program, "--name=race", f"--filename={name}", f"--ioengine={engine}",
                   "--direct=1", f"--rw={order}{kind}", f"--bs={case.block_bytes}",
                   f"--iodepth={case.depth}", f"--numjobs={case.connections}", f"--size={size}",
                   "--thread", "--time_based", f"--runtime={int(1000 * self.seconds)}ms",
                   "--group_reporting", "--unified_rw_reporting=1", "--norandommap",
                   "--randrepeat=0", "--output-format=json"]
        if kind == "rw":
            command.append(f"--rwmixread={case.op.partition(':')[2]}")
        timed = self.timed(command, self.load_cpus if remote else self.server_cpus,
                           target.pids() if remote else None)
        return finish(fio_result(timed.stdout, case), timed)


def fio_result(text, case):
    """What fio says, in load's words."""
    try:
        job = json.loads(text[text.index("{"):])["jobs"][0]
        mixed, error = job["mixed"], job["error"]
    except (ValueError, KeyError, IndexError):
        raise Failed(f"fio printed no JSON: {last_line(text)}") from None
    if error:
        raise Failed(f"fio: {os.strerror(error)}")
    spread = mixed["clat_ns"].get("percentile", {})
    latency = {f"p{float(long):g}": spread.get(long, 0) / 1000
               for long in ("50.000000", "90.000000", "99.000000", "99.900000")}
    latency.update({short: mixed["clat_ns"][short] / 1000 for short in ("min", "mean", "max")})
    return {"op": case.op, "pattern": case.pattern, "block_bytes": case.block_bytes,
            "connections": case.connections, "depth": case.depth,
            "seconds": mixed["runtime"] / 1000, "ios": mixed["total_ios"],
            "iops": mixed["iops"], "bytes_per_s": mixed["bw_bytes"],
            "latency_us": latency, "errors": 0}


def finish(result, timed):
    """The numbers that need both the load's count and the server's clock."""
    if not result["ios"]:
        raise Failed("no I/O was answered")
    cpu, core = timed.cost(result["ios"])
    if cpu <= 0:
        raise Failed("the server's CPU clock stood still")
    result["server_cpu_us_per_io"], result["core_us_per_io"] = 1e6 * cpu, 1e6 * core
    result["iops_per_cpu_s"] = 1 / cpu
    result["server_cpu_percent"] = 100 * cpu * result["iops"]
    result.update(timed.machine)
    return result


def capacity(session, lun):
    """(bytes, block size) of a disk."""
    cdb = bytes([0x9e, 0x10]) + bytes(8) + (32).to_bytes(4, "big") + bytes(2)
    data = session.must(session.command(cdb, read_bytes=32, lun=lun)).data
    block = int.from_bytes(data[8:12], "big")
    return (int.from_bytes(data[:8], "big") + 1) * block, block


def ready(session, lun):
    for _ in range(8):
        if session.wait(session.command(bytes(6), lun=lun)).good:
            return
    raise Failed("TEST UNIT READY is never GOOD")


def fill(target, size):
    """Write a disk in full: first writes into holes are not what is measured. How many
    bytes of it are raced."""
    session = Session(target.port, target.iqn)
    try:
        ready(session, target.lun)
        disk, block = capacity(session, target.lun)
        size = min(size, disk) // MIB * MIB
        if not size:
            raise Failed(f"its disk of {disk} bytes is smaller than 1 MiB")
        data, tasks = os.urandom(FILL_BYTES), []
        for offset in range(0, size, FILL_BYTES):
            cdb = b"\x8a\0" + (offset // block).to_bytes(8, "big") + \
                (FILL_BYTES // block).to_bytes(4, "big") + bytes(2)
            tasks.append(session.command(cdb, data, lun=target.lun))
            if len(tasks) == 8:
                session.must(*tasks)
                tasks = []
        if tasks:
            session.must(*tasks)
        session.logout()
    finally:
        session.close()
    return size
