"""Many initiators in one thread: each is a generator that sends and yields for what it waits for,
and a selector moves them all.

    def script(peer):
        yield from peer.login("iqn.x:disk")
        answer = yield from peer.command(cdb, edtl)

A bare yield waits for the next PDU; `yield SECONDS` sleeps. Pings are answered by the way, unless
the peer is deaf. What a script raises ends up in peer.error; Closed where the server hung up."""

import errno
import heapq
import itertools
import os
import selectors
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "raw"))
from iscsi_raw import (CMD_READ, CMD_WRITE, DATA_IN, FINAL, FULL_FEATURE, IMMEDIATE,  # noqa: E402
                       LOGIN, LOGIN_RSP, NO_TAG, NOP_IN, NOP_OUT, OPERATIONAL, SCSI_CMD, SCSI_RSP,
                       SIMPLE, TEXT, TEXT_RSP, TRANSIT, Closed, Pdu, pack, text)

INITIATOR = "iqn.2026-11.io.ringlun.test:crowd"


class Answer:
    """Of a SCSI command."""

    def __init__(self, status, data, sense):
        self.status, self.data, self.sense = status, data, sense


class Refused(Exception):
    """A login that was; .status says how."""

    def __init__(self, status):
        super().__init__(f"login status {status:04x}")
        self.status = status


class Peer:
    """A connection, and what has become of its script."""

    def __init__(self, crowd, portal, script, number, receive_buffer=None):
        self.crowd, self.number, self.script = crowd, number, script(self)
        self.out, self.inb = bytearray(), bytearray()
        self.deaf = False       # reads nothing from now on
        self.done = self.error = None
        self.cmd_sn, self.exp_stat_sn, self.itt = 1, 1, 0
        self.sock = socket.socket(socket.AF_INET6 if ":" in portal[0] else socket.AF_INET)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connecting = True
        code = self.sock.connect_ex(portal)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self.events = 0         # what the selector looks for
        self.sleeping = False
        crowd.watch(self)

    # --- for scripts -------------------------------------------------------------------------

    def send(self, raw):
        self.out += raw
        self.crowd.watch(self)

    def be_deaf(self):
        self.deaf = True
        self.crowd.watch(self)

    def login(self, target, initiator=INITIATOR, isid=None, **offer):
        """Into full feature phase, in one request; @target None: discovery."""
        keys = {"InitiatorName": initiator, "SessionType": "Normal" if target else "Discovery",
                "HeaderDigest": "None", "DataDigest": "None",
                "MaxRecvDataSegmentLength": "262144"}
        if target:
            keys.update({"TargetName": target, "InitialR2T": "No", "ImmediateData": "Yes"})
        keys.update(offer)
        isid = isid or struct.pack(">BHBH", 0x80, self.number >> 8 & 0xffff, self.number & 0xff, 1)
        self.send(pack(LOGIN | IMMEDIATE, TRANSIT | OPERATIONAL << 2 | FULL_FEATURE,
                       bytes8=isid + b"\0\0", itt=1,
                       rest=struct.pack(">HHII", 0, 0, self.cmd_sn, 0), data=text(keys)))
        pdu = yield
        assert pdu.opcode == LOGIN_RSP, pdu
        if pdu.login_status:
            raise Refused(pdu.login_status)
        assert pdu.flags & TRANSIT and pdu.flags & 3 == FULL_FEATURE, pdu
        self.exp_stat_sn = pdu.stat_sn + 1

    def start(self, cdb, edtl=0, data=b"", lun=b"\0" * 8, flags=None):
        """A command, not waited for; its tag."""
        if flags is None:
            flags = CMD_WRITE if data else CMD_READ if edtl else 0
        self.itt += 1
        rest = struct.pack(">III", edtl or len(data), self.cmd_sn, self.exp_stat_sn)
        self.send(pack(SCSI_CMD, FINAL | SIMPLE | flags, bytes8=lun, itt=self.itt,
                       rest=rest + cdb.ljust(16, b"\0"), data=data))
        self.cmd_sn += 1
        return self.itt

    def command(self, cdb, edtl=0, data=b"", lun=b"\0" * 8):
        """One at a time; data goes with the command."""
        itt, got = self.start(cdb, edtl, data, lun), bytearray()
        while True:
            pdu = yield
            assert pdu.opcode in (DATA_IN, SCSI_RSP) and pdu.itt == itt, pdu
            if pdu.opcode == DATA_IN:
                assert pdu.offset == len(got), "Data-In out of order"
                got += pdu.data
                if not pdu.flags & 1:
                    continue
            self.exp_stat_sn = pdu.stat_sn + 1
            return Answer(pdu.status, bytes(got), pdu.data[2:] if pdu.opcode == SCSI_RSP else b"")

    def ready(self, lun=b"\0" * 8):
        """TEST UNIT READY, past the unit attention of a new nexus."""
        for _ in range(3):
            answer = yield from self.command(bytes(6), lun=lun)
            if answer.status == 0:
                return
        raise AssertionError(f"not ready: {answer.status:02x} {answer.sense.hex()}")

    def text(self, keys):
        """A Text exchange; all of the answer."""
        got, ttt = b"", NO_TAG
        self.itt += 1
        data = text(keys)
        while True:
            self.send(pack(TEXT, FINAL, itt=self.itt, data=data,
                           rest=struct.pack(">III", ttt, self.cmd_sn, self.exp_stat_sn)))
            self.cmd_sn += 1
            pdu = yield
            assert pdu.opcode == TEXT_RSP, pdu
            self.exp_stat_sn = pdu.stat_sn + 1
            got, ttt, data = got + pdu.data, pdu.ttt, b""
            if pdu.flags & FINAL:
                return got

    # --- for the crowd -----------------------------------------------------------------------

    def close(self):
        if self.sock:
            self.crowd.listen(self, 0)
            self.sock.close()
            self.sock = None

    def resume(self, value=None):
        try:
            wants = self.script.throw(value) if isinstance(value, BaseException) \
                else self.script.send(value)
        except StopIteration as end:
            self.done, self.script = end.value or True, None
        except (AssertionError, Closed, Refused, OSError) as error:
            self.error, self.script = error, None
        else:
            if wants is not None:
                self.sleeping = True
                heapq.heappush(self.crowd.sleepers,
                               (time.monotonic() + wants, next(self.crowd.order), self))

    def take_pdus(self):
        while self.sock and not self.sleeping and len(self.inb) >= 48:
            length = int.from_bytes(self.inb[5:8], "big")
            whole = 48 + self.inb[4] * 4 + (length + 3 & ~3)
            if len(self.inb) < whole:
                return
            at = 48 + self.inb[4] * 4
            pdu = Pdu(bytes(self.inb[:48]), b"", bytes(self.inb[at:at + length]))
            del self.inb[:whole]
            if pdu.opcode == NOP_IN and pdu.itt == NO_TAG:
                self.crowd.pings += 1
                self.send(pack(NOP_OUT | IMMEDIATE, FINAL, itt=NO_TAG,
                               rest=struct.pack(">III", pdu.ttt, self.cmd_sn, self.exp_stat_sn)))
            elif self.script:
                self.resume(pdu)

    def on_event(self, mask):
        try:
            if self.connecting:
                code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
                self.connecting = False
                self.resume()
            elif mask & selectors.EVENT_READ:
                data = self.sock.recv(1 << 18)
                if not data:
                    raise Closed("the server closed the connection")
                self.inb += data
                self.take_pdus()
            if self.out and self.sock and not self.connecting:
                del self.out[:self.sock.send(self.out)]
        except BlockingIOError:
            pass
        except (OSError, Closed) as error:
            self.close()
            if self.script:
                self.resume(Closed(str(error)))
        self.crowd.watch(self)


