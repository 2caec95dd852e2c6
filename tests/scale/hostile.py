"""Peers that behave badly, in a process of their own, and others whose verified I/O must go on.

Asserted: no error, no lost or wrong byte, no command that takes more than BOUND_S. Medians with and
without the attack are printed, and judged by people."""

import itertools
import multiprocessing
import os
import random
import resource
import signal
import socket
import statistics
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))
from crowd import CMD_WRITE, Crowd  # noqa: E402
from iscsi_raw import FINAL, IMMEDIATE, NOP_OUT, NO_TAG, SCSI_CMD, SIMPLE, pack  # noqa: E402
from ringlun import IQN, Server, die_with_parent  # noqa: E402

BOUND_S = 10
VICTIMS = 8
GOOD, BUSY, TASK_SET_FULL = 0x00, 0x08, 0x28
REGION = 256    # blocks of a victim


def read10(lba, blocks):
    return struct.pack(">BBIBHB", 0x28, 0, lba, 0, blocks, 0)


def write10(lba, blocks):
    return struct.pack(">BBIBHB", 0x2a, 0, lba, 0, blocks, 0)


# --- attackers: scripts that never end ---------------------------------------------------------

def garbage(peer):
    """Random bytes, from the first one on."""
    while True:
        peer.send(random.randbytes(random.choice((1, 47, 48, 49, 512, 8192))))
        yield 0.01


def garbage_in_session(peer):
    """A login as it should be, then headers that are random but for an opcode."""
    yield from peer.login(IQN + "bad")
    yield from peer.ready()
    while True:
        bhs = bytearray(random.randbytes(48))
        bhs[0] = random.choice((0, 1, 2, 4, 5, 6, 0x10, 0x41))
        bhs[4:8] = struct.pack(">I", random.choice((0, 4, 512, 8192)))
        peer.send(bytes(bhs) + random.randbytes(random.choice((0, 4, 512))))
        yield 0.01


def half_a_pdu(peer):
    """Half a write, and no more."""
    yield from peer.login(IQN + "bad")
    yield from peer.ready()
    raw = pack(SCSI_CMD, FINAL | SIMPLE | CMD_WRITE, itt=77,
               rest=struct.pack(">III", 65536, peer.cmd_sn, 0) + write10(0, 128) + bytes(6),
               data=bytes(65536))
    peer.send(raw[:random.choice((1, 20, 47, 48, 100, 30000, len(raw) - 1))])
    yield 3600


def byte_by_byte(peer):
    """A write that comes a byte at a time; the rest of it never."""
    yield from peer.login(IQN + "bad")
    yield from peer.ready()
    raw = pack(SCSI_CMD, FINAL | SIMPLE | CMD_WRITE, itt=77,
               rest=struct.pack(">III", 65536, peer.cmd_sn, 0) + write10(0, 128) + bytes(6),
               data=bytes(65536))
    for at in range(len(raw)):
        peer.send(raw[at:at + 1])
        yield 0.2


def writes_without_data(peer):
    """As many long writes as the window takes, whose R2Ts nobody answers: buffers are held."""
    yield from peer.login(IQN + "bad", InitialR2T="Yes", ImmediateData="No")
    yield from peer.ready()
    for _ in range(120):
        peer.start(write10(0, 2048), 1 << 20, flags=CMD_WRITE)
    while True:
        yield


def reads_nothing(peer):
    """As many long reads as the window takes, and no look at the answers."""
    yield from peer.login(IQN + "bad")
    yield from peer.ready()
    for _ in range(120):
        peer.start(read10(0, 2048), 1 << 20)
    peer.be_deaf()
    yield 3600


def asks_and_never_reads(peer):
    """Pings with data, for ever."""
    yield from peer.login(IQN + "bad")
    yield from peer.ready()
    peer.be_deaf()
    while True:
        for _ in range(64):
            peer.send(pack(NOP_OUT | IMMEDIATE, FINAL, itt=1, data=bytes(4096),
                           rest=struct.pack(">III", NO_TAG, peer.cmd_sn, 0)))
        yield 0.02


def silent(peer):
    """Connects, and says nothing."""
    yield 3600


def vanishes(peer):
    """Logs in, has writes and reads under way, and is gone."""
    yield from peer.login(IQN + "bad")
    yield from peer.ready()
    for i in range(8):
        peer.start(write10(i, 1), data=bytes(512))
        peer.start(read10(0, 128), 65536)
    yield 0.001
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_a_login(peer):
    """A login that says there is more to come, and stops."""
    peer.send(pack(0x43, 0x44, data=bytes(8000)))
    yield 3600


def only_connects(peer):
    """Connects and is gone, again and again."""
    return
    yield


