"""An iSCSI initiator (RFC 7143) on asyncio: hundreds of them fit in a process. It keeps the
rules, unless a life (lives.py) has it break them, and checks all that it hears: order of
StatSN, bounds of data and of the command window, tags, digests.

    Peer    a connection of a session; what is not right lands in Peer.wrong"""

import asyncio
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "raw"))
from iscsi_raw import digest  # noqa: E402

NOP_OUT, COMMAND, TMF, LOGIN, TEXT, DATA_OUT, LOGOUT = range(7)
NOP_IN, RESPONSE, TMF_RESPONSE, LOGIN_RESPONSE, TEXT_RESPONSE = range(0x20, 0x25)
DATA_IN, LOGOUT_RESPONSE, R2T, ASYNC, REJECT = 0x25, 0x26, 0x31, 0x32, 0x3f
NO_TAG = 0xffffffff
GOOD, CHECK, BUSY, TASK_SET_FULL = 0x00, 0x02, 0x08, 0x28
OPERATIONAL, FULL_FEATURE = 1, 3
TASK_GONE = "gone"      # a task's end without an answer
PATIENCE = 60.0         # seconds; a server that takes longer hangs


class Lost(Exception):
    """The connection has ended, as it may."""


class Refused(Exception):
    """A login was answered with a status."""

    def __init__(self, status):
        super().__init__(f"login status {status:04x}")
        self.status = status


class Task:
    """A request under way: a command, ping, text, logout or task management function."""

    def __init__(self, tag, out=b"", read_bytes=0):
        self.tag, self.out, self.data = tag, out, bytearray(read_bytes)
        self.begin = time.monotonic()
        self.status = self.response = None
        self.sense = b""
        self.cmd_sn = None      # of a command
        self.future = asyncio.get_running_loop().create_future()

    @property
    def done(self):
        return self.future.done()

    @property
    def answered(self):
        return self.done and self.future.result() is not TASK_GONE

    @property
    def good(self):
        return self.answered and self.response == 0 and self.status == GOOD

    @property
    def key(self):
        return self.sense[2] & 15 if len(self.sense) > 13 else None

    def end(self, what=None):
        if not self.done:
            self.future.set_result(what)

    def __repr__(self):
        return f"<tag {self.tag} status {self.status} response {self.response} sense " \
            f"{self.sense[:14].hex()}>"


def serial_before(a, b):
    return 0 < (b - a & NO_TAG) < 1 << 31


