"""A small iSCSI initiator (RFC 7143) that keeps many commands in flight, for tests
that must know exactly what was acknowledged when.

One thread, no callbacks: start commands, then wait() for some of them. It keeps the
rules; what breaks them is tests/raw's business. No digests, one connection."""

import itertools
import os
import select
import socket
import struct
import time

INITIATOR = "iqn.2026-11.io.ringlun.test:initiator"
NOP_OUT, COMMAND, TMF, LOGIN, DATA_OUT, LOGOUT = 0x00, 0x01, 0x02, 0x03, 0x05, 0x06
NOP_IN, RESPONSE, TMF_RESPONSE, LOGIN_RESPONSE = 0x20, 0x21, 0x22, 0x23
DATA_IN, LOGOUT_RESPONSE, R2T, ASYNC, REJECT = 0x25, 0x26, 0x31, 0x32, 0x3f
NO_TAG = 0xffffffff
ABORT_TASK, ABORT_TASK_SET, LUN_RESET = 1, 2, 5
GOOD, CHECK, BUSY, TASK_SET_FULL = 0x00, 0x02, 0x08, 0x28

OFFERS = {
    "HeaderDigest": "None", "DataDigest": "None", "MaxConnections": "1", "InitialR2T": "No",
    "ImmediateData": "Yes", "MaxRecvDataSegmentLength": "262144", "MaxBurstLength": "1048576",
    "FirstBurstLength": "65536", "DefaultTime2Wait": "0", "DefaultTime2Retain": "0",
    "MaxOutstandingR2T": "1", "DataPDUInOrder": "Yes", "DataSequenceInOrder": "Yes",
    "ErrorRecoveryLevel": "0",
}
_isids = itertools.count(os.getpid() << 8)


class Closed(Exception):
    """The connection has ended."""


class Task:
    """A command, ping or task management function under way; done when its answer came."""

    def __init__(self, tag, data=b"", read_bytes=0):
        self.tag, self.out = tag, data
        self.data = bytearray(read_bytes)
        self.started = time.monotonic()
        self.seconds = self.status = self.response = None
        self.sense = b""

    @property
    def done(self):
        return self.seconds is not None

    def end(self, status=None, response=0):
        assert not self.done, f"a second answer for tag {self.tag}"
        self.status, self.response = status, response
        self.seconds = time.monotonic() - self.started

    @property
    def good(self):
        return self.done and self.response == 0 and self.status == GOOD

    def __repr__(self):
        sense = self.sense
        key = f" sense {sense[2] & 15:x}/{sense[12]:02x}/{sense[13]:02x}" if len(sense) > 13 else ""
        return f"<task {self.tag}: status {self.status} response {self.response}{key}>"


