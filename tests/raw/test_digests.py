#!/usr/bin/python3
"""Header and data digests: RFC 7143 4.6.3.1, 7.8, 11.2.3, 11.4.7.2, 11.17, 13.1."""

import struct

from digests import digest
from iscsi_raw import (CHECK_CONDITION, CMD_READ, CMD_WRITE, CONTINUE, DATA_IN, FINAL, GOOD,
                       IMMEDIATE, NO_TAG, NOP_IN, NOP_OUT, OPERATIONAL, FULL_FEATURE, R2T, REJECT,
                       SCSI_CMD, SCSI_RSP, SECURITY, SIMPLE, TEXT_RSP, pack, read10, write10)
from rawtest import Options, RawTest, main, pattern

CRC = {"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}
BOTH = {"HeaderDigest": "CRC32C,None", "DataDigest": "CRC32C,None"}
EITHER = ({"HeaderDigest": "CRC32C"}, {"DataDigest": "CRC32C"}, CRC)
DATA_DIGEST_ERROR = 0x02
LBA, BLOCKS = 300, 64


class Agreed(RawTest):
    def test_13_1_the_first_of_theirs_that_is_known(self):
        for offer, answer in (("CRC32C", "CRC32C"), ("None", "None"), ("CRC32C,None", "CRC32C"),
                              ("None,CRC32C", "None"), ("Y-x,CRC32C", "CRC32C"),
                              ("Y-x,None", "None"), ("Y-x", "Reject"), ("crc32c", "Reject")):
            for key in ("HeaderDigest", "DataDigest"):
                with self.subTest(key=key, offer=offer):
                    s = self.session({key: offer})
                    self.assertEqual(s.digests[key], answer)
                    s.ping()
                    s.close()

    def test_13_1_not_in_full_feature_phase(self):
        s = self.session()
        s.text({"HeaderDigest": "CRC32C"})
        self.assertEqual(s.expect(TEXT_RSP).keys(), {"HeaderDigest": "Reject"})
        s.ping()

    def test_13_1_not_before_the_login_is_over(self):
        """Agreed on in one request, in force after another: none in between has a digest."""
        s = self.new()
        rsp = s.login_step(s.who(Options.target), SECURITY, OPERATIONAL)
        self.assertEqual(rsp.login_status, 0)
        rsp = s.login_step(dict(s.OFFER, **CRC), OPERATIONAL, FULL_FEATURE, transit=False)
        self.assertEqual(rsp.keys()["HeaderDigest"], "CRC32C")
        rsp = s.login_step(b"", OPERATIONAL, FULL_FEATURE)
        self.assertEqual((rsp.login_status, rsp.flags & 3), (0, FULL_FEATURE))
        self.assertTrue(s.header_digest and s.data_digest)
        s.ping()

    def test_4_3_in_discovery_sessions(self):
        s = self.new()
        self.assertEqual(s.login(None, discovery=True, offer=CRC).login_status, 0)
        self.assertTrue(s.header_digest and s.data_digest)
        s.text({"SendTargets": "All"})
        self.assertIn(Options.target, str(s.expect(TEXT_RSP).keys()["TargetName"]))
        s.logout()
        self.assertEqual(s.expect(0x26).response, 0)

    def test_every_padding(self):
        for offer in EITHER:
            s = self.session(offer)
            for n in range(9):
                s.ping(bytes(range(1, n + 1)))
            s.close()

    def test_data_both_ways(self):
        for offer in EITHER:
            for more in ({}, {"ImmediateData": "No"}, {"InitialR2T": "No"},
                         {"ImmediateData": "No", "InitialR2T": "No", "MaxBurstLength": "8192",
                          "FirstBurstLength": "8192", "MaxRecvDataSegmentLength": "1024"}):
                with self.subTest(offer=offer, more=more):
                    s = self.session(dict(offer, **more))
                    bs = self.block_bytes(s)
                    data = pattern(BLOCKS * bs, len(str(offer)) + len(more))
                    self.write_blocks(s, LBA, data, bs, piece=5000)
                    self.assertEqual(self.read_blocks(s, LBA, BLOCKS, bs), data)
                    s.close()

    def test_11_2_2_header_digest_covers_the_ahs(self):
        """An extended CDB that is none, and is not looked at by a TEST UNIT READY."""
        s = self.session(CRC)
        ahs = struct.pack(">HBB", 5, 1, 0) + b"\0\0\0\0"
        for offer in (0, 1):
            s.spoil_header = offer
            itt = s.scsi(bytes(6), ahs=ahs)
            if offer:
                self.assertTrue(s.is_closed(), "7.8: a wrong header digest")
            else:
                self.assertEqual(s.finish(itt).status, GOOD)

    def test_11_2_3_data_digest_covers_the_padding(self):
        """Any padding will do, if it is what was summed up."""
        s = self.session(CRC)
        rest = struct.pack(">III", NO_TAG, s.take_cmd_sn(False), s.exp_stat_sn)
        raw = pack(NOP_OUT, FINAL, itt=0x77, rest=rest, data=b"ping!")
        raw = raw[:-3] + b"xyz"
        s.send(raw)
        pdu = s.expect(NOP_IN)
        self.assertEqual((pdu.itt, pdu.data), (0x77, b"ping!"))
        rest = struct.pack(">III", NO_TAG, s.cmd_sn, s.exp_stat_sn)
        raw = pack(NOP_OUT | IMMEDIATE, FINAL, itt=0x78, rest=rest, data=b"ping!")
        s.send_raw(raw[:48] + digest(raw[:48]) + raw[48:-3] + b"xyz" + digest(raw[48:]))
        self.assertEqual(s.expect(REJECT).reason, DATA_DIGEST_ERROR)
        s.ping()

    def test_7_8_a_pdu_without_its_digest(self):
        s = self.session(CRC)
        rest = struct.pack(">III", NO_TAG, s.take_cmd_sn(False), s.exp_stat_sn)
        raw = pack(NOP_OUT, FINAL, itt=0x77, rest=rest)
        s.send_raw(raw + raw)
        self.assertTrue(s.is_closed())
        self.assert_alive()


class Damaged(RawTest):
    """What comes with a wrong digest is not used, and the initiator hears of it."""

    def setUp(self):
        super().setUp()
        s = self.session()
        self.bs = self.block_bytes(s)
        self.old, self.data = pattern(BLOCKS * self.bs, 21), pattern(BLOCKS * self.bs, 22)
        self.write_blocks(s, LBA, self.old, self.bs)
        s.logout()
        s.expect(0x26)

    def unchanged(self):
        s = self.session()
        self.assertEqual(self.read_blocks(s, LBA, BLOCKS, self.bs), self.old,
                         "data with a wrong digest was written")

    def rejected(self, s, opcode, itt):
        pdu = s.expect(REJECT)
        self.assertEqual((pdu.reason, pdu.itt, len(pdu.data)), (DATA_DIGEST_ERROR, NO_TAG, 48))
        self.assertEqual(pdu.data[0] & 0x3f, opcode)
        self.assertEqual(int.from_bytes(pdu.data[16:20], "big"), itt, 
                         "11.17.4: the header at fault")

    def failed(self, s, itt):
        """11.4.7.2: CHECK CONDITION, ABORTED COMMAND, protocol service CRC error."""
        pdu = s.expect(SCSI_RSP)
        self.assertEqual((pdu.itt, pdu.response, pdu.status), (itt, 0, CHECK_CONDITION))
        sense = pdu.data[2:]
        self.assertEqual((sense[2] & 0xf, sense[12], sense[13]), (0x0b, 0x47, 0x05))

    def begin(self):
        """A write, and the two R2Ts that it is asked for with."""
        s = self.session(dict(CRC, ImmediateData="No", MaxOutstandingR2T="2",
                              MaxBurstLength=str(BLOCKS * self.bs // 2)))
        itt = s.scsi(write10(LBA, BLOCKS), BLOCKS * self.bs, FINAL | CMD_WRITE | SIMPLE)
        return s, itt, s.expect(R2T), s.expect(R2T)

    def test_7_8_header_digest(self):
        """The lengths are not to be trusted: the connection ends, and nothing of it is used."""
        sends = {
            "nop": lambda s: s.nop(b"ping"),
            "command": lambda s: s.scsi(write10(LBA, 1), self.bs, FINAL | CMD_WRITE | SIMPLE,
                                        data=self.data[:self.bs]),
            "read": lambda s: s.scsi(read10(LBA, 1), self.bs, FINAL | CMD_READ | SIMPLE),
            "reset": lambda s: s.request(2, True, flags=FINAL | 5),
            "logout": lambda s: s.logout(),
        }
        for spoil in (1, 0x80000000, 0xffffffff):
            for name, send in sends.items():
                for offer in ({"HeaderDigest": "CRC32C"}, CRC):
                    with self.subTest(name=name, spoil=spoil, offer=offer):
                        s = self.session(offer)
                        before = len(s.seen_stat_sn)
                        s.spoil_header = spoil
                        send(s)
                        self.assertTrue(s.is_closed())
                        self.assertEqual(len(s.seen_stat_sn), before, "it was answered")
        self.unchanged()

    def test_7_8_header_digest_of_data_out(self):
        s, itt, r2t, _ = self.begin()
        s.spoil_header = 4
        s.data_out(itt, r2t.ttt, r2t.offset, self.data[:r2t.length])
        self.assertTrue(s.is_closed())
        self.unchanged()

    def test_7_8_solicited_data(self):
        """At ErrorRecoveryLevel 0 the task ends, but not before all that was asked for is
        here; the session goes on."""
        for spoiled in ("first", "middle", "last"):
            with self.subTest(spoiled=spoiled):
                s, itt, r1, r2 = self.begin()
                cut = r1.offset + r1.length // 2
                pieces = [("first", r1, r1.offset, cut, 0, False),
                          ("middle", r1, cut, r1.offset + r1.length, 1, True),
                          ("last", r2, r2.offset, r2.offset + r2.length, 0, True)]
                for name, r2t, at, end, sn, final in pieces:
                    s.spoil_data = 0x10 if name == spoiled else 0
                    s.data_out(itt, r2t.ttt, at, self.data[at:end], sn, final)
                    if name == spoiled:
                        self.rejected(s, 5, itt)
                    if name != "last":
                        self.assertTrue(s.quiet(0.1), "an answer before the last Data-Out")
                self.failed(s, itt)
                s.ping()
                s.close()
                self.unchanged()

    def test_7_8_the_same_write_again(self):
        """The task's tag is free, the session works: the initiator's retry succeeds."""
        s, itt, r1, r2 = self.begin()
        s.spoil_data = 1
        s.burst(itt, r1.ttt, self.data, r1.offset, r1.length)
        self.rejected(s, 5, itt)
        s.burst(itt, r2.ttt, self.data, r2.offset, r2.length)
        self.failed(s, itt)
        self.write_blocks(s, LBA, self.data, self.bs)
        self.assertEqual(self.read_blocks(s, LBA, BLOCKS, self.bs), self.data)

    def test_7_8_unsolicited_data(self):
        s = self.session(dict(CRC, ImmediateData="No", InitialR2T="No"))
        for spoiled in (0, 1, 2):
            n = 4096
            itt = s.scsi(write10(LBA, BLOCKS), BLOCKS * self.bs, CMD_WRITE | SIMPLE)
            for i in range(3):
                s.spoil_data = 2 if i == spoiled else 0
                s.data_out(itt, NO_TAG, i * n, self.data[i * n:i * n + n], i, final=i == 2)
                if i == spoiled:
                    self.rejected(s, 5, itt)
                if i < 2:
                    self.assertTrue(s.quiet(0.1), "an answer before the last Data-Out")
            self.failed(s, itt)
            s.ping()
        s.close()
        self.unchanged()

    def test_7_8_more_than_once(self):
        s = self.session(dict(CRC, ImmediateData="No", InitialR2T="No"))
        itt = s.scsi(write10(LBA, BLOCKS), BLOCKS * self.bs, CMD_WRITE | SIMPLE)
        for i in range(4):
            s.spoil_data = 2
            s.data_out(itt, NO_TAG, i * 512, self.data[i * 512:i * 512 + 512], i, final=i == 3)
            self.rejected(s, 5, itt)
        self.failed(s, itt)
        s.ping()
        s.close()
        self.unchanged()

    def test_7_8_data_of_no_task(self):
        """Rejected like any other (11.17.1), and nobody's otherwise."""
        s = self.session(CRC)
        s.spoil_data = 1
        s.data_out(0x5555, 0x5555, 0, b"x" * 100)
        self.rejected(s, 5, 0x5555)
        s.ping()

    def test_7_8_immediate_data(self):
        """The command counts as never received, which leaves a hole in the CmdSNs that would hold
        up the session: it ends, with a word why."""
        for offer in (CRC, {"DataDigest": "CRC32C"}):
            for n in (self.bs, 3 * self.bs):
                s = self.session(offer)
                s.spoil_data = 0x400
                itt = s.scsi(write10(LBA, 4), 4 * self.bs, FINAL | CMD_WRITE | SIMPLE,
                             data=self.data[:n])
                self.rejected(s, SCSI_CMD, itt)
                self.assertTrue(s.is_closed())
                self.unchanged()

    def test_7_8_what_follows_a_discarded_command_is_not_run(self):
        s = self.session(CRC)
        s.spoil_data = 1
        first = s.sign(pack(SCSI_CMD, FINAL | CMD_WRITE | SIMPLE, itt=1, data=self.data[:self.bs],
                            rest=struct.pack(">III", self.bs, s.take_cmd_sn(False), s.exp_stat_sn)
                            + write10(LBA, 1) + bytes(6)))
        second = s.sign(pack(SCSI_CMD, FINAL | CMD_WRITE | SIMPLE, itt=2, data=self.data[:self.bs],
                             rest=struct.pack(">III", self.bs, s.take_cmd_sn(False), s.exp_stat_sn)
                             + write10(LBA + 1, 1) + bytes(6)))
        s.send_raw(first + second)
        self.rejected(s, SCSI_CMD, 1)
        self.assertTrue(s.is_closed())
        self.unchanged()

    def test_7_8_immediate_ping_and_text(self):
        """No number, no hole: discarded, and the session goes on."""
        s = self.session(CRC)
        for n in (1, 4, 5, 5000):
            s.spoil_data = 0x80
            itt = s.nop(b"p" * n, immediate=True)
            self.rejected(s, NOP_OUT, itt)
            s.ping()
        s.spoil_data = 1
        itt = s.text({"SendTargets": ""}, immediate=True)
        self.rejected(s, 4, itt)
        s.text({"SendTargets": ""})
        self.assertEqual(s.expect(TEXT_RSP).keys()["TargetName"], Options.target)

    def test_7_8_numbered_ping_and_text(self):
        for opcode, send in ((NOP_OUT, lambda s: s.nop(b"ping")),
                             (4, lambda s: s.text({"SendTargets": ""}))):
            s = self.session(CRC)
            s.spoil_data = 1
            itt = send(s)
            self.rejected(s, opcode, itt)
            self.assertTrue(s.is_closed())

    def test_7_8_a_piece_of_a_text(self):
        s = self.session(CRC)
        s.text(b"SendTargets=", flags=CONTINUE, immediate=True, itt=0x99)
        more = s.expect(TEXT_RSP)
        s.spoil_data = 1
        s.text(b"bad\0", field20=more.ttt, immediate=True, itt=0x99)
        self.rejected(s, 4, 0x99)
        s.text(b"\0", field20=more.ttt, immediate=True, itt=0x99)
        self.assertEqual(s.expect(TEXT_RSP).keys()["TargetName"], Options.target)

    def test_7_8_an_opcode_that_does_not_exist(self):
        s = self.session(CRC)
        s.spoil_data = 1
        s.request(0x1e, immediate=True, itt=0x42, data=b"what")
        self.rejected(s, 0x1e, 0x42)
        s.ping()

    def test_4_2_2_ahead_of_a_missing_number(self):
        """A damaged PDU that waits for its turn must not be used when the turn comes."""
        s = self.session(CRC)
        s.spoil_data = 1
        itt = s.scsi(write10(LBA, 1), self.bs, FINAL | CMD_WRITE | SIMPLE, data=self.data[:self.bs],
                     cmd_sn=s.cmd_sn + 1)
        self.rejected(s, SCSI_CMD, itt)
        s.nop(b"the hole is filled")
        self.assertTrue(s.is_closed())
        self.unchanged()

    def test_4_2_2_outside_of_the_window(self):
        """Ignored for its number, but its digest is told of."""
        s = self.session(CRC)
        s.spoil_data = 1
        itt = s.nop(b"old", cmd_sn=s.cmd_sn - 1)
        self.rejected(s, NOP_OUT, itt)
        s.ping()

    def test_read_is_not_touched_by_a_damaged_neighbour(self):
        s, itt, r1, r2 = self.begin()
        s.spoil_data = 1
        s.burst(itt, r1.ttt, self.data, r1.offset, r1.length)
        self.rejected(s, 5, itt)
        read = s.scsi(read10(LBA, 1), self.bs, FINAL | CMD_READ | SIMPLE)
        pdu = s.expect(DATA_IN)
        self.assertEqual((pdu.itt, pdu.data), (read, self.old[:self.bs]))
        s.burst(itt, r2.ttt, self.data, r2.offset, r2.length)
        self.failed(s, itt)


if __name__ == "__main__":
    main()