class Crowd:
    """All peers of a test."""

    def __init__(self, port, host="127.0.0.1"):
        self.portal = (host, port)
        self.selector = selectors.DefaultSelector()
        self.peers, self.sleepers, self.order = [], [], itertools.count()
        self.pings = 0
        self.numbers = itertools.count(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        self.selector.close()

    def close(self, peers=None):
        for peer in list(self.peers if peers is None else peers):
            peer.close()
            peer.script = None
            self.peers.remove(peer)

    def add(self, script, **options):
        """A peer that connects and runs @script."""
        peer = Peer(self, self.portal, script, next(self.numbers), **options)
        self.peers.append(peer)
        return peer

    def listen(self, peer, events):
        if peer.events and events:
            self.selector.modify(peer.sock, events, peer)
        elif events:
            self.selector.register(peer.sock, events, peer)
        elif peer.events:
            self.selector.unregister(peer.sock)
        peer.events = events

    def watch(self, peer):
        if not peer.sock:
            return
        events = selectors.EVENT_WRITE if peer.out or peer.connecting else 0
        if not peer.deaf and not peer.connecting:
            events |= selectors.EVENT_READ
        if events != peer.events:
            self.listen(peer, events)

    def turn(self, seconds):
        """Whatever is ready now, or is within @seconds."""
        if self.sleepers:
            seconds = max(0, min(seconds, self.sleepers[0][0] - time.monotonic()))
        for key, mask in self.selector.select(seconds):
            if key.data.sock:
                key.data.on_event(mask)
        while self.sleepers and self.sleepers[0][0] <= time.monotonic():
            peer = heapq.heappop(self.sleepers)[2]
            peer.sleeping = False
            if peer.script:
                peer.resume()
                peer.take_pdus()

    def run(self, peers, seconds=60, what="the scripts"):
        """Until all of @peers are done; the first error is raised."""
        end = time.monotonic() + seconds
        while True:
            left = [peer for peer in peers if peer.script]
            failed = [peer for peer in peers if peer.error]
            if failed:
                raise failed[0].error
            if not left:
                return
            assert time.monotonic() < end, \
                f"{len(left)} of {len(peers)} not done after {seconds} s: {what}"
            self.turn(0.5)

    def pass_time(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn(max(0, end - time.monotonic()))
