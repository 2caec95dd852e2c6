"""The machine of a race: its cores, what it is, and what its clocks say.

CPU time of a process comes from its CPU clock: what /proc/PID/stat counts in ticks of
10 ms, in nanoseconds, over all of its threads, those that have ended and io_uring's workers
included."""

import glob
import os
import platform
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
PACKAGES = ("tgt", "istgt", "fio", "libc6", "liburing2", "python3-matplotlib")


def siblings(cpu):
    """The hardware threads of that one's core, itself included."""
    path = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
    try:
        with open(path) as file:
            return cpu_list(file.read().strip())
    except OSError:
        return {cpu}


def cpu_list(text):
    """{0, 2, 3} of "0,2-3"."""
    cpus = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return cpus


def choose_cpus():
    """(the server's, the load's): one of each, on two cores where there are two."""
    cpus = sorted(os.sched_getaffinity(0))
    server = cpus[0]
    others = [cpu for cpu in cpus if cpu not in siblings(server)] or cpus[1:] or cpus
    return {server}, {others[0]}


def processes(group):
    """The processes of a group (or of the session that its leader opened)."""
    found = []
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as file:
                pid, _, rest = file.read().partition(" (")
        except OSError:
            continue  # it has ended
        fields = rest.rpartition(") ")[2].split()
        if fields[0] not in "ZX" and group in (int(fields[2]), int(fields[3])):
            found.append(int(pid))
    return found


def cpu_seconds(pids):
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3) of pid
        except OSError:
            pass  # it has ended
    return total


def rss_bytes(pids):
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            pass
    return total


def cpu_times(cpus):
    """Seconds since the boot: busy with processes, with interrupts, stolen by the host, idle."""
    busy = interrupts = stolen = unused = 0
    with open("/proc/stat") as file:
        for line in file:
            name, *fields = line.split()
            if name[:3] != "cpu" or name == "cpu" or int(name[3:]) not in cpus:
                continue
            user, nice, system, idle, waiting, irq, softirq, steal = map(int, fields[:8])
            busy += user + nice + system
            interrupts += irq + softirq
            stolen += steal
            unused += idle + waiting
    return busy / TICK, interrupts / TICK, stolen / TICK, unused / TICK


def output(*command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def file_system(path):
    return output("stat", "-f", "-c", "%T", path).replace("ext2/ext3", "ext4") or "unknown"


def cpu_model():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe(root):
    """What a reader has to know of the machine to judge the numbers."""
    versions = {}
    for package in PACKAGES:
        version = output("dpkg-query", "-W", "-f", "${Version}", package)
        if version:
            versions[package] = version
    return {
        "kernel": platform.release(), "cpu": cpu_model(), "cpus": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "virtual": output("systemd-detect-virt", "--vm") or ("yes" if hypervisor() else "no"),
        "load_average": os.getloadavg()[0],
        "ringlun": output("git", "-C", root, "describe", "--always", "--dirty", "--tags"),
        "packages": versions,
    }


def hypervisor():
    with open("/proc/cpuinfo") as file:
        return " hypervisor " in file.read().replace("\n", " ")
