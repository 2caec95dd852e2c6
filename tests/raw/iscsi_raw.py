"""A small iSCSI initiator that can do wrong on purpose.

Every field of every PDU can be set; nothing is retried, checked or repaired unless the
helper says so. Numbers in comments are sections of RFC 7143.

    Conn      a TCP connection that sends and receives PDUs
    Session   a Conn with a login, a CmdSN and SCSI helpers

Digests: offer HeaderDigest or DataDigest to login(). Once agreed on, they are added to all
that is sent and checked in all that comes; spoil_header and spoil_data make the next one that
is sent wrong.
"""

import os
import random
import select
import socket
import struct
import time

from digests import BadDigest, digest

NOP_OUT, SCSI_CMD, TMF, LOGIN, TEXT, DATA_OUT, LOGOUT, SNACK = 0, 1, 2, 3, 4, 5, 6, 0x10
NOP_IN, SCSI_RSP, TMF_RSP, LOGIN_RSP, TEXT_RSP, DATA_IN, LOGOUT_RSP = range(0x20, 0x27)
R2T, ASYNC, REJECT = 0x31, 0x32, 0x3f
IMMEDIATE, FINAL, CONTINUE, TRANSIT = 0x40, 0x80, 0x40, 0x80
CMD_READ, CMD_WRITE, SIMPLE = 0x40, 0x20, 1
SECURITY, OPERATIONAL, FULL_FEATURE = 0, 1, 3
NO_TAG = 0xffffffff
WAIT = 20.0  # for what must come: only a failure, or a busy machine, takes so long
QUIET = 0.3  # for what must not

GOOD, CHECK_CONDITION, BUSY, TASK_SET_FULL = 0x00, 0x02, 0x08, 0x28


class Closed(Exception):
    """The target closed the connection."""


class Quiet(Exception):
    """Nothing came in time."""


class Pdu:
    """A received PDU: the fields that its opcode has, and its data."""

    FIELDS = {  # name: (offset, struct format), for bytes 8..47; common ones below
        NOP_IN: {"ttt": (20, "I"), "stat_sn": (24, "I")},
        SCSI_RSP: {"stat_sn": (24, "I"), "exp_data_sn": (36, "I"), "bidi_residual": (40, "I"),
                   "residual": (44, "I")},
        TMF_RSP: {"stat_sn": (24, "I")},
        LOGIN_RSP: {"tsih": (14, "H"), "stat_sn": (24, "I"), "login_status": (36, "H")},
        TEXT_RSP: {"ttt": (20, "I"), "stat_sn": (24, "I")},
        DATA_IN: {"ttt": (20, "I"), "stat_sn": (24, "I"), "data_sn": (36, "I"),
                  "offset": (40, "I"), "residual": (44, "I")},
        LOGOUT_RSP: {"stat_sn": (24, "I"), "time2wait": (40, "H"), "time2retain": (42, "H")},
        R2T: {"ttt": (20, "I"), "stat_sn": (24, "I"), "r2t_sn": (36, "I"), "offset": (40, "I"),
              "length": (44, "I")},
        ASYNC: {"stat_sn": (24, "I"), "event": (36, "B"), "vcode": (37, "B")},
        REJECT: {"stat_sn": (24, "I"), "data_sn": (36, "I")},
    }

    def __init__(self, bhs, ahs, data):
        self.bhs, self.ahs, self.data = bhs, ahs, data
        self.opcode = bhs[0] & 0x3f
        self.flags, self.byte2, self.byte3 = bhs[1], bhs[2], bhs[3]
        self.response = self.reason = self.byte2
        self.status = self.byte3
        self.final = bool(bhs[1] & FINAL)
        self.lun, self.isid = bhs[8:16], bhs[8:14]
        self.itt, = struct.unpack_from(">I", bhs, 16)
        self.exp_cmd_sn, self.max_cmd_sn = struct.unpack_from(">II", bhs, 28)
        for name, (at, form) in self.FIELDS.get(self.opcode, {}).items():
            setattr(self, name, struct.unpack_from(">" + form, bhs, at)[0])

    def keys(self):
        """The text as a dict; repeated keys as a list under their name."""
        out = {}
        for pair in self.data.split(b"\0"):
            if pair:
                name, _, value = pair.decode().partition("=")
                if name in out:
                    before = out[name] if isinstance(out[name], list) else [out[name]]
                    out[name] = before + [value]
                else:
                    out[name] = value
        return out

    def __repr__(self):
        return "<opcode %02x flags %02x %02x %02x itt %08x data %d>" % (
            self.opcode, self.flags, self.byte2, self.byte3, self.itt, len(self.data))


