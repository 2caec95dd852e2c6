"""The ways in which a session ends, most of them bad ones."""

import asyncio
import struct
import time

from volumes import SECTORS


class Ends:
    """The part of a life (lives.py) that is its end."""

    async def end(self, peer, who):
        ways = ((self.log_out, 30), (self.drain_and_log_out, 15), (self.fin, 10), (self.rst, 10),
                (self.rst_in_command, 8), (self.rst_in_data_out, 8), (self.rst_in_data_in, 8),
                (self.garbage, 5), (self.deaf, 3), (self.reinstate, 10))
        way, = self.rng.choices([w for w, _ in ways], [n for _, n in ways])
        self.stats[f"end: {way.__name__}"] += 1
        if way == self.reinstate:
            await way(peer, who)
        else:
            await way(peer)

    async def log_out(self, peer):
        task = peer.logout()
        await peer.within(task.future, "an answer to a logout request")
        if task.answered and task.response != 0:
            self.wrong.append(f"logout response {task.response}")
        end = time.monotonic() + 30
        while not peer.lost and time.monotonic() < end:
            peer.changed.clear()
            try:
                await asyncio.wait_for(peer.changed.wait(), 1)
            except asyncio.TimeoutError:
                pass
        if not peer.lost:
            self.wrong.append("the connection is not closed 30 s after the logout")

    async def drain_and_log_out(self, peer):
        await self.drain(peer)
        if not peer.lost:
            await self.log_out(peer)

    async def fin(self, peer):
        peer.close()

    async def rst(self, peer):
        peer.reset()

    async def rst_in_command(self, peer):
        """In the middle of a command, its data or its header."""
        while peer.held is not None:
            await asyncio.sleep(0.005)
        await peer.room()
        where = self.pick(16, True)
        if where:
            at, count = where
            number, data = self.part.issue(at, count)
            _, raws = peer.command(struct.pack(">BBQI", 0x8a, 0, self.lba(at), count * SECTORS),
                                   data, 0, 1 << 20, 1 << 20)
            raw = b"".join(raws)
            peer.send(raw[:self.rng.randrange(1, len(raw))])
            peer.held = []      # nothing may follow it
            self.part.end(at, count, number, "unknown")
        await asyncio.sleep(self.rng.random() * 0.02)
        peer.reset()

    async def rst_in_data_out(self, peer):
        peer.data_out_limit = self.rng.choice((0, 1, 5000, 100000))
        for _ in range(8):
            await self.write_own(peer)
        await asyncio.sleep(self.rng.random() * 0.05)
        peer.reset()

    async def rst_in_data_in(self, peer):
        for _ in range(self.rng.randrange(1, 8)):
            await self.start(peer, struct.pack(">BBQI", 0x88, 0, self.volume.junk_lba, 2048),
                             read_bytes=1 << 20)
        peer.changed.clear()
        try:
            await asyncio.wait_for(peer.changed.wait(), 0.05)
        except asyncio.TimeoutError:
            pass
        peer.reset()

    async def deaf(self, peer):
        """Asks for much and reads nothing, and talks on."""
        peer.transport.pause_reading()
        for _ in range(min(peer.window, 16)):
            await self.start(peer, struct.pack(">BBQI", 0x88, 0, self.volume.junk_lba, 2048),
                             read_bytes=1 << 20)
        for _ in range(20):
            peer.ping(b"deaf")
        await asyncio.sleep(self.rng.random() * 2)
        self.rng.choice((peer.reset, peer.close))()

    async def garbage(self, peer):
        """What no rule allows; the target ends the session."""
        peer.may_close = peer.may_reject = True
        peer.take = lambda head, data: None    # whatever it may say
        wrong_digest = bytearray(peer.pdu(0, 0x80, 1, b"\xff" * 4 + peer.numbers(False), b"ping"))
        wrong_digest[self.rng.randrange(len(wrong_digest))] ^= 1
        peer.send(self.rng.choice((
            bytes(wrong_digest),
            self.rng.randbytes(48), b"\xff" * 480,
            peer.pdu(0x3f, 0x80, 1, b""), peer.pdu(0x10, 0x80, 1, b""),
            struct.pack(">BBHI", 1, 0x80, 0, 0xffffff) + bytes(40),
            peer.pdu(5, 0x80, 12345, bytes(28), bytes(4096)))))
        await asyncio.sleep(self.rng.random() * 0.1)
        peer.close()

    async def reinstate(self, peer, who):
        """The same port of the host logs in again while the old session is at work."""
        for _ in range(4):
            await self.write_own(peer)
        again = await self.new_peer()
        peer.may_close = True
        await again.login(who, self.offers())
        self.stats["logins"] += 1
        # the old session's tasks are over
        end = time.monotonic() + 30
        while not peer.lost:
            assert time.monotonic() < end, "a reinstated session's connection is still there"
            peer.changed.clear()
            try:
                await asyncio.wait_for(peer.changed.wait(), 1)
            except asyncio.TimeoutError:
                pass
        await self.days(again, 10)
        await self.log_out(again)