class Session:
    def __init__(self, port, target, name=INITIATOR, address="127.0.0.1", isid=None, seconds=10.0,
                 **offers):
        self.socket = socket.create_connection((address, port), timeout=seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = bytearray()
        self.tags = itertools.count(1)
        self.tasks = {}
        self.cmd_sn, self.max_cmd_sn, self.exp_stat_sn = 1, 1, 0
        number = next(_isids) if isid is None else isid
        self.isid = b"\x80" + struct.pack(">I", number & 0xffffffff)[1:] + b"\0\0"
        self.answers = {}
        self.logout_asked = False
        try:
            self._login(target, name, {**OFFERS, **offers})
        except BaseException:
            self.socket.close()
            raise

    # --- PDUs ---------------------------------------------------------------------

    def _send(self, opcode, flags, tag, fields, data=b"", lun=bytes(8), immediate=False):
        head = bytes([opcode | (0x40 if immediate else 0), flags, 0, 0])
        head += struct.pack(">I", len(data)) + lun + struct.pack(">I", tag) + fields
        assert len(head) == 48
        try:
            self.socket.sendall(head + data + bytes(-len(data) % 4))
        except OSError as error:
            raise Closed(str(error)) from None

    def _numbers(self, immediate):
        fields = struct.pack(">II", self.cmd_sn & NO_TAG, self.exp_stat_sn)
        if not immediate:
            self.cmd_sn += 1
        return fields

    def _pdu(self):
        """The next whole PDU that has come, as (header, data), or None."""
        if len(self.input) < 48:
            return None
        length = int.from_bytes(self.input[5:8], "big")
        whole = 48 + self.input[4] * 4 + length + (-length % 4)
        if len(self.input) < whole:
            return None
        head = bytes(self.input[:48])
        begin = 48 + head[4] * 4
        data = bytes(self.input[begin:begin + length])
        del self.input[:whole]
        return head, data

    def pump(self, seconds):
        """Take in what comes within that time, at least what is there already."""
        ready, _, _ = select.select([self.socket], [], [], max(seconds, 0))
        if not ready:
            return
        try:
            data = self.socket.recv(1 << 20)
        except OSError as error:
            raise Closed(str(error)) from None
        if not data:
            raise Closed("the target closed the connection")
        self.input += data
        while (pdu := self._pdu()) is not None:
            self._take(*pdu)

    def _take(self, head, data):
        opcode, flags = head[0] & 0x3f, head[1]
        tag, target_tag = struct.unpack_from(">II", head, 16)
        stat_sn, _, max_cmd_sn = struct.unpack_from(">III", head, 24)
        self.max_cmd_sn = max(self.max_cmd_sn, max_cmd_sn)
        has_status = opcode != R2T and not (opcode == DATA_IN and not flags & 1) and \
            not (opcode == NOP_IN and tag == NO_TAG)
        if has_status:
            self.exp_stat_sn = stat_sn + 1 & NO_TAG
        if opcode == NOP_IN and tag == NO_TAG:
            if target_tag != NO_TAG:
                self._send(NOP_OUT, 0x80, NO_TAG, struct.pack(">I", target_tag)
                           + self._numbers(True) + bytes(16), immediate=True)
            return
        if opcode == ASYNC:
            self.logout_asked |= head[36] == 1
            return
        assert opcode != REJECT, f"Reject, reason {head[2]:#x}"
        task = self.tasks[tag]
        if opcode == R2T:
            self._data_out(task, target_tag, head)
            return
        if opcode == DATA_IN:
            offset = int.from_bytes(head[40:44], "big")
            assert offset + len(data) <= len(task.data), "Data-In beyond what was asked for"
            task.data[offset:offset + len(data)] = data
            if not flags & 1:
                return
        if opcode == RESPONSE and len(data) > 2:
            task.sense = data[2:2 + int.from_bytes(data[:2], "big")]
        del self.tasks[tag]
        if opcode in (RESPONSE, DATA_IN):
            task.end(head[3], head[2] if opcode == RESPONSE else 0)
        else:
            task.end(GOOD, head[2] if opcode != NOP_IN else 0)

    def _data_out(self, task, target_tag, head):
        offset, length = struct.unpack_from(">II", head, 40)
        assert offset + length <= len(task.out), "R2T beyond the command's data"
        end, number = offset + length, 0
        while offset < end:
            part = task.out[offset:min(offset + self.segment, end)]
            last = offset + len(part) == end
            self._send(DATA_OUT, 0x80 if last else 0, task.tag,
                       struct.pack(">IIIIIII", target_tag, 0, self.exp_stat_sn, 0, number, offset,
                                   0), part, lun=head[8:16])
            offset += len(part)
            number += 1

    def _login(self, target, name, offers):
        keys = {"InitiatorName": name, "SessionType": "Normal", "TargetName": target, **offers}
        text = b"".join(f"{key}={value}\0".encode() for key, value in keys.items())
        fields = self.isid + b"\0\0"
        for _ in range(10):     # operational stage (1) to full feature phase (3)
            head = bytes([LOGIN | 0x40, 0x87, 0, 0]) + struct.pack(">I", len(text)) + fields
            head += struct.pack(">IIII", 0, 0, self.cmd_sn, self.exp_stat_sn) + bytes(16)
            self.socket.sendall(head + text + bytes(-len(text) % 4))
            while (pdu := self._pdu()) is None:
                data = self.socket.recv(1 << 16)
                if not data:
                    raise Closed("closed during login")
                self.input += data
            head, data = pdu
            if head[36]:
                raise Closed(f"login refused: {head[36]:02x}{head[37]:02x}")
            assert head[0] == LOGIN_RESPONSE, f"opcode {head[0]:#x} during login"
            self.exp_stat_sn = int.from_bytes(head[24:28], "big") + 1
            self.max_cmd_sn = int.from_bytes(head[32:36], "big")
            for pair in filter(None, data.split(b"\0")):
                key, _, value = pair.decode().partition("=")
                self.answers[key] = value
            if head[1] & 0x83 == 0x83:
                break
            text = b""
        else:
            raise Closed("the login does not end")
        answer = {**offers, **self.answers}
        # a target that does not declare its own takes 8192 (RFC 7143 13.12)
        self.segment = int(self.answers.get("MaxRecvDataSegmentLength", 8192))
        self.first_burst = min(int(answer["FirstBurstLength"]), self.segment)
        self.immediate = answer["ImmediateData"] == "Yes"

    # --- commands -----------------------------------------------------------------

    @property
    def window(self):
        """How many more commands may be sent now."""
        return self.max_cmd_sn - self.cmd_sn + 1

    def command(self, cdb, out=b"", read_bytes=0, lun=0):
        assert self.window > 0, "the command window is closed"
        task = Task(next(self.tags), out, read_bytes)
        self.tasks[task.tag] = task
        now = out[:self.first_burst] if self.immediate else b""
        flags = 0x80 | (0x40 if read_bytes else 0) | (0x20 if out else 0) | 1
        self._send(COMMAND, flags, task.tag, struct.pack(">I", len(out) or read_bytes)
                   + self._numbers(False) + bytes(cdb).ljust(16, b"\0"), now,
                   lun=struct.pack(">H", lun) + bytes(6))
        return task

    def write(self, lba, data, block=512, fua=False):
        return self.command(struct.pack(">BBQI", 0x8a, 8 if fua else 0, lba, len(data) // block),
                            data)

    def read(self, lba, count, block=512):
        return self.command(struct.pack(">BBQI", 0x88, 0, lba, count), read_bytes=count * block)

    def flush(self):
        return self.command(struct.pack(">BBQI", 0x91, 0, 0, 0))

    def unmap(self, lba, count):
        out = struct.pack(">HH4xQI4x", 22, 16, lba, count)
        return self.command(struct.pack(">BB5xH", 0x42, 0, len(out)), out)

    def zeroes(self, lba, count, block=512):
        """WRITE SAME (16) of a zero block."""
        return self.command(struct.pack(">BBQI", 0x93, 0, lba, count), bytes(block))

    def ping(self):
        task = Task(next(self.tags))
        self.tasks[task.tag] = task
        self._send(NOP_OUT, 0x80, task.tag, struct.pack(">I", NO_TAG) + self._numbers(True)
                   + bytes(16), immediate=True)
        return task

    def manage(self, function, other=None, lun=0):
        """Task management; the aborted task gets no answer any more."""
        task = Task(next(self.tags))
        self.tasks[task.tag] = task
        sn = self.cmd_sn
        self._send(TMF, 0x80 | function, task.tag,
                   struct.pack(">I", other.tag if other else NO_TAG) + self._numbers(True)
                   + struct.pack(">II8x", sn - 1 if other else 0, 0),
                   lun=struct.pack(">H", lun) + bytes(6), immediate=True)
        return task

    def wait(self, *tasks, seconds=30.0):
        """Until all these are done; the first one."""
        end = time.monotonic() + seconds
        while not all(task.done for task in tasks):
            left = end - time.monotonic()
            assert left > 0, f"no answer after {seconds} s: " \
                f"{[task for task in tasks if not task.done][:4]}"
            self.pump(min(left, 1.0))
        return tasks[0] if tasks else None

    def must(self, *tasks, seconds=30.0):
        """Wait, and every one must be GOOD."""
        self.wait(*tasks, seconds=seconds)
        bad = [task for task in tasks if not task.good]
        assert not bad, f"not GOOD: {bad[:4]}"
        return tasks[0]

    def ready(self):
        """Take the unit attentions of a new nexus."""
        for _ in range(8):
            if self.wait(self.command(bytes(6))).good:
                return self
        raise AssertionError("TEST UNIT READY is never GOOD")

    def close(self):
        """As if the host had died: no logout."""
        self.socket.close()

    def logout(self):
        task = Task(next(self.tags))
        self.tasks[task.tag] = task
        self._send(LOGOUT, 0x80, task.tag, bytes(4) + self._numbers(True) + bytes(16),
                   immediate=True)
        self.wait(task)
        self.close()
