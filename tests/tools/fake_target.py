"""An iSCSI target that does what targets may do, and some that they may not, for tests
of an initiator. One connection at a time, one disk in memory; it watches the rules that
bind the initiator, and remembers what was broken."""

import dataclasses
import select
import socket
import struct
import threading

NO_TAG = 0xffffffff
GOOD, CHECK, BUSY, TASK_SET_FULL = 0x00, 0x02, 0x08, 0x28
BLOCK = 512


@dataclasses.dataclass
class Behaviour:
    size: int = 8 << 20
    # login
    answers: dict = dataclasses.field(default_factory=dict)    # instead of what is offered
    declares: dict = dataclasses.field(default_factory=dict)   # of its own accord
    rounds: int = 1                    # operational exchanges before it lets go on
    split_text: bool = False           # answers in two PDUs, with the C bit
    redirect: str = ""
    # commands
    segment: int = 8192                # MaxRecvDataSegmentLength
    window: int = 32
    data_in: int = 65536               # the most in one Data-In
    own_status: bool = False           # a SCSI Response after the last Data-In
    attentions: int = 1                # at the start
    capacity16: bool = True
    early_r2t: bool = False            # before unsolicited data has come
    ping_every: int = 0
    busy_every: int = 0
    # what it may not do
    corrupt_read: int = 0              # the n-th read has a wrong bit
    lose_writes: int = 0               # every n-th write is acknowledged, not done
    reject_at: int = 0                 # the n-th command is rejected
    drop_at: int = 0                   # the n-th command ends the connection
    logout_at: int = 0                 # the n-th command brings an asynchronous event
    fail_at: int = 0                   # the n-th command ends with MEDIUM ERROR
    mute_at: int = 0                   # the n-th command is never answered
    short_at: int = 0                  # the n-th read is GOOD, with half of its data


class Broken(Exception):
    """The initiator broke a rule."""


class Write:
    def __init__(self, tag, lba, length):
        self.tag, self.lba, self.length = tag, lba, length
        self.data = bytearray()
        self.burst_end = 0      # up to where data may come now
        self.ttt = NO_TAG
        self.data_sn = 0
        self.r2t_sn = 0