class Peer(asyncio.Protocol):
    def __init__(self, who, isid, stats):
        self.who, self.isid, self.stats = who, isid, stats
        self.wrong = []
        self.input = bytearray()
        self.tasks, self.tag = {}, 0
        self.cmd_sn, self.max_cmd_sn, self.exp_stat_sn = 1, 1, 0
        self.full_feature = self.lost = self.may_close = self.may_reject = False
        self.header_digest = self.data_digest = False
        self.answers, self.offers = {}, {}
        self.login_answer = None
        self.held = None            # what is sent later: half a PDU is out
        self.data_out_limit = None  # bytes of a burst after which the life ends
        self.r2t_delay = 0.0
        self.changed = asyncio.Event()

    # --- the connection -------------------------------------------------------------

    async def connect(self, port, receive_buffer=0):
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop = asyncio.get_running_loop()
        try:
            await asyncio.wait_for(loop.sock_connect(sock, ("127.0.0.1", port)), PATIENCE)
        except BaseException:
            sock.close()
            raise
        self.sock = sock
        self.transport, _ = await loop.create_connection(lambda: self, sock=sock)
        return self

    def connection_lost(self, error):
        self.lost = True
        if not self.may_close:
            self.wrong.append(f"the target closed the connection ({error})")
        for task in self.tasks.values():
            task.end(TASK_GONE)
        if self.login_answer and not self.login_answer.done():
            self.login_answer.set_result(None)
        self.changed.set()

    def reset(self):
        """RST."""
        self.may_close = True
        if not self.lost:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    def close(self):
        """FIN, after what is still to be sent."""
        self.may_close = True
        self.transport.close()

    # --- PDUs out -------------------------------------------------------------------

    def pdu(self, opcode, flags, tag, fields, data=b"", lun=bytes(8), immediate=False):
        head = struct.pack(">BBHI", opcode | (0x40 if immediate else 0), flags, 0, len(data))
        head += lun + struct.pack(">I", tag) + fields.ljust(28, b"\0")
        raw = head + (digest(head) if self.header_digest else b"")
        if data:
            padded = bytes(data) + bytes(-len(data) % 4)
            raw += padded + (digest(padded) if self.data_digest else b"")
        return raw

    def send(self, raw):
        if self.lost:
            raise Lost()
        if self.held is not None:
            self.held.append(raw)
        else:
            self.transport.write(raw)

    async def dribble(self, raw, cut, seconds):
        """Half a PDU now, the rest later; other PDUs must not come in between."""
        if self.held is not None:
            self.send(raw)
            return
        self.send(raw[:cut])
        self.held = [raw[cut:]]
        try:
            await asyncio.sleep(seconds)
        finally:
            held, self.held = self.held, None
            if not self.lost:
                self.transport.write(b"".join(held))

    def numbers(self, immediate):
        fields = struct.pack(">II", self.cmd_sn, self.exp_stat_sn)
        if not immediate:
            self.cmd_sn = self.cmd_sn + 1 & NO_TAG
        return fields

    def new_task(self, out=b"", read_bytes=0):
        if self.lost:
            raise Lost()
        self.tag = self.tag + 1 & 0x7fffffff
        task = self.tasks[self.tag] = Task(self.tag, out, read_bytes)
        return task

    @property
    def window(self):
        """How many more commands may be sent now."""
        room = self.max_cmd_sn - self.cmd_sn + 1 & NO_TAG
        return room if room < 1 << 31 else 0

    # --- PDUs in --------------------------------------------------------------------

    def data_received(self, data):
        self.input += data
        try:
            while not self.wrong and self.take_one():
                pass
        except Exception as error:  # asyncio would only log it
            self.wrong.append(f"{type(error).__name__}: {error}")
        if self.wrong and not self.lost:
            self.reset()
        self.changed.set()

    def take_one(self):
        if len(self.input) < 48:
            return False
        length = int.from_bytes(self.input[5:8], "big")
        begin = 48 + self.input[4] * 4
        head_end = begin
        begin += 4 if self.header_digest else 0
        end = begin + (length + 3 & ~3)
        whole = end + (4 if self.data_digest and length else 0)
        if length > 1 << 20:
            raise ValueError(f"a PDU of {length} bytes")
        if len(self.input) < whole:
            return False
        head, data = bytes(self.input[:head_end]), bytes(self.input[begin:begin + length])
        if self.header_digest and self.input[head_end:begin] != digest(head):
            raise ValueError("wrong header digest")
        if whole > end and self.input[end:whole] != digest(self.input[begin:end]):
            raise ValueError("wrong data digest")
        del self.input[:whole]
        if self.full_feature:
            self.take(head, data)
        else:
            self.take_login(head, data)
        return True

    def count_status(self, head, opcode, tag):
        """StatSN: every answer has the next one (RFC 7143 4.2.2.2)."""
        stat_sn, _, max_cmd_sn = struct.unpack_from(">III", head, 24)
        if serial_before(self.max_cmd_sn, max_cmd_sn):
            self.max_cmd_sn = max_cmd_sn
        if opcode == R2T or opcode == DATA_IN and not head[1] & 1 or \
                opcode == NOP_IN and tag == NO_TAG:
            return
        if stat_sn != self.exp_stat_sn:
            raise ValueError(f"StatSN {stat_sn} of opcode {opcode:#x} instead of "
                             f"{self.exp_stat_sn}")
        self.exp_stat_sn = stat_sn + 1 & NO_TAG

    def take(self, head, data):
        opcode = head[0] & 0x3f
        tag, target_tag = struct.unpack_from(">II", head, 16)
        self.count_status(head, opcode, tag)
        if opcode == NOP_IN and tag == NO_TAG:
            if target_tag != NO_TAG:
                self.send(self.pdu(NOP_OUT, 0x80, NO_TAG, struct.pack(">I", target_tag)
                                   + self.numbers(True), lun=head[8:16], immediate=True))
            return
        if opcode == ASYNC:
            self.stats["async"] += 1
            if head[36] in (1, 2, 3):
                self.may_close = True
            return
        if opcode == REJECT:
            self.stats["rejected"] += 1
            if not self.may_reject:
                raise ValueError(f"Reject, reason {head[2]:#x}, of {data[:48].hex()}")
            return
        task = self.tasks.get(tag)
        if task is None:
            raise ValueError(f"opcode {opcode:#x} for tag {tag}, which is not there")
        if opcode == R2T:
            self.take_r2t(task, target_tag, head)
        elif opcode == DATA_IN:
            self.take_data_in(task, head, data)
        else:
            self.take_answer(task, opcode, head, data)

    def take_data_in(self, task, head, data):
        offset, = struct.unpack_from(">I", head, 40)
        if offset + len(data) > len(task.data):
            raise ValueError(f"Data-In up to {offset + len(data)} of {len(task.data)} bytes")
        task.data[offset:offset + len(data)] = data
        if head[1] & 1:
            self.finish(task, head[3], 0)

    def take_answer(self, task, opcode, head, data):
        if opcode == RESPONSE:
            task.sense = data[2:2 + int.from_bytes(data[:2], "big")] if len(data) > 2 else b""
            self.finish(task, head[3], head[2])
        elif opcode in (TMF_RESPONSE, LOGOUT_RESPONSE):
            self.finish(task, GOOD, head[2])
        elif opcode == TEXT_RESPONSE and not head[1] & 0x80:
            task.data += data   # more is to come, for an empty request
            self.send(self.pdu(TEXT, 0x80, task.tag, head[20:24] + self.numbers(True),
                               lun=head[8:16], immediate=True))
        elif opcode in (NOP_IN, TEXT_RESPONSE):
            task.data += data
            self.finish(task, GOOD, 0)
        else:
            raise ValueError(f"opcode {opcode:#x}")

    def finish(self, task, status, response):
        del self.tasks[task.tag]
        task.status, task.response = status, response
        if status != GOOD:
            self.stats[f"status {status:#x}"] += 1
        task.end()

    def take_r2t(self, task, target_tag, head):
        offset, length = struct.unpack_from(">II", head, 40)
        if not length or offset + length > len(task.out):
            raise ValueError(f"R2T for {offset}+{length} of {len(task.out)} bytes")
        loop = asyncio.get_running_loop()
        if self.r2t_delay:
            loop.call_later(self.r2t_delay, self.burst, task, target_tag, offset, offset + length,
                            head[8:16])
        else:
            self.burst(task, target_tag, offset, offset + length, head[8:16])

    def burst(self, task, target_tag, offset, end, lun):
        """A sequence of Data-Out PDUs. A life that ends in the middle leaves the rest out."""
        number = 0
        while offset < end and not self.lost:
            part = task.out[offset:min(offset + self.segment, end)]
            offset += len(part)
            if self.data_out_limit is not None:
                self.data_out_limit -= len(part)
                if self.data_out_limit < 0:
                    self.stats["reset in the middle of Data-Out"] += 1
                    self.reset()
                    return
            fields = struct.pack(">IIIIII", target_tag, 0, self.exp_stat_sn, 0, number,
                                 offset - len(part))
            self.send(self.pdu(DATA_OUT, 0x80 if offset == end else 0, task.tag, fields, part, lun))
            number += 1

    # --- login ----------------------------------------------------------------------

    def login_pdu(self, keys, stage, next_stage):
        text = b"".join(f"{key}={value}\0".encode() for key, value in keys.items())
        head = struct.pack(">BBHI", LOGIN | 0x40, 0x80 | stage << 2 | next_stage, 0, len(text))
        head += self.isid + struct.pack(">HIIII", 0, 1, 0, self.cmd_sn, self.exp_stat_sn)
        return head + bytes(16) + text + bytes(-len(text) % 4)

    async def login_step(self, keys, stage, next_stage):
        """The answer's flags."""
        self.login_answer = asyncio.get_running_loop().create_future()
        self.send(self.login_pdu(keys, stage, next_stage))
        flags = await self.within(self.login_answer, "an answer to a login request")
        if flags is None:
            raise Lost()
        if flags < 0:
            raise Refused(-flags)
        return flags

    async def login(self, keys, offers, security=False):
        """@keys say who we are, @offers what we want."""
        self.offers, begin = offers, time.monotonic()
        if security:
            flags = await self.login_step({**keys, "AuthMethod": "None"}, 0, OPERATIONAL)
            keys = {}
            if flags & 0x83 != 0x80 | OPERATIONAL:
                raise AssertionError(f"security stage answered with {flags:#x}")
        keys = {**keys, **offers}
        while not self.full_feature:
            await self.login_step(keys, OPERATIONAL, FULL_FEATURE)
            keys = {}
        self.stats.longest("login", time.monotonic() - begin)

    def take_login(self, head, data):
        status, = struct.unpack_from(">H", head, 36)
        if head[0] & 0x3f != LOGIN_RESPONSE or self.login_answer.done():
            raise ValueError(f"opcode {head[0]:#x} in the login phase")
        self.exp_stat_sn = int.from_bytes(head[24:28], "big") + 1 & NO_TAG
        self.max_cmd_sn = int.from_bytes(head[32:36], "big")
        for pair in filter(None, data.split(b"\0")):
            key, _, value = pair.decode().partition("=")
            self.answers[key] = value
        if not status and head[1] & 0x83 == 0x80 | FULL_FEATURE:
            self.agree()
        self.may_close |= status != 0
        self.login_answer.set_result(-status if status else head[1])

    def agree(self):
        """The results (RFC 7143 13); what was not answered keeps what we offered."""
        both = {**self.offers, **self.answers}
        self.full_feature = True
        self.header_digest = self.answers.get("HeaderDigest") == "CRC32C"
        self.data_digest = self.answers.get("DataDigest") == "CRC32C"
        self.stats["digests"] += self.header_digest + self.data_digest
        self.segment = int(self.answers.get("MaxRecvDataSegmentLength", 8192))
        burst = str(both.get("FirstBurstLength", 65536))    # or Irrelevant
        self.first_burst = int(burst) if burst.isdigit() else 0
        self.immediate = both.get("ImmediateData", "Yes") == "Yes"
        self.initial_r2t = both.get("InitialR2T", "Yes") == "Yes"

    # --- requests -------------------------------------------------------------------

    async def within(self, future, what):
        try:
            return await asyncio.wait_for(asyncio.shield(future), PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(f"no {what} within {PATIENCE:.0f} s") from None

    async def room(self):
        """Until the command window is open."""
        end = time.monotonic() + PATIENCE
        while not self.window and not self.lost:
            assert time.monotonic() < end, f"the command window was closed for {PATIENCE:.0f} s"
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), 1)
            except asyncio.TimeoutError:
                pass
        if self.lost:
            raise Lost()

    def command(self, cdb, out=b"", read_bytes=0, immediate_bytes=0, unsolicited_bytes=0, lun=0):
        """@out travels as that many bytes with the command, then (if no R2T is needed at first)
        up to that many unasked, the rest as R2Ts ask. Returns (task, PDUs)."""
        task = self.new_task(out, read_bytes)
        lun = struct.pack(">H", lun) + bytes(6)
        now = min(immediate_bytes, len(out), self.first_burst, self.segment) \
            if self.immediate else 0
        unasked = 0 if self.initial_r2t else \
            max(min(unsolicited_bytes, len(out), self.first_burst) - now, 0)
        flags = (0 if unasked else 0x80) | (0x40 if read_bytes else 0) | (0x20 if out else 0) | 1
        task.cmd_sn = self.cmd_sn
        fields = struct.pack(">I", len(out) or read_bytes) + self.numbers(False)
        raws = [self.pdu(COMMAND, flags, task.tag, fields + bytes(cdb).ljust(16, b"\0"),
                         out[:now], lun)]
        offset, end, number = now, now + unasked, 0
        while offset < end:
            part = out[offset:min(offset + self.segment, end)]
            offset += len(part)
            fields = struct.pack(">IIIIII", NO_TAG, 0, self.exp_stat_sn, 0, number,
                                 offset - len(part))
            raws.append(self.pdu(DATA_OUT, 0x80 if offset == end else 0, task.tag, fields, part,
                                 lun))
            number += 1
        return task, raws

    def request(self, opcode, flags, fields=b"", tail=b"", data=b"", immediate=True, lun=0):
        """All but commands. @fields are bytes 20..23, @tail 32..47."""
        task = self.new_task()
        self.send(self.pdu(opcode, flags, task.tag, fields + self.numbers(immediate) + tail, data,
                           struct.pack(">H", lun) + bytes(6), immediate))
        return task

    def ping(self, data=b""):
        return self.request(NOP_OUT, 0x80, struct.pack(">I", NO_TAG), data=data)

    def text(self, keys):
        return self.request(TEXT, 0x80, struct.pack(">I", NO_TAG), data=keys)

    def logout(self):
        self.may_close = True
        return self.request(LOGOUT, 0x80, bytes(4))

    def manage(self, function, tag=NO_TAG, cmd_sn=0, lun=0):
        return self.request(TMF, 0x80 | function, struct.pack(">I", tag),
                            struct.pack(">I", cmd_sn), lun=lun)
