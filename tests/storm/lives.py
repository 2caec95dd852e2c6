"""One host after the other in a slot: each logs in, does all kinds of things, and ends, some of
them badly. All that a life decides comes from its own seed.

A slot has a name, an ISID and a part of each volume of its own (model.py): the next life of the
slot reinstates the session that the last one left behind, and must find what that one wrote."""

import asyncio
import random
import struct
import time

from ends import Ends
from model import BLOCK
from volumes import IQN, JUNK_BLOCKS, NAME, PART_BLOCKS, SECTORS
from wire import BUSY, CHECK, GOOD, LOGIN, TASK_GONE, TASK_SET_FULL, Lost, Peer

ABORT_TASK, ABORT_TASK_SET, CLEAR_TASK_SET, LUN_RESET, WARM_RESET, COLD_RESET = 1, 2, 4, 5, 6, 7
QUERY_TASK, QUERY_TASK_SET, QUERY_ASYNC_EVENT = 9, 10, 12
COMPLETE, NO_TASK = 0, 1
# operation codes, known or not, that change nothing even where a target is too kind to them
HARMLESS = sorted(set(range(256)) - {0x04, 0x0a, 0x1b, 0x2a, 0x2e, 0x41, 0x42, 0x48, 0x53, 0x83,
                                     0x89, 0x8a, 0x8e, 0x93, 0x9f, 0xaa, 0xae})
STATUSES = (GOOD, CHECK, BUSY, TASK_SET_FULL)


