"""A ringlund process for a test: started, waited for, killed by its pid.

Its log goes to build/logs/NAME.log, what the sanitizers find to
build/logs/sanitizer.NAME.PID, which fails the run (tests/run looks)."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
LOGS = os.path.join(ROOT, "build", "logs")
IQN = "iqn.2026-11.io.ringlun:"


def binary(preset="dev"):
    """The server to test: $RINGLUND, or what that preset builds."""
    path = os.environ.get("RINGLUND") or os.path.join(ROOT, "build", preset, "ringlund")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{path} is not there: cmake --preset {preset} && "
                           f"cmake --build --preset {preset}")
    return path


def engine_args():
    """What tests/run --engine says, as the server's arguments."""
    engine = os.environ.get("RINGLUN_TEST_ENGINE")
    return ["--engine", engine] if engine else []


def sanitizer_env(name):
    log = os.path.join(LOGS, f"sanitizer.{name}")
    env = dict(os.environ)
    for tool, options in (("ASAN", f"log_path={log}:detect_leaks=1:strict_string_checks=1"),
                          ("UBSAN", f"log_path={log}:print_stacktrace=1"),
                          ("TSAN", f"log_path={log}")):
        more = os.environ.get(f"{tool}_OPTIONS")    # of the test, or who runs it
        env[f"{tool}_OPTIONS"] = options + (f":{more}" if more else "")
    return env


def die_with_parent():
    """A server must not outlive a test that was killed itself."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, predicate, seconds=20.0, pause=0.02):
    end = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(pause)


class Server:
    """@volumes: {name: "path=...,size=..."}. The folder (self.dir) has the state and
    runtime folders; a fixed port lets a restarted server be found again."""

    def __init__(self, name, volumes, args=(), preset="dev", port=None, folder=None):
        self.name, self.volumes, self.args = name, volumes, list(args)
        self.preset = preset
        self.port = port or free_port()
        self.own_folder = folder is None
        self.dir = folder or tempfile.mkdtemp(prefix=f"ringlun-{name}.")
        os.makedirs(LOGS, exist_ok=True)
        self.log_path = os.path.join(LOGS, f"{name}.log")
        open(self.log_path, "w").close()
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.cleanup()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if self.process and kind is None:
                self.stop()
        finally:
            self.cleanup()

    def cleanup(self):
        if self.process:
            self.kill()
        if self.own_folder:
            shutil.rmtree(self.dir, ignore_errors=True)

    def command(self):
        command = [binary(self.preset), "--listen", f"127.0.0.1:{self.port}",
                   "--state", os.path.join(self.dir, "state"),
                   "--runtime", os.path.join(self.dir, "run")]
        for name, spec in self.volumes.items():
            command += ["--volume", f"{name},{spec}"]
        if "--engine" not in self.args:
            command += engine_args()
        return command + self.args

    def log(self, begin=0):
        with open(self.log_path, errors="replace") as log:
            log.seek(begin)
            return log.read()

    def start(self, wait=True):
        self.log_begin = os.path.getsize(self.log_path)
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=sanitizer_env(self.name), preexec_fn=die_with_parent)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=30.0):
        def ready():
            text = self.log(self.log_begin)
            assert self.process.poll() is None, \
                f"the server ended with {self.process.returncode}:\n{text[-2000:]}"
            return re.search(r"\bready\b", text)
        wait_for("the server's ready line", ready, seconds)

    def url(self, volume, lun=0):
        return f"iscsi://127.0.0.1:{self.port}/{IQN}{volume}/{lun}"

    @property
    def api(self):
        """The path of its unix socket: Api(server.api) of api.py."""
        return os.path.join(self.dir, "run", "api.sock")

    @property
    def pid(self):
        return self.process.pid

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL, and its end waited for."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, seconds=30.0):
        """SIGTERM: must drain, find no leak and end with status 0."""
        self.process.terminate()
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server still ran {seconds} s after SIGTERM:\n"
                                 + self.log()[-2000:]) from None
        self.process = None
        assert status == 0, f"status {status} after SIGTERM:\n{self.log()[-2000:]}"

    def rss_bytes(self):
        with open(f"/proc/{self.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) << 10
        raise AssertionError("no VmRSS")


def run(*command, seconds=120, stdin=None):
    """A client program; its output. A failure shows the command and the output."""
    try:
        done = subprocess.run(command, stdin=stdin or subprocess.DEVNULL, timeout=seconds,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace")
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"{' '.join(command)}: not done after {seconds} s\n"
                             f"{late.output}") from None
    assert done.returncode == 0, \
        f"{' '.join(command)}: status {done.returncode}\n{done.stdout[-3000:]}"
    return done.stdout


def qemu_io(url, *commands, **kwargs):
    words = ["qemu-io", "-f", "raw"]
    for command in commands:
        words += ["-c", command]
    out = run(*words, url, **kwargs)
    # Its status is 0 even where a command has failed. A target need not have GET LBA
    # STATUS; QEMU complains and reads on.
    bad = [line for line in out.splitlines()
           if " failed" in line and "GET_LBA_STATUS" not in line]
    assert not bad, f"{commands}: {bad}"
    return out