# how many at a time
ATTACKS = {garbage: 40, garbage_in_session: 40, half_a_pdu: 100, byte_by_byte: 100,
           writes_without_data: 8, reads_nothing: 8, asks_and_never_reads: 20, silent: 200,
           vanishes: 40, half_a_login: 200, only_connects: 64}


def attack(port, kinds):
    """For ever: whoever was thrown out comes again."""
    die_with_parent()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Crowd(port) as crowd:
        crowd.numbers = itertools.count(10000)  # no victim's ISID: they would take its place
        peers = [(crowd.add(kind), kind) for kind in kinds for _ in range(ATTACKS[kind])]
        while True:
            crowd.turn(0.01)
            for i, (peer, kind) in enumerate(peers):
                if not peer.script or not peer.sock:
                    crowd.close([peer])
                    peers[i] = (crowd.add(kind, receive_buffer=4096 if kind in (
                        reads_nothing, asks_and_never_reads) else None), kind)


class Attack:
    """Runs in a process of its own."""

    def __init__(self, port, kinds):
        self.process = multiprocessing.get_context("fork").Process(target=attack,
                                                                   args=(port, kinds))

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        was_alive = self.process.is_alive()
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        assert was_alive, "the attackers have ended"


# --- victims -----------------------------------------------------------------------------------

class Victims:
    """Sessions that write, read back and compare; each has a region of its own."""

    def __init__(self, port, target, first, count=VICTIMS):
        self.crowd = Crowd(port)
        self.crowd.numbers = iter(range(first, first + count))
        self.seconds, self.again = [], 0
        self.end = 0.0
        self.peers = [self.crowd.add(self.script(target)) for _ in range(count)]

    def script(self, target):
        def script(peer):
            yield from peer.login(target)
            yield from peer.ready()
            at = (peer.number % 64) * REGION
            while True:
                blocks = random.choice((1, 8, 128))
                payload = random.randbytes(16) * (blocks * 32)
                lba = at + random.randrange(REGION - blocks + 1)
                yield from self.one(peer, write10(lba, blocks), data=payload)
                answer = yield from self.one(peer, read10(lba, blocks), blocks * 512)
                assert answer.data == payload, f"{blocks} blocks at {lba} are not what was written"
        return script

    def one(self, peer, cdb, edtl=0, data=b""):
        """Sent again, as initiators do, where it was told to be."""
        begin = time.monotonic()
        while True:
            answer = yield from peer.command(cdb, edtl, data)
            if answer.status not in (BUSY, TASK_SET_FULL):
                break
            self.again += 1
            yield 0.01
        assert answer.status == GOOD, f"status {answer.status:02x} {answer.sense.hex()}"
        took = time.monotonic() - begin
        assert took < BOUND_S, f"a command took {took:.1f} s"
        self.seconds.append(took)
        return answer


def move(all_victims, seconds):
    """Lets them work; their seconds per command, and how often they were sent away."""
    for victims in all_victims:
        victims.seconds, victims.again = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for victims in all_victims:
            victims.crowd.turn(0.001)
            for peer in victims.peers:
                if peer.error or not peer.script:
                    raise AssertionError(f"a session that behaves was hurt: {peer.error}")
    for victims in all_victims:
        assert len(victims.seconds) >= 2 * len(victims.peers), "hardly anything was done"
    return [(statistics.median(v.seconds) * 1e6, max(v.seconds) * 1e3, len(v.seconds), v.again)
            for v in all_victims]


def said(result):
    return ", ".join(f"{name} {median:.0f} us median, {worst:.0f} ms worst, {count} commands"
                     + (f", {again} told to come again" if again else "")
                     for name, (median, worst, count, again) in
                     zip(("own volume", "the same volume"), result))


def under(server, all_victims, kinds, seconds):
    calm = move(all_victims, 0.5)
    before = server.rss_bytes()
    with Attack(server.port, kinds):
        hit = move(all_victims, seconds)
        most = server.rss_bytes()
    print(f"note: calm: {said(calm)}", flush=True)
    print(f"note: attacked: {said(hit)}; memory {before >> 20} -> {most >> 20} MiB", flush=True)
    assert not hit[0][3], "who has nothing to do with it was told to come again"


def checks(report, folder, seconds):
    volumes = {"good": f"path={folder}/good.img,size=16M",
               "bad": f"path={folder}/bad.img,size=16M,shared"}
    with Server("scale-hostile", volumes, ["--reactors", "2", "--memory", "64M"]) as server:
        all_victims = [Victims(server.port, IQN + "good", 5000, VICTIMS),
                       Victims(server.port, IQN + "bad", 6000, 4)]
        for kind in ATTACKS:
            report.check(kind.__name__.replace("_", " "), under, server, all_victims, [kind],
                         seconds / 2)
        report.check("all of them", under, server, all_victims, list(ATTACKS), seconds)
        for victims in all_victims:
            victims.crowd.close()
        report.check("SIGTERM", server.stop)
