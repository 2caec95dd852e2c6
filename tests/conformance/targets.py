"""The targets of the table. Each function runs the tests against one that it starts
itself, and returns {column: {test: (result, reason)}} and the versions in words."""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import cu
import ringlun

HERE = os.path.dirname(os.path.realpath(__file__))
MIB = 256
VOLUMES = {
    "memory": f"path=memory:,size={MIB}M,shared",
    "file": f"path={{dir}}/file.img,size={MIB}M,shared",
}
LIO_SECONDS = 90 * 60   # a bound for a rig that hangs; it needs about five minutes


def package(name):
    return ringlun.run("dpkg-query", "-W", "-f", "${Package} ${Version}", name).strip()


def engines():
    """The engines to test: the one that the environment asks for, else all there are."""
    asked = os.environ.get("RINGLUN_TEST_ENGINE")
    return [asked] if asked else ["io_uring", "epoll"]


def own(tests, engine):
    """ringlund, sanitized; both volumes at a time."""
    server = ringlun.Server(f"conformance-{engine}", {}, ["--engine", engine])
    server.volumes = {name: spec.format(dir=server.dir) for name, spec in VOLUMES.items()}
    with server, concurrent.futures.ThreadPoolExecutor(len(VOLUMES)) as pool:
        runs = {name: pool.submit(cu.run_all, tests, server.url(name)) for name in VOLUMES}
        columns = {f"{engine}-{name}": run.result() for name, run in runs.items()}
    version = ringlun.run(ringlun.binary(), "--version").strip()
    return columns, f"{version} on {engine}"


class Tgt:
    """Debian's tgtd with one sparse file, on a port and a control socket of its own."""

    IQN = "iqn.2026-11.io.ringlun.test:tgt"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="ringlun-tgt.")
        self.port = ringlun.free_port()
        self.env = {**os.environ, "TGT_IPC_SOCKET": os.path.join(self.dir, "tgtd.sock")}
        self.control = str(os.getpid() % 30000 + 1)
        self.process = None

    def adm(self, op, mode, *words, check=True):
        done = subprocess.run(["tgtadm", "-C", self.control, "--lld", "iscsi", "--op", op,
                               "--mode", mode, *words], env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        assert not check or not done.returncode, f"tgtadm {op} {mode} {words}: {done.stdout}"
        return done.returncode == 0

    def __enter__(self):
        image = os.path.join(self.dir, "disk.img")
        with open(image, "wb") as file:
            file.truncate(MIB << 20)
        with open(os.path.join(ringlun.LOGS, "conformance-tgt.log"), "w") as log:
            self.process = subprocess.Popen(
                ["tgtd", "-f", "-C", self.control, "--iscsi", f"portal=127.0.0.1:{self.port}"],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=ringlun.die_with_parent)
        try:
            ringlun.wait_for("tgtd", lambda: self.adm("show", "sys", check=False))
            self.adm("new", "target", "--tid", "1", "-T", self.IQN)
            self.adm("new", "logicalunit", "--tid", "1", "--lun", "1", "-b", image,
                     "--bstype", "rdwr")
            self.adm("update", "logicalunit", "--tid", "1", "--lun", "1", "--params",
                     "thin_provisioning=1")
            self.adm("bind", "target", "--tid", "1", "-I", "ALL")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    @property
    def url(self):
        return f"iscsi://127.0.0.1:{self.port}/{self.IQN}/1"


def tgt(tests):
    with Tgt() as target:
        results = cu.run_all(tests, target.url)
        assert target.process.poll() is None, "tgtd ended meanwhile"
    return {"tgt": results}, f"Debian's {package('tgt')} (rdwr on a sparse file)"


def lio(tests):
    """The kernel's target, in the guest of tests/guest; the tests run on the host."""
    guest = os.path.join(HERE, "..", "guest")
    logs = os.path.join(ringlun.LOGS, "guest", "lio")
    with tempfile.TemporaryDirectory(prefix="ringlun-lio.") as folder:
        result = os.path.join(folder, "results.json")
        # this script again, as a program that the guest asks the host to run
        command = [os.path.join(HERE, "run"), "--json", result]
        command += ["--tests", ",".join(tests), "--target"]
        begin = time.monotonic()
        output = ringlun.run(os.path.join(guest, "guest-run.sh"), "--no-udev", "--mem", "2048",
                             "--ctl", os.path.join(guest, "ctl-none.sh"), "--limit",
                             str(LIO_SECONDS), "--logs", logs, os.path.join(guest, "lio-serve.sh"),
                             str(MIB), *command, seconds=LIO_SECONDS + 60)
        with open(os.path.join(ringlun.LOGS, "conformance-lio.log"), "w") as log:
            log.write(output)
        with open(result) as file:
            results = json.load(file)["target"]
    kernel = re.search(r"^kernel (\S+)", output, re.M)[1]
    print(f"note: LIO: {time.monotonic() - begin:.0f} s, guest and all")
    return ({"LIO": {test: (row["result"], row["reason"]) for test, row in results.items()}},
            f"LIO of Linux {kernel} (fileio with a write cache, in the guest of tests/guest; "
            f"Debian's {package('user-mode-linux')})")