class Life(Ends):
    def __init__(self, slot, rng):
        self.slot, self.rng, self.stats = slot, rng, slot.stats
        self.volume = rng.choice(slot.volumes)
        self.part = slot.parts[self.volume.name]
        self.peers, self.wrong, self.background = [], [], set()
        self.writes = {}    # task -> (at, count, number), until its end is known

    # --- a session's beginning --------------------------------------------------------

    def name(self):
        """Where one name may be in, mostly that one."""
        if self.volume.one_name and self.rng.random() < 0.9:
            return NAME
        return f"{NAME}-{self.slot.number}"

    def offers(self):
        rng, sizes = self.rng, (512, 4096, 8192, 65536, 65536, 262144)
        burst = rng.choice((4096, 16384, 65536, 262144, 1048576))
        digests = ("None", "None", "CRC32C", "CRC32C,None", "None,CRC32C")
        return {
            "HeaderDigest": rng.choice(digests), "DataDigest": rng.choice(digests),
            "InitialR2T": rng.choice(("Yes", "No")), "ImmediateData": rng.choice(("Yes", "No")),
            "MaxBurstLength": burst,
            "FirstBurstLength": min(burst, rng.choice((512, 4096, 65536, 262144))),
            "MaxOutstandingR2T": rng.choice((1, 2, 8)), "MaxConnections": 1,
            "MaxRecvDataSegmentLength": rng.choice(sizes), "DefaultTime2Wait": 0,
            "DefaultTime2Retain": 0, "DataPDUInOrder": "Yes", "DataSequenceInOrder": "Yes",
            "ErrorRecoveryLevel": 0,
        }

    async def new_peer(self, isid=None):
        slow = self.rng.random() < 0.1
        peer = Peer(self, isid or self.slot.isid, self.stats)
        self.peers.append(peer)
        peer.may_close = self.volume.closes
        await peer.connect(self.slot.port, 4096 if slow else 0)
        self.stats["connections"] += 1
        return peer

    def who(self):
        return {"InitiatorName": self.name(), "SessionType": "Normal",
                "TargetName": IQN + self.volume.name}

    async def run(self):
        kind = self.rng.random()
        if kind < 0.08:
            await self.discover()
        elif kind < 0.25:
            await self.end_in_login()
        else:
            await self.session()

    async def session(self):
        peer = await self.new_peer()
        who = self.who()
        await peer.login(who, self.offers(), self.rng.random() < 0.3)
        self.stats["logins"] += 1
        await self.days(peer, self.rng.choice((0, 1, 5, 20, 40)))
        await self.end(peer, who)

    async def discover(self):
        peer = await self.new_peer(b"\x80" + self.rng.randbytes(5))
        await peer.login({"InitiatorName": f"{NAME}-{self.slot.number}",
                          "SessionType": "Discovery"},
                         {"MaxRecvDataSegmentLength": self.rng.choice((512, 8192, 65536))})
        text = peer.text(b"SendTargets=All\0")
        await peer.within(text.future, "an answer to SendTargets")
        if IQN.encode() not in text.data:
            self.wrong.append(f"SendTargets: {bytes(text.data)!r}")
        self.stats["discoveries"] += 1
        if self.rng.random() < 0.5:
            await self.log_out(peer)

    async def end_in_login(self):
        # A port of its own: were it to be heard late, it would reinstate the next life's session.
        peer, rng = await self.new_peer(self.slot.isid[:5] + b"\2"), self.rng
        peer.may_close = True
        raw = peer.login_pdu({**self.who(), **self.offers()}, 1, 3)
        peer.login_answer = asyncio.get_running_loop().create_future()
        way = rng.randrange(5)
        if way == 0:        # not even a header, and silence
            peer.send(raw[:rng.randrange(0, 48)])
        elif way == 1:      # half the text
            peer.send(raw[:rng.randrange(48, len(raw))])
        elif way == 2:      # nobody waits for the answer
            peer.send(raw)
        elif way == 3:      # what is no login at all
            peer.send(bytes([rng.choice((0, 1, 5, 0x3f, LOGIN | 0x40))]) + rng.randbytes(47 + 16))
            peer.may_reject = True
            peer.take_login = lambda head, data: None   # whatever it may be
        else:               # the text in pieces, each after a while
            for at in range(0, len(raw), 100):
                peer.send(raw[at:at + 100])
                await asyncio.sleep(0.001)
        await asyncio.sleep(rng.random() * 0.02)
        rng.choice((peer.reset, peer.close))()
        self.stats["ends in the login phase"] += 1

    # --- a session's days ---------------------------------------------------------------

    async def days(self, peer, count):
        rng = self.rng
        deeds = (
            (self.write_own, 30), (self.read_own, 20), (self.zero_own, 5), (self.junk, 25),
            (self.ping, 5), (self.text, 2), (self.abort, 10), (self.manage, 4),
            (self.stop_reading, 2), (self.pause, 10), (self.drain, 4),
        )
        names, weights = zip(*deeds)
        for deed in rng.choices(names, weights, k=count):
            peer.r2t_delay = rng.choice((0, 0, 0, 0.005, 0.05))
            await deed(peer)
            if rng.random() < 0.3:
                await asyncio.sleep(rng.expovariate(200))
            if peer.lost:
                raise Lost()

    async def start(self, peer, cdb, out=b"", read_bytes=0):
        """A command, its data in any of the ways there are."""
        rng = self.rng
        await peer.room()
        now = rng.choice((0, 512, len(out), 1 << 20))
        task, raws = peer.command(cdb, out, read_bytes, now, rng.choice((0, 4096, 1 << 20)))
        self.stats["commands"] += 1
        if rng.random() < 0.05:
            raw = b"".join(raws)
            cut, seconds = rng.randrange(1, len(raw)), rng.random() * 0.05
            self.spawn(peer.dribble(raw, cut, seconds))
            self.stats["half PDUs"] += 1
            await asyncio.sleep(0)
        else:
            for raw in raws:
                peer.send(raw)
        return task

    def spawn(self, coroutine):
        job = asyncio.ensure_future(self.guarded(coroutine))
        self.background.add(job)
        job.add_done_callback(self.background.discard)

    async def guarded(self, coroutine):
        try:
            await coroutine
        except Lost:
            pass

    def pick(self, most, for_write):
        """Blocks of our part that are free for that."""
        for _ in range(8):
            count = self.rng.choice((1, 1, 2, 4, 16, most))
            at = self.rng.randrange(PART_BLOCKS - count + 1)
            if self.part.free(at, count, for_write):
                return at, count
        return None

    def lba(self, at):
        return (self.part.first + at) * SECTORS

    async def write_own(self, peer):
        await peer.room()
        where = self.pick(PART_BLOCKS, True)
        if where:
            at, count = where
            number, data = self.part.issue(at, count)
            code = 0x8e if self.rng.random() < 0.1 else 0x8a    # WRITE AND VERIFY
            fua = 8 if code == 0x8a and self.rng.random() < 0.1 else 0
            await self.change(peer, struct.pack(">BBQI", code, fua, self.lba(at), count * SECTORS),
                              data, at, count, number)

    async def zero_own(self, peer):
        await peer.room()
        where = self.pick(PART_BLOCKS, True)
        if where:
            at, count = where
            number, _ = self.part.issue(at, count, zero=True)
            lba, sectors = self.lba(at), count * SECTORS
            if self.rng.random() < 0.5:
                out = struct.pack(">HH4xQI4x", 22, 16, lba, sectors)
                cdb = struct.pack(">BB5xH", 0x42, 0, len(out))
            else:
                out, cdb = bytes(512), struct.pack(">BBQI", 0x93, self.rng.choice((0, 8)), lba,
                                                   sectors)
            await self.change(peer, cdb, out, at, count, number)

    async def change(self, peer, cdb, out, at, count, number):
        try:
            task = await self.start(peer, cdb, out)
        except Lost:
            self.part.end(at, count, number, "unknown")
            raise
        self.stats["own writes"] += 1
        self.writes[task] = (at, count, number)
        task.future.add_done_callback(lambda _: self.wrote(task))

    def wrote(self, task):
        what = self.writes.pop(task, None)
        if what is None:
            return
        # a unit attention, or no room for it: it has not begun
        refused = task.answered and (task.status in (BUSY, TASK_SET_FULL) or task.key == 6)
        self.part.end(*what, "good" if task.good else "refused" if refused else "unknown")
        if task.answered and not refused and not task.good and task.key != 0xb:
            self.wrong.append(f"a write failed: {task}")

    async def read_own(self, peer):
        await peer.room()
        where = self.pick(PART_BLOCKS, False)
        if not where:
            return
        at, count = where
        self.part.begin_read(at, count)

        def was_read(_):
            self.part.end_read(at, count)
            if task.good:
                error = self.part.wrong(at, bytes(task.data))
                self.wrong.extend([f"{error}; read {task.tag}"] if error else [])
                self.stats["own reads"] += 1
        try:
            cdb = struct.pack(">BBQI", 0x88, 0, self.lba(at), count * SECTORS)
            task = await self.start(peer, cdb, read_bytes=count * BLOCK)
        except Lost:
            self.part.end_read(at, count)
            raise
        task.future.add_done_callback(was_read)

    async def junk(self, peer):
        """All kinds and sizes, where nobody knows what is there; and what does not exist."""
        rng = self.rng
        sectors = rng.choice((1, 3, 8, 17, 128, 511, 2048))
        lba = self.volume.junk_lba + rng.randrange(JUNK_BLOCKS * SECTORS - sectors + 1)
        size = sectors * 512
        rw = struct.pack(">BIBHB", 0, lba, 0, sectors, 0)
        cdb, out, read = rng.choice((
            (b"\x28" + rw, b"", size),                                  # READ (10)
            (b"\x2a" + rw, rng.randbytes(64) * (size // 64), 0),        # WRITE (10)
            (b"\x2e" + rw, bytes(size), 0),                             # WRITE AND VERIFY (10)
            (struct.pack(">BBIIBB", 0xa8, 0, lba, sectors, 0, 0), b"", size),   # READ (12)
            (b"\x2f" + rw, b"", 0),                                     # VERIFY (10)
            (b"\x34" + rw, b"", 0),                                     # PRE-FETCH
            (struct.pack(">BBQI", 0x91, 0, 0, 0), b"", 0),              # SYNCHRONIZE CACHE
            (struct.pack(">BBQI", 0x93, 0, lba, sectors), bytes(512), 0),   # WRITE SAME
            (bytes(6), b"", 0),                                         # TEST UNIT READY
            (b"\x12\0\0\0\xff", b"", 255),                              # INQUIRY
            (b"\x12\1" + bytes([rng.randrange(256)]) + b"\0\xff", b"", 255),
            (b"\xa0" + bytes(8) + b"\x10\0", b"", 4096),                # REPORT LUNS
            (b"\x9e\x10" + bytes(11) + b"\x20", b"", 32),               # READ CAPACITY (16)
            (struct.pack(">BBQI", 0x9e, 0x12, lba, 64), b"", 64),       # GET LBA STATUS
            (b"\x1a\0\x3f\0\xff", b"", 255),                            # MODE SENSE
            (b"\x03\0\0\0\xfc", b"", 252),                              # REQUEST SENSE
            (struct.pack(">BBQI", 0x88, 0, 1 << 40, 8), b"", 4096),     # beyond the end
            (bytes([rng.choice(HARMLESS)]) + bytes(15), b"", 0),
        ))
        # a length that is not the command's: residuals
        if read and rng.random() < 0.1:
            read = rng.randrange(0, read + 4096)
        task = await self.start(peer, cdb, out, read)
        task.future.add_done_callback(lambda _: task.answered and task.status not in STATUSES and
                                      self.wrong.append(f"status {task.status:#x}"))

    async def ping(self, peer):
        data = self.rng.randbytes(self.rng.choice((0, 4, 100, 512)))
        task = peer.ping(data)
        await peer.within(task.future, "an answer to a ping")
        if task.answered:
            self.stats["pings"] += 1
            self.stats.longest("ping", time.monotonic() - task.begin)
            if bytes(task.data) != data[:len(task.data)]:
                self.wrong.append("a ping came back with other data")

    async def text(self, peer):
        task = peer.text(b"SendTargets=\0")
        await peer.within(task.future, "an answer to SendTargets")
        if task.answered and self.volume.name.encode() not in task.data:
            self.wrong.append(f"SendTargets: {bytes(task.data)!r}")
        self.stats["texts"] += 1

    def commands(self, peer):
        return [task for task in peer.tasks.values() if task.cmd_sn is not None]

    async def abort(self, peer):
        """One of those under way, or one that never was."""
        under_way = self.commands(peer)
        if under_way and self.rng.random() < 0.9:
            await self.abort_this(peer, self.rng.choice(under_way))
        else:
            await self.managed(peer, peer.manage(ABORT_TASK, 0x7fffff00))

    async def abort_this(self, peer, task):
        answer = peer.manage(ABORT_TASK, task.tag, task.cmd_sn)
        await self.managed(peer, answer)
        self.stats["aborts"] += 1
        if not answer.answered:
            return
        if answer.response == COMPLETE and task.answered:
            self.stats["aborts that came too late"] += 1
        elif answer.response == COMPLETE:
            self.gone(peer, task)
            self.stats["aborts that hit"] += 1
        elif answer.response == NO_TASK and not task.done:
            # its answer would have come before this one
            if not self.volume.resets:
                self.wrong.append(f"{task} was lost: no answer, and no such task")
            self.gone(peer, task)

    def gone(self, peer, task):
        peer.tasks.pop(task.tag, None)
        task.end(TASK_GONE)

    async def managed(self, peer, answer):
        await peer.within(answer.future, "an answer to task management")
        if answer.answered:
            self.stats["task management"] += 1
            self.stats.longest("task management", time.monotonic() - answer.begin)
            if answer.response not in (0, 1, 2, 4, 5, 6, 7, 255):
                self.wrong.append(f"task management response {answer.response}")

    async def manage(self, peer):
        """All tasks at a time."""
        functions = [ABORT_TASK_SET, QUERY_TASK, QUERY_TASK_SET, QUERY_ASYNC_EVENT]
        if self.volume.resets:
            functions += [CLEAR_TASK_SET, LUN_RESET, WARM_RESET]
        if self.volume.closes:
            functions += [COLD_RESET]
        function = self.rng.choice(functions)
        before = self.commands(peer)
        answer = peer.manage(function)
        await self.managed(peer, answer)
        self.stats[f"function {function}"] += 1
        if answer.answered and answer.response == COMPLETE and function <= COLD_RESET:
            for task in before:
                if not task.done:
                    self.gone(peer, task)

    async def stop_reading(self, peer):
        peer.transport.pause_reading()
        await asyncio.sleep(self.rng.random() * 0.2)
        if not peer.lost:
            peer.transport.resume_reading()
        self.stats["slow reads"] += 1

    async def pause(self, peer):
        await asyncio.sleep(self.rng.random() * 0.05)

    async def drain(self, peer):
        """All answers. What a reset by others took is never answered: ask for it."""
        patience = self.rng.uniform(1, 4) if self.volume.resets else 60
        under_way = self.commands(peer)
        if under_way:
            await asyncio.wait([task.future for task in under_way], timeout=patience)
        for task in under_way:
            if task.done or peer.lost:
                continue
            if not self.volume.resets:
                self.wrong.append(f"{task}: no answer within {patience} s")
            await self.abort_this(peer, task)

    def leave(self):
        """However it ended: no connection stays."""
        for peer in self.peers:
            if not hasattr(peer, "transport"):
                continue
            for task in list(peer.tasks.values()):
                task.end(TASK_GONE)
            if not peer.lost and not peer.transport.is_closing():
                self.rng.choice((peer.reset, peer.close))()
        for task in list(self.writes):
            self.wrote(task)
