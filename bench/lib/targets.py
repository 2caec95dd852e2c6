"""What races: each server in a process group of its own, on its core, in its folder.

While one is measured the others are stopped (SIGSTOP): a server that spins when it has
nothing to do would take the core from the others otherwise. Only groups that were started
here get signals, and only while their leader has not been waited for: its number cannot be
another's then."""

import os
import re
import shutil
import signal
import subprocess
import time

from machine import processes
from ringlun import IQN, die_with_parent, free_port

MIB = 1 << 20


class Failed(Exception):
    """A target cannot be measured; the text says why."""


def listening(port):
    """Whether anything listens there. Asked without a connection, which some take ill."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path) as file:
                if re.search(rf":{port:04X} [0-9A-F]+:0000 0A ", file.read()):
                    return True
        except OSError:
            pass  # no IPv6
    return False


class Target:
    """A server on @backing, which the tables show. Subclasses say how it is started."""

    ours = limit = False
    scheme = "iscsi"
    start_seconds, stop_seconds = 20.0, 2.0

    def __init__(self, name, group, backing, iqn=f"{IQN}disk", lun=0):
        self.name, self.group, self.backing, self.iqn, self.lun = name, group, backing, iqn, lun
        self.port = self.process = self.folder = None
        self.fill = False       # its disk is not a file of ours that has been written already
        self.cpus = None        # the race's choice, mostly
        self.rss_after = self.why = None
        self.failures = self.bytes = 0

    # --- what a kind of server says ---------------------------------------------------

    def command(self):
        raise NotImplementedError

    def configure(self):
        """Once it listens."""

    def choose_port(self):
        return free_port()

    def listens(self):
        return listening(self.port)

    def environment(self):
        return dict(os.environ)

    # --- its life ---------------------------------------------------------------------

    def start(self, folder, cpus):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.port = self.choose_port()
        if listening(self.port):
            raise Failed(f"port {self.port} is taken")
        command = self.command()

        def prepare():
            die_with_parent()
            os.sched_setaffinity(0, cpus)
        try:
            with open(os.path.join(folder, "log"), "w") as log:
                self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                                                stdout=log, stderr=log, start_new_session=True,
                                                env=self.environment(), preexec_fn=prepare)
        except OSError as error:
            raise Failed(f"{command[0]}: {error.strerror}") from None
        end = time.monotonic() + self.start_seconds
        while not self.listens():
            if not self.alive():
                raise Failed(f"it ended before it listened: {self.last_line()}")
            if time.monotonic() > end:
                raise Failed(f"port {self.port} is silent after {self.start_seconds:.0f} s: "
                             f"{self.last_line()}")
            time.sleep(0.02)
        self.configure()

    def alive(self):
        """Without waiting for it: that is stop()'s, after the last signal."""
        if not self.process or self.process.returncode is not None:
            return False
        return os.waitid(os.P_PID, self.process.pid,
                         os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def signal(self, number):
        if self.process and self.process.returncode is None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    def freeze(self):
        self.signal(signal.SIGSTOP)

    def thaw(self):
        self.signal(signal.SIGCONT)

    def stop(self):
        """Asked to end, and made to when it does not."""
        if not self.process:
            return
        self.signal(signal.SIGTERM)
        self.thaw()
        end = time.monotonic() + self.stop_seconds
        while self.pids() and time.monotonic() < end:
            time.sleep(0.02)
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def pids(self):
        return processes(self.process.pid) if self.process else []

    def last_line(self):
        try:
            with open(os.path.join(self.folder, "log"), errors="replace") as log:
                lines = [line.strip() for line in log if line.strip()]
        except (OSError, TypeError):
            lines = []
        return lines[-1][:300] if lines else "its log is empty"

    def url(self):
        if self.scheme == "tcp":
            return f"tcp://127.0.0.1:{self.port}"
        return f"iscsi://127.0.0.1:{self.port}/{self.iqn}/{self.lun}"


class Ringlun(Target):
    ours = True

    def __init__(self, name, group, backing, binary, spec, reactors=1, engine=None):
        super().__init__(name, group, backing)
        self.binary, self.spec, self.reactors, self.engine = binary, spec, reactors, engine
        self.fill = spec.startswith("path=memory:")

    def command(self):
        engine = ["--engine", self.engine] if self.engine else []
        return [self.binary, *engine, "--volume", f"disk,{self.spec}", "--log-level", "warn",
                "--listen", f"127.0.0.1:{self.port}", "--reactors", str(self.reactors),
                "--state", os.path.join(self.folder, "state"),
                "--runtime", os.path.join(self.folder, "run")]


class Tgt(Target):
    stop_seconds = 0.0      # it does not end while it has targets

    def __init__(self, name, group, backing, path, kind):
        super().__init__(name, group, backing, lun=1)
        self.path, self.kind = path, kind

    def command(self):
        return ["tgtd", "-f", "-C", "1", "--iscsi", f"portal=127.0.0.1:{self.port}"]

    def environment(self):
        # its control socket: not the one of a tgt that serves this machine
        return {**os.environ, "TGT_IPC_SOCKET": os.path.join(self.folder, "control")}

    def configure(self):
        self.admin("new", "target", "-T", self.iqn)
        self.admin("new", "logicalunit", "--lun", str(self.lun), "-b", self.path,
                   "--bstype", self.kind)
        self.admin("bind", "target", "-I", "ALL")

    def admin(self, op, mode, *words):
        done = subprocess.run(["tgtadm", "-C", "1", "--lld", "iscsi", "--op", op, "--mode", mode,
                               "--tid", "1", *words], env=self.environment(), timeout=20,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise Failed(f"tgtadm --op {op} --mode {mode}: {done.stdout.strip()}; "
                         f"{self.last_line()}")


ISTGT_CONF = """
[Global]
  NodeBase "{node}"
  PidFile {folder}/pid
  AuthFile {folder}/auth.conf
  MediaDirectory {folder}
  LogFacility "local7"
  Timeout 30
  NopInInterval 20
  DiscoveryAuthMethod None
  MaxSessions 255
  MaxConnections 4
  MaxR2T 32
  MaxOutstandingR2T 16
  DefaultTime2Wait 2
  DefaultTime2Retain 60
  FirstBurstLength 262144
  MaxBurstLength 1048576
  MaxRecvDataSegmentLength 262144
  InitialR2T Yes
  ImmediateData Yes
  DataPDUInOrder Yes
  DataSequenceInOrder Yes
  ErrorRecoveryLevel 0
[UnitControl]
  Comment "none"
[PortalGroup1]
  Portal DA1 127.0.0.1:{port}
[InitiatorGroup1]
  InitiatorName "ALL"
  Netmask 127.0.0.0/8
[LogicalUnit1]
  TargetName {name}
  Mapping PortalGroup1 InitiatorGroup1
  AuthMethod None
  UseDigest Auto
  UnitType Disk
  QueueDepth 255
  LUN0 Storage {path} {mib}MB
"""


class Istgt(Target):
    def __init__(self, name, group, backing, path, size):
        super().__init__(name, group, backing)
        self.path, self.size = path, size

    def command(self):
        node, _, name = self.iqn.rpartition(":")
        conf = os.path.join(self.folder, "istgt.conf")
        with open(conf, "w") as file:
            file.write(ISTGT_CONF.format(node=node, name=name, folder=self.folder, path=self.path,
                                         port=self.port, mib=self.size // MIB))
        with open(os.path.join(self.folder, "auth.conf"), "w"):
            pass
        return ["istgt", "-D", "-c", conf]


class Peer(Target):
    """Any other server: NAME[@GROUP]=COMMAND,PORT,IQN,LUN; the shell runs COMMAND."""

    start_seconds = 60.0

    def __init__(self, text, groups):
        name, equals, rest = text.partition("=")
        parts = rest.rsplit(",", 3)
        name, _, group = name.partition("@")
        if not (equals and name and len(parts) == 4 and parts[0]):
            raise ValueError(f"{text!r} is not NAME[@GROUP]=COMMAND,PORT,IQN,LUN")
        if (group or groups[0]) not in groups:
            raise ValueError(f"{group!r} is none of {', '.join(groups)}")
        if not (parts[1].isdecimal() and 0 < int(parts[1]) < 65536):
            raise ValueError(f"PORT {parts[1]!r} is none of 1..65535")
        if not parts[2]:
            raise ValueError(f"{text!r} has no IQN: COMMAND,PORT,IQN,LUN")
        if not (parts[3].isdecimal() and int(parts[3]) < 256):
            raise ValueError(f"LUN {parts[3]!r} is none of 0..255")
        super().__init__(name, group or groups[0], "its own", iqn=parts[2], lun=int(parts[3]))
        self.shell, self.own_port, self.fill = parts[0], int(parts[1]), True
        self.file = self.size = None

    def choose_port(self):
        return self.own_port

    def command(self):
        return ["sh", "-c", self.shell]

    def environment(self):
        return {**os.environ, "BENCH_FILE": self.file, "BENCH_SIZE": str(self.size)}


class Bare(Target):
    """The machine's limit: a TCP server that only answers as many bytes as a target would."""

    limit, scheme = True, "tcp"

    def __init__(self, binary, spin):
        super().__init__(f"bare TCP, {'spinning' if spin else 'asleep'}", "ram", "no disk")
        self.binary, self.spin = binary, spin

    def command(self):
        return [self.binary, "--port", str(self.port)] + (["--spin"] if self.spin else [])


class Fio(Target):
    """The disk's limit: fio in the server's place, without a network."""

    limit, scheme = True, "file"

    def __init__(self, group, backing, path, engine):
        super().__init__(f"fio {engine}", group, backing)
        self.path, self.engine = path, engine

    def start(self, folder, cpus):
        if not shutil.which("fio"):
            raise Failed("fio: not installed")

    def alive(self):
        return True