class Connection:
    def __init__(self, sock, target):
        self.sock, self.target, self.how = sock, target, target.how
        self.params = {"ImmediateData": "Yes", "InitialR2T": "Yes", "FirstBurstLength": "65536",
                       "MaxBurstLength": "262144"}
        self.stat_sn, self.exp_cmd_sn, self.max_told = 1, 1, 0
        self.commands = self.reads = self.writes_seen = 0
        self.attentions = self.how.attentions
        self.writes = {}
        self.pings = {}
        self.ttt = 0

    # --- PDUs -----------------------------------------------------------------------

    def recv(self, length):
        data = b""
        while len(data) < length:
            part = self.sock.recv(length - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def recv_pdu(self):
        bhs = self.recv(48)
        length = int.from_bytes(bhs[5:8], "big")
        if length > self.how.segment and bhs[0] & 0x3f != 0x03:
            raise Broken(f"a PDU of {length} bytes, MaxRecvDataSegmentLength {self.how.segment}")
        return bhs, self.recv(length + -length % 4)[:length]

    def send(self, opcode, flags, itt, middle, data=b"", byte3=0, lun=bytes(8), response=0):
        """@middle: bytes 20 to 47."""
        assert len(middle) == 28
        head = struct.pack(">BBBBB", opcode, flags, response, byte3, 0)
        head += len(data).to_bytes(3, "big") + lun + struct.pack(">I", itt)
        self.sock.sendall(head + middle + data + bytes(-len(data) % 4))

    def sns(self, status):
        """StatSN, ExpCmdSN, MaxCmdSN."""
        most = self.exp_cmd_sn + self.how.window - 1
        self.max_told = max(self.max_told, most)
        out = struct.pack(">III", self.stat_sn, self.exp_cmd_sn, most)
        self.stat_sn += status
        return out

    def status(self, itt, status, sense=b""):
        data = struct.pack(">H", len(sense)) + sense if sense else b""
        self.send(0x21, 0x80, itt, struct.pack(">I", 0) + self.sns(1) + bytes(12), data,
                  byte3=status)

    # --- login ----------------------------------------------------------------------

    def answer(self, key, value):
        how = self.how
        if key in how.answers:
            return how.answers[key]
        if key == "MaxRecvDataSegmentLength":
            return str(how.segment)
        if key in ("InitialR2T", "ImmediateData", "FirstBurstLength", "MaxBurstLength"):
            if key.endswith("Length"):
                return str(min(int(value), int(self.params[key])))
            return "No" if key == "InitialR2T" else value
        return value

    def login(self):
        rounds, text = 0, b""
        while True:
            bhs, data = self.recv_pdu()
            if bhs[0] != 0x43:
                raise Broken(f"opcode {bhs[0]:#x} during login")
            text += data
            itt, stage = int.from_bytes(bhs[16:20], "big"), bhs[1] >> 2 & 3
            keys = dict(pair.split("=", 1) for pair in text.decode().split("\0") if pair)
            text = b""
            if self.how.redirect:
                self.login_pdu(bhs, itt, 0, f"TargetAddress={self.how.redirect}\0", 0x0101)
                return False
            out = ""
            for key, value in keys.items():
                if key in self.how.declares:
                    self.target.heard[key] = value
                elif key not in ("InitiatorName", "SessionType", "TargetName"):
                    out += f"{key}={self.answer(key, value)}\0"
                    self.params[key] = self.answer(key, value)
            go_on = bhs[1] & 0x80
            if stage == 1:
                rounds += 1
                if rounds == 1:
                    out += "".join(f"{k}={v}\0" for k, v in self.how.declares.items())
                go_on = go_on and rounds >= self.how.rounds
            if self.how.split_text and len(out) > 10:
                self.login_pdu(bhs, itt, 0x40, out[:len(out) // 2])
                more, _ = self.recv_pdu()
                out, go_on = out[len(out) // 2:], go_on and more[1] & 0x80
            self.login_pdu(bhs, itt, (bhs[1] & 0x83) if go_on else 0, out)
            if go_on and bhs[1] & 3 == 3:
                return True

    def number(self, key):
        """What was agreed on; "Irrelevant" is no limit."""
        return int(self.params[key]) if self.params[key].isdigit() else 1 << 24

    def login_pdu(self, bhs, itt, flags, text, status=0):
        self.send(0x23, flags | (bhs[1] & 0x0c), itt,
                  bytes(4) + self.sns(1) + struct.pack(">H", status) + bytes(10),
                  text.encode(), lun=bhs[8:14] + b"\x00\x01")

    # --- commands -------------------------------------------------------------------

    def take_cmd_sn(self, bhs):
        sn = int.from_bytes(bhs[24:28], "big")
        if bhs[0] & 0x40:
            return
        if sn != self.exp_cmd_sn:
            raise Broken(f"CmdSN {sn}, not {self.exp_cmd_sn}")
        if sn > self.max_told:
            raise Broken(f"CmdSN {sn}, MaxCmdSN {self.max_told}")
        self.exp_cmd_sn += 1

    def command(self, bhs, data):
        how, itt = self.how, int.from_bytes(bhs[16:20], "big")
        if itt in self.writes:
            raise Broken(f"tag {itt:#x} twice")
        self.take_cmd_sn(bhs)
        cdb = bhs[32:48]
        if cdb[0] == 0x00:
            self.attentions -= 1
            if self.attentions >= 0:
                return self.status(itt, CHECK, bytes([0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0,
                                                      0x29, 0, 0, 0, 0, 0]))
            return self.status(itt, GOOD)
        if cdb[0] == 0x9e and how.capacity16:
            return self.data_in(itt, struct.pack(">QI20x", how.size // BLOCK - 1, BLOCK))
        if cdb[0] == 0x25:
            return self.data_in(itt, struct.pack(">II", how.size // BLOCK - 1, BLOCK))
        if cdb[0] not in (0x28, 0x2a):
            return self.status(itt, CHECK, bytes([0x72, 5, 0x20, 0, 0, 0, 0, 0]))
        self.commands += 1
        n = self.commands
        if how.drop_at == n:
            raise EOFError
        if how.reject_at == n:
            return self.send(0x3f, 0x80, NO_TAG, bytes(4) + self.sns(1) + bytes(12), bhs,
                             response=4)
        if how.logout_at == n:
            return self.send(0x32, 0x80, NO_TAG,
                             bytes(4) + self.sns(1) + b"\x01\0" + struct.pack(">HHHI", 5, 5, 5, 0))
        if how.mute_at == n:
            self.target.muted = True
            return None
        if how.ping_every and n % how.ping_every == 0:
            self.ttt += 1
            self.pings[self.ttt] = True
            self.send(0x20, 0x80, NO_TAG, struct.pack(">I", self.ttt) + self.sns(0) + bytes(12),
                      lun=b"\0\x05" + bytes(6))
        lba, blocks = struct.unpack(">xxIxHx", cdb[:10])
        edtl = int.from_bytes(bhs[20:24], "big")
        if edtl != blocks * BLOCK or (lba + blocks) * BLOCK > how.size:
            raise Broken(f"{blocks} blocks at {lba}, {edtl} bytes")
        if cdb[0] == 0x28:
            return self.read(itt, lba, edtl)
        return self.write(bhs, itt, lba, edtl, data)

    def refuses(self, itt):
        n = self.commands
        if self.how.busy_every and n % self.how.busy_every == 0:
            self.status(itt, BUSY if n % 2 else TASK_SET_FULL)
            return True
        if self.how.fail_at == n:
            self.status(itt, CHECK, bytes([0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0,
                                           0x11, 4, 0, 0, 0, 0]))
            return True
        return False

    def read(self, itt, lba, length):
        if self.refuses(itt):
            return
        self.reads += 1
        data = bytearray(self.target.disk[lba * BLOCK:lba * BLOCK + length])
        if self.how.corrupt_read == self.reads:
            data[length // 2 + 100] ^= 4
        if self.how.short_at == self.reads:
            data = data[:length // 2]
        self.data_in(itt, data)

    def data_in(self, itt, data):
        at, sn = 0, 0
        while at < len(data):
            part = data[at:at + self.how.data_in]
            last = at + len(part) == len(data)
            with_status = last and not self.how.own_status
            self.send(0x25, 0x80 * last | with_status, itt,
                      struct.pack(">I", NO_TAG) + (self.sns(1) if with_status else
                                                   bytes(4) + self.sns(0)[4:])
                      + struct.pack(">III", sn, at, 0), bytes(part))
            at += len(part)
            sn += 1
        if self.how.own_status:
            self.status(itt, GOOD)

    def write(self, bhs, itt, lba, length, data):
        first = self.number("FirstBurstLength")
        if data and self.params["ImmediateData"] == "No":
            raise Broken("immediate data")
        if len(data) > min(first, length):
            raise Broken(f"{len(data)} bytes of immediate data, FirstBurstLength {first}")
        write = self.writes[itt] = Write(itt, lba, length)
        write.data += data
        write.burst_end = len(data)
        if not bhs[1] & 0x80:
            if self.params["InitialR2T"] == "Yes":
                raise Broken("unsolicited data")
            write.burst_end = min(first, length)
            if self.how.early_r2t and write.burst_end < length:
                self.r2t(write, at=write.burst_end)
            return
        self.go_on(write)

    def go_on(self, write):
        """A burst is complete."""
        if len(write.data) < write.length:
            self.r2t(write, at=len(write.data))
            return
        del self.writes[write.tag]
        if self.refuses(write.tag):
            return
        self.writes_seen += 1
        if not self.how.lose_writes or self.writes_seen % self.how.lose_writes:
            begin = write.lba * BLOCK
            self.target.disk[begin:begin + write.length] = write.data
        self.status(write.tag, GOOD)

    def r2t(self, write, at):
        length = min(write.length - at, self.number("MaxBurstLength"))
        self.ttt += 1
        write.next = (self.ttt, at + length)
        if len(write.data) == at:
            self.begin_burst(write)
        self.send(0x31, 0x80, write.tag, struct.pack(">I", self.ttt) + self.sns(0)
                  + struct.pack(">III", write.r2t_sn, at, length))
        write.r2t_sn += 1

    @staticmethod
    def begin_burst(write):
        write.ttt, write.burst_end = write.next
        write.next = None
        write.data_sn = 0

    def data_out(self, bhs, data):
        itt, ttt = struct.unpack(">II", bhs[16:24])
        sn, offset = struct.unpack(">II", bhs[36:44])
        write = self.writes.get(itt)
        if not write or ttt != write.ttt:
            raise Broken(f"Data-Out for tag {itt:#x}, transfer tag {ttt:#x}")
        if sn != write.data_sn or offset != len(write.data) or not data:
            raise Broken(f"Data-Out {sn} of {len(data)} at {offset}, has {len(write.data)}")
        write.data += data
        write.data_sn += 1
        if len(write.data) > write.burst_end:
            raise Broken("more data than was asked for")
        if bool(bhs[1] & 0x80) != (len(write.data) == write.burst_end):
            raise Broken("the F bit")
        if not bhs[1] & 0x80:
            return
        if getattr(write, "next", None):
            self.begin_burst(write)
        else:
            self.go_on(write)

    def nop_out(self, bhs, data):
        itt, ttt = struct.unpack(">II", bhs[16:24])
        if itt != NO_TAG or data or not bhs[0] & 0x40 or not self.pings.pop(ttt, False) or \
                bhs[8:16] != b"\0\x05" + bytes(6):
            raise Broken(f"NOP-Out {itt:#x} {ttt:#x} answers no ping")
        self.target.pongs += 1

    def serve(self):
        if not self.login():
            return
        while True:
            bhs, data = self.recv_pdu()
            opcode = bhs[0] & 0x3f
            if opcode == 0x01:
                self.command(bhs, data)
            elif opcode == 0x05:
                self.data_out(bhs, data)
            elif opcode == 0x00:
                self.nop_out(bhs, data)
            elif opcode == 0x06:
                self.target.logouts += 1
                self.send(0x26, 0x80, int.from_bytes(bhs[16:20], "big"),
                          bytes(4) + self.sns(1) + bytes(12))
                return
            else:
                raise Broken(f"opcode {opcode:#x}")


class FakeTarget:
    """with FakeTarget(Behaviour(...)) as t: t.url ...; afterwards t.broken is [] or not."""

    def __init__(self, how, disk=None):
        self.how = how
        self.disk = disk if disk is not None else bytearray(how.size)
        self.broken, self.heard = [], {}
        self.logouts = self.pongs = 0
        self.muted = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"iscsi://127.0.0.1:{self.listener.getsockname()[1]}/iqn.test:fake/0"
        self.stop_in, self.stop_out = socket.socketpair()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        threads = []
        while True:
            ready, _, _ = select.select([self.listener, self.stop_out], [], [])
            if self.stop_out in ready:
                break
            sock, _ = self.listener.accept()
            threads.append(threading.Thread(target=self.serve, args=(sock,), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join(20)

    def serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, self)
        try:
            connection.serve()
        except Broken as why:
            self.broken.append(str(why))
        except (EOFError, ConnectionError):
            pass
        except Exception as error:      # our own mistake: not to pass for the initiator's
            self.broken.append(f"fake_target: {error!r}")
        finally:
            sock.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop_in.send(b"x")
        self.thread.join(30)
        self.listener.close()
