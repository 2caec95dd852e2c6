"""Disks that misbehave, made of a loop device and ext4: they stall, or keep a log of
all that was written. Mounts are private to the test's process, so that nothing is left
on the machine whatever becomes of the test."""

import ctypes
import os
import signal
import struct
import subprocess

from report import Skip
from ringlun import die_with_parent, run, wait_for


def private_mounts():
    """To be called first thing: mounts from here on die with this process."""
    clone_newns = 0x20000
    if os.getuid() != 0 or ctypes.CDLL(None).unshare(clone_newns):
        raise SystemExit("FAIL  private mounts: must be root")
    run("mount", "--make-rprivate", "/")


def mount_loop(image, folder):
    """Through a loop device that goes away with its last user. @image is a file system."""
    os.makedirs(folder, exist_ok=True)
    device = run("losetup", "--find", "--show", image).strip()
    try:
        run("mount", "-t", "ext4", device, folder)
    finally:
        run("losetup", "--detach", device)


class StallingFs:
    """ext4 in a file, which fsfreeze stops: writes and flushes hang until thaw()."""

    def __init__(self, folder, mib):
        self.folder = os.path.join(folder, "stalling")
        image = self.folder + ".fs"
        with open(image, "wb") as file:
            file.truncate(mib << 20)
        run("mkfs.ext4", "-q", "-F", image)
        mount_loop(image, self.folder)
        self.guard = None

    def freeze(self, at_most_seconds=120):
        # Whoever kills the test must not leave a frozen file system behind.
        self.guard = subprocess.Popen(
            ["sh", "-c", 'sleep "$1"; fsfreeze --unfreeze "$2"', "sh", str(at_most_seconds),
             self.folder], start_new_session=True, stderr=subprocess.DEVNULL)
        run("fsfreeze", "--freeze", self.folder)

    def thaw(self):
        if self.guard:
            run("fsfreeze", "--unfreeze", self.folder)
            os.killpg(self.guard.pid, signal.SIGKILL)   # a group of its own
            self.guard.wait()
            self.guard = None

    def close(self):
        self.thaw()
        run("umount", self.folder)


class LoggedFs:
    """ext4 on a disk whose every write and flush is logged, in the format of Linux's
    dm-log-writes: qemu-storage-daemon (blklogwrites) -> FUSE -> loop -> ext4.

    The loop device does not use direct I/O: QEMU 7.2's FUSE export mixes up parallel
    requests, and this way there is one at a time."""

    SECTOR = 512
    FLUSH, FUA, DISCARD = 1, 2, 4

    def __init__(self, folder, mib):
        if not os.path.exists("/dev/fuse"):
            raise Skip("no /dev/fuse")
        self.folder = os.path.join(folder, "logged")
        self.disk, self.log = self.folder + ".disk", self.folder + ".log"
        export, self.size = self.folder + ".export", mib << 20
        for path, size in ((self.disk, self.size), (self.log, 8 << 30), (export, 0)):
            with open(path, "wb") as file:
                file.truncate(size)
        self.daemon = subprocess.Popen(
            ["qemu-storage-daemon",
             "--blockdev", f"driver=file,node-name=disk,filename={self.disk}",
             "--blockdev", f"driver=file,node-name=log,filename={self.log}",
             "--blockdev", "driver=blklogwrites,node-name=both,file=disk,log=log,"
             f"log-sector-size={self.SECTOR},log-super-update-interval=1",
             "--export", f"type=fuse,id=export,node-name=both,mountpoint={export},writable=on"],
            preexec_fn=die_with_parent)
        wait_for("the FUSE export", lambda: os.stat(export).st_size == self.size)
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
            export)
        mount_loop(export, self.folder)

    def entries(self):
        """How many entries the log has by now."""
        with open(self.log, "rb") as file:
            magic, version, count, sector = struct.unpack("<QQQI", file.read(28))
        assert (magic, version, sector) == (0x6a736677736872, 1, self.SECTOR)
        return count

    def close(self):
        run("umount", self.folder)
        self.daemon.terminate()
        assert self.daemon.wait(30) == 0

    def read_log(self):
        """(offset, data or None for a discard, length, flags) of each entry."""
        with open(self.log, "rb") as file:
            count, at, out = self.entries(), self.SECTOR, []
            for _ in range(count):
                file.seek(at)
                first, sectors, flags, _ = struct.unpack("<QQQQ", file.read(32))
                at += self.SECTOR
                data = None
                if not flags & self.DISCARD:
                    file.seek(at)
                    data = file.read(sectors * self.SECTOR)
                    at += sectors * self.SECTOR
                out.append((first * self.SECTOR, data, sectors * self.SECTOR, flags))
        return out