def pack(opcode, flags=0, byte2=0, byte3=0, lun=0, itt=0, rest=b"", data=b"", ahs=b"",
         ahs_words=None, data_len=None, bytes8=None):
    """One PDU. @rest is bytes 20..47; @bytes8 replaces the LUN field; lengths may lie."""
    bhs = struct.pack(">BBBBI", opcode, flags, byte2, byte3,
                      (len(ahs) // 4 if ahs_words is None else ahs_words) << 24 |
                      (len(data) if data_len is None else data_len))
    bhs += bytes8 if bytes8 is not None else struct.pack(">HHI", lun, 0, 0)
    bhs += struct.pack(">I", itt) + rest.ljust(28, b"\0")
    assert len(bhs) == 48, len(bhs)
    return bhs + ahs + data + bytes(-len(data) % 4)


def text(keys):
    """Keys as a dict or a list of pairs; a str or bytes goes out as it is."""
    if isinstance(keys, bytes):
        return keys
    if isinstance(keys, str):
        return keys.encode()
    pairs = keys.items() if isinstance(keys, dict) else keys
    return b"".join(("%s=%s" % (k, v)).encode() + b"\0" for k, v in pairs)


def portal_of(where):
    """HOST:PORT, [V6]:PORT"""
    host, _, port = where.rpartition(":")
    return host.strip("[]"), int(port)


class Conn:
    def __init__(self, portal, source=None):
        self.sock = socket.create_connection(portal, timeout=WAIT,
                                             source_address=source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        self.stat_sn = None     # of the last PDU that had one
        self.exp_cmd_sn = self.max_cmd_sn = None
        self.header_digest = self.data_digest = False   # both ways, from now on
        self.spoil_header = self.spoil_data = 0     # xored to the next digest that is sent

    def close(self):
        self.sock.close()

    def reset(self):
        """RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def sign(self, raw):
        """One or more PDUs, with the digests that are on. What lies about its lengths or is no
        whole PDU: send it with send_raw."""
        out = b""
        while raw:
            head = 48 + raw[4] * 4
            end = head + (int.from_bytes(raw[5:8], "big") + 3 & ~3)
            assert len(raw) >= end, "no whole PDU"
            out += raw[:head]
            if self.header_digest:
                out += digest(raw[:head], self.spoil_header)
                self.spoil_header = 0
            out += raw[head:end]
            if self.data_digest and end > head:
                out += digest(raw[head:end], self.spoil_data)
                self.spoil_data = 0
            raw = raw[end:]
        return out

    def send(self, raw):
        self.send_raw(self.sign(raw) if self.header_digest or self.data_digest else raw)

    def send_raw(self, raw):
        try:
            self.sock.sendall(raw)
        except (BrokenPipeError, ConnectionResetError) as e:
            raise Closed() from e

    def _fill(self, n, until):
        while len(self.buf) < n:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise Quiet("%d of %d bytes" % (len(self.buf), n))
            try:
                got = self.sock.recv(1 << 20)
            except ConnectionResetError as e:
                raise Closed() from e
            if not got:
                raise Closed()
            self.buf += got

    def _take(self, n, has_digest, what, until):
        """The next @n bytes; their digest is checked and thrown away."""
        total = n + (4 if has_digest else 0)
        self._fill(total, until)
        part, tail, self.buf = self.buf[:n], self.buf[n:total], self.buf[total:]
        if has_digest and tail != digest(part):
            raise BadDigest("%s: %s instead of %s" % (what, tail.hex(), digest(part).hex()))
        return part

    def recv(self, wait=WAIT):
        until = time.monotonic() + wait
        self._fill(48, until)
        ahs_len = self.buf[4] * 4
        data_len = int.from_bytes(self.buf[5:8], "big")
        padded = data_len + 3 & ~3
        # all of it, so that a PDU that does not come in time stays there
        self._fill(48 + ahs_len + padded + 4 * (self.header_digest +
                                                (self.data_digest and data_len > 0)), until)
        head = self._take(48 + ahs_len, self.header_digest, "header", until)
        data = self._take(padded, self.data_digest and data_len > 0, "data", until)
        pdu = Pdu(head[:48], head[48:], data[:data_len])
        self.exp_cmd_sn, self.max_cmd_sn = pdu.exp_cmd_sn, pdu.max_cmd_sn
        return pdu

    def is_closed(self, wait=WAIT):
        """True where the target closes; PDUs on the way are read away."""
        try:
            while True:
                self.recv(wait)
        except Closed:
            return True
        except Quiet:
            return False


class Result:
    """What became of a SCSI command."""

    def __init__(self):
        self.status = self.sense = None
        self.data = b""
        self.residual = 0
        self.overflow = self.underflow = False
        self.response = None    # the PDU with the status
        self.data_ins, self.r2ts = [], []

    def key(self):
        return self.sense[2] & 0xf if self.sense else None

    def asc(self):
        return (self.sense[12], self.sense[13]) if self.sense else None


class Session(Conn):
    """Logs in; then every helper uses and advances CmdSN as an honest initiator would."""

    OFFER = {
        "HeaderDigest": "None", "DataDigest": "None", "InitialR2T": "Yes", "ImmediateData": "Yes",
        "MaxBurstLength": "262144", "FirstBurstLength": "65536", "MaxOutstandingR2T": "1",
        "MaxConnections": "1", "DefaultTime2Wait": "2", "DefaultTime2Retain": "0",
        "ErrorRecoveryLevel": "0", "DataPDUInOrder": "Yes", "DataSequenceInOrder": "Yes",
        "MaxRecvDataSegmentLength": "262144",
    }
    RFC_DEFAULTS = {"InitialR2T": "Yes", "ImmediateData": "Yes", "MaxBurstLength": "262144",
                    "FirstBurstLength": "65536", "MaxOutstandingR2T": "1"}

    def __init__(self, portal, initiator, cmd_sn=1, isid=None, tsih=0, cid=0, source=None):
        super().__init__(portal, source)
        self.initiator, self.cmd_sn, self.tsih, self.cid = initiator, cmd_sn, tsih, cid
        self.isid = isid or b"\x80" + os.urandom(5)
        self.itt = random.randrange(0, 1 << 16)
        self.exp_stat_sn = 0
        self.agreed = {}
        self.digests = {"HeaderDigest": "None", "DataDigest": "None"}
        self.target_max_data = 8192
        self.seen_stat_sn = []

    # --- login -----------------------------------------------------------------------

    def new_itt(self):
        self.itt = (self.itt + 1) & 0x7fffffff
        return self.itt

    def login_pdu(self, keys, csg, nsg, flags=None, itt=0x10c1, version_max=0, version_min=0,
                  transit=True, more=False, **lies):
        if flags is None:
            flags = csg << 2 | (nsg if transit else 0) | (TRANSIT if transit else 0) | \
                (CONTINUE if more else 0)
        rest = struct.pack(">HHII", self.cid, 0, self.cmd_sn, self.exp_stat_sn)
        return pack(LOGIN | IMMEDIATE, flags, version_max, version_min,
                    bytes8=self.isid + struct.pack(">H", self.tsih), itt=itt, rest=rest,
                    data=text(keys), **lies)

    def login_step(self, keys, csg, nsg, **kw):
        self.send(self.login_pdu(keys, csg, nsg, **kw))
        rsp = self.recv()
        assert rsp.opcode == LOGIN_RSP, rsp
        if rsp.login_status == 0:
            self.exp_stat_sn = (rsp.stat_sn + 1) & 0xffffffff
        if rsp.keys().get("MaxRecvDataSegmentLength"):
            self.target_max_data = int(rsp.keys()["MaxRecvDataSegmentLength"])
        self.digests.update({k: v for k, v in rsp.keys().items() if k in self.digests})
        if rsp.login_status == 0 and rsp.flags & TRANSIT and rsp.flags & 3 == FULL_FEATURE:
            self.header_digest = self.digests["HeaderDigest"] == "CRC32C"
            self.data_digest = self.digests["DataDigest"] == "CRC32C"
        return rsp

    def who(self, target, discovery=False):
        keys = {"InitiatorName": self.initiator,
                "SessionType": "Discovery" if discovery else "Normal"}
        if target:
            keys["TargetName"] = target
        return keys

    def login(self, target, discovery=False, offer=None, bare=False):
        """One PDU from the operational stage to full feature. Returns the response, whose
        login_status says what came of it. @bare: only who we are; the defaults hold."""
        keys = self.who(target, discovery)
        if not bare:
            keys.update(self.OFFER)
            keys.update(offer or {})
            if discovery:
                for k in list(self.RFC_DEFAULTS) + ["MaxConnections", "DataPDUInOrder",
                                                    "DataSequenceInOrder"]:
                    keys.pop(k, None)
        rsp = self.login_step(keys, OPERATIONAL, FULL_FEATURE)
        tries = 0
        while rsp.login_status == 0 and not rsp.flags & TRANSIT and tries < 5:
            rsp2 = self.login_step(b"", OPERATIONAL, FULL_FEATURE)
            rsp2.data = rsp.data + rsp2.data
            rsp, tries = rsp2, tries + 1
        if rsp.login_status == 0:
            assert rsp.flags & TRANSIT, "the target does not end the login"
            self.tsih = rsp.tsih
            self.agreed = dict(self.RFC_DEFAULTS)
            self.agreed.update({k: v for k, v in rsp.keys().items() if k in self.RFC_DEFAULTS})
            self.agreed.update(self.digests)
        return rsp

    def num(self, key):
        """What was agreed on, as a number; irrelevant is 0."""
        value = self.agreed[key]
        return int(value) if value.isdigit() else 0

    def yes(self, key):
        return self.agreed[key] == "Yes"

    # --- PDUs with a CmdSN ----------------------------------------------------------------

    def take_cmd_sn(self, immediate):
        sn = self.cmd_sn
        if not immediate:
            self.cmd_sn = (self.cmd_sn + 1) & 0xffffffff
        return sn

    def next(self, wait=WAIT):
        """Receives, and keeps ExpStatSN (R2T and Data-In without status have no StatSN)."""
        pdu = self.recv(wait)
        status = pdu.opcode != R2T and not (pdu.opcode == DATA_IN and not pdu.flags & 1)
        if status and not (pdu.opcode == NOP_IN and pdu.itt == NO_TAG):
            self.seen_stat_sn.append(pdu.stat_sn)
            self.exp_stat_sn = (pdu.stat_sn + 1) & 0xffffffff
        return pdu

    def expect(self, opcode, wait=WAIT):
        pdu = self.next(wait)
        assert pdu.opcode == opcode, "%r instead of %02x" % (pdu, opcode)
        return pdu

    def quiet(self, wait=QUIET):
        """True where nothing comes."""
        try:
            self.unexpected = self.next(wait)
            return False
        except Quiet:
            return True

    def request(self, opcode, immediate=False, cmd_sn=None, itt=None, field20=NO_TAG, flags=FINAL,
                tail=b"", **kw):
        """A request with the usual places of CmdSN and ExpStatSN. Returns its ITT."""
        itt = self.new_itt() if itt is None else itt
        if cmd_sn is None:
            cmd_sn = self.take_cmd_sn(immediate)
        rest = struct.pack(">III", field20, cmd_sn, self.exp_stat_sn) + tail
        self.send(pack(opcode | (IMMEDIATE if immediate else 0), flags, itt=itt, rest=rest, **kw))
        return itt

    def nop(self, data=b"", **kw):
        return self.request(NOP_OUT, data=data, **kw)

    def ping(self, data=b"ping"):
        """A NOP that must come back: the session is alive."""
        itt = self.nop(data)
        pdu = self.expect(NOP_IN)
        assert pdu.itt == itt and pdu.data == data, pdu
        return pdu

    def text(self, keys, **kw):
        return self.request(TEXT, data=text(keys), **kw)

    def tmf(self, function, ref_itt=NO_TAG, ref_cmd_sn=0, lun=0, immediate=True):
        self.request(TMF, immediate=immediate, flags=FINAL | function, lun=lun, field20=ref_itt,
                     tail=struct.pack(">II", ref_cmd_sn, 0))
        while True:
            pdu = self.next()
            if pdu.opcode == TMF_RSP:
                return pdu.response

    def logout(self, reason=0, cid=0, **kw):
        return self.request(LOGOUT, flags=FINAL | reason, field20=cid << 16, **kw)

    def scsi(self, cdb, edtl=0, flags=FINAL | SIMPLE, data=b"", **kw):
        """A SCSI Command PDU as told; no more. Returns its ITT."""
        immediate = kw.get("immediate", False)
        itt = kw.pop("itt", None)
        itt = self.new_itt() if itt is None else itt
        cmd_sn = kw.pop("cmd_sn", None)
        if cmd_sn is None:
            cmd_sn = self.take_cmd_sn(immediate)
        kw.pop("immediate", None)
        rest = struct.pack(">III", edtl, cmd_sn, self.exp_stat_sn) + cdb.ljust(16, b"\0")
        self.send(pack(SCSI_CMD | (IMMEDIATE if immediate else 0), flags, itt=itt, rest=rest,
                       data=data, **kw))
        return itt

    def data_out(self, itt, ttt, offset, data, data_sn=0, final=True, lun=0, **lies):
        rest = struct.pack(">IIIIII", ttt, 0, self.exp_stat_sn, 0, data_sn, offset)
        self.send(pack(DATA_OUT, FINAL if final else 0, lun=lun, itt=itt, rest=rest, data=data,
                       **lies))

    def burst(self, itt, ttt, payload, offset, length, piece=None):
        """@length bytes of @payload from @offset on, as one sequence of Data-Out PDUs."""
        piece = min(piece or self.target_max_data, self.target_max_data)
        end, data_sn = offset + length, 0
        while offset < end:
            n = min(piece, end - offset)
            self.data_out(itt, ttt, offset, payload[offset:offset + n], data_sn,
                          final=offset + n == end)
            offset, data_sn = offset + n, data_sn + 1

    # --- whole SCSI commands -----------------------------------------------------------------

    def finish(self, itt, payload=b"", piece=None):
        """Answers R2Ts with @payload and collects data until the status comes."""
        out = Result()
        while True:
            pdu = self.next()
            assert pdu.itt == itt, "%r for itt %08x" % (pdu, itt)
            if pdu.opcode == R2T:
                out.r2ts.append(pdu)
                self.burst(itt, pdu.ttt, payload, pdu.offset, pdu.length, piece)
                continue
            if pdu.opcode == DATA_IN:
                out.data_ins.append(pdu)
                if len(out.data) < pdu.offset + len(pdu.data):
                    out.data = out.data.ljust(pdu.offset + len(pdu.data), b"\0")
                out.data = out.data[:pdu.offset] + pdu.data + out.data[pdu.offset + len(pdu.data):]
                if not pdu.flags & 1:
                    continue
            else:
                assert pdu.opcode == SCSI_RSP, pdu
                if pdu.data:
                    n, = struct.unpack_from(">H", pdu.data)
                    out.sense = pdu.data[2:2 + n]
            out.response, out.status, out.residual = pdu, pdu.status, pdu.residual
            out.overflow, out.underflow = bool(pdu.flags & 4), bool(pdu.flags & 2)
            return out

    def read(self, cdb, edtl, **kw):
        return self.finish(self.scsi(cdb, edtl, FINAL | CMD_READ | SIMPLE, **kw))

    def write(self, cdb, payload, immediate_data=None, unsolicited=None, piece=None, edtl=None):
        """@immediate_data bytes in the command (None: all that may be), up to @unsolicited bytes
        in all without R2T (None: all that may be), the rest as R2Ts ask."""
        first = self.num("FirstBurstLength")
        now = min(len(payload), first, self.target_max_data) if self.yes("ImmediateData") else 0
        now = now if immediate_data is None else min(immediate_data, now)
        most = min(len(payload), first) if not self.yes("InitialR2T") else now
        unsol = most if unsolicited is None else max(now, min(unsolicited, most))
        flags = CMD_WRITE | SIMPLE | (FINAL if unsol == now else 0)
        itt = self.scsi(cdb, len(payload) if edtl is None else edtl, flags, payload[:now])
        if unsol > now:
            self.burst(itt, NO_TAG, payload, now, unsol - now, piece)
        out = self.finish(itt, payload, piece)
        out.unsolicited = unsol
        return out

    def command(self, cdb, edtl=0):
        if edtl:
            return self.read(cdb, edtl)
        return self.finish(self.scsi(cdb))

    def settle(self):
        """Eats unit attentions. Returns the last status."""
        for _ in range(10):
            r = self.command(bytes(6))
            if r.status != CHECK_CONDITION or r.key() != 6:
                return r.status
        return r.status


def read10(lba, blocks):
    return struct.pack(">BBIBHB", 0x28, 0, lba, 0, blocks, 0)


def write10(lba, blocks):
    return struct.pack(">BBIBHB", 0x2a, 0, lba, 0, blocks, 0)


def inquiry(alloc, page=None):
    return struct.pack(">BBBHB", 0x12, page is not None, page or 0, alloc, 0)


READ_CAPACITY10 = b"\x25" + bytes(9)
