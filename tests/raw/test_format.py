#!/usr/bin/python3
"""The form of PDUs, both ways: format errors end the session (RFC 7143 7.7), reserved bits do not
(11), additional headers (11.2.2), and what stands in the target's own headers and sense data."""

import struct

from iscsi_raw import (CHECK_CONDITION, CMD_READ, CMD_WRITE, CONTINUE, DATA_IN, DATA_OUT, FINAL, GOOD,
                       IMMEDIATE, LOGOUT, LOGOUT_RSP, NO_TAG, NOP_IN, NOP_OUT, R2T, REJECT, SCSI_CMD,
                       SCSI_RSP, SIMPLE, SNACK, TEXT, TEXT_RSP, TMF, TMF_RSP, Closed, Quiet, inquiry,
                       pack, read10, write10)
from rawtest import Provoked, main, pattern

WRITE, READ = FINAL | CMD_WRITE | SIMPLE, FINAL | CMD_READ | SIMPLE
LBA = 91000
REPORT_LUNS = b"\xa0" + bytes(5) + struct.pack(">I", 16) + bytes(2)


class FormatErrors(Provoked):
    """7.7: illegal or inconsistent contents of a header: the session ends, and nothing that the PDU
    asked for is done."""

    def setUp(self):
        super().setUp()
        self.bs = self.block_bytes(self.witness)
        self.old = pattern(4 * self.bs, 41)
        self.write_blocks(self.witness, LBA, self.old, self.bs)

    def ends(self, what, make, offer=None):
        with self.subTest(what=what):
            s = self.session(offer)
            make(s)
            self.assert_ends(s, what)
            self.assertEqual(self.read_blocks(self.witness, LBA, 4, self.bs), self.old)

    def test_11_3_1_neither_f_nor_w(self):
        self.ends("W=0 and F=0", lambda s: s.scsi(read10(LBA, 1), self.bs, CMD_READ | SIMPLE))
        self.ends("W=0 and F=0", lambda s: s.scsi(bytes(6), 0, SIMPLE))

    def test_11_3_1_data_expected_without_direction(self):
        self.ends("R=0, W=0", lambda s: s.scsi(read10(LBA, 1), self.bs, FINAL | SIMPLE))
        self.ends("R=0, W=0", lambda s: s.scsi(write10(LBA, 1), self.bs, FINAL | SIMPLE))

    def test_11_2_1_8_reserved_task_tag(self):
        self.ends("command", lambda s: s.scsi(write10(LBA, 1), self.bs, WRITE,
                                              pattern(self.bs, 42), itt=NO_TAG))
        self.ends("text", lambda s: s.text({"SendTargets": ""}, itt=NO_TAG))
        self.ends("logout", lambda s: s.logout(itt=NO_TAG))
        self.ends("TMF", lambda s: s.request(TMF, immediate=True, flags=FINAL | 5, itt=NO_TAG,
                                             tail=bytes(8)))
        self.ends("Data-Out", lambda s: s.data_out(NO_TAG, 1, 0, b"data"))

    def test_11_5_2_task_management_with_data(self):
        for kw in ({"data": b"data"}, {"ahs": bytes(8)}):
            self.ends("TMF", lambda s, k=kw: s.request(TMF, immediate=True, flags=FINAL | 5,
                                                       tail=bytes(8), **k))

    def test_11_14_2_logout_with_data(self):
        for kw in ({"data": b"data"}, {"ahs": bytes(8)}):
            self.ends("Logout", lambda s, k=kw: s.request(LOGOUT, field20=0, **k))

    def test_11_14_1_reasons_that_are_none(self):
        for reason in (3, 4, 5, 63, 127):
            self.ends("Logout, reason %d" % reason, lambda s, r=reason: s.logout(r))

    def test_11_10_2_text_with_f_and_c(self):
        self.ends("F and C", lambda s: s.text(b"X-a=1\0", flags=FINAL | CONTINUE))

    def test_13_11_immediate_data_beyond_what_was_agreed(self):
        new = pattern(4 * self.bs, 43)
        for offer, n in (({"ImmediateData": "No"}, 4), ({"FirstBurstLength": "512"}, 513),
                         ({"FirstBurstLength": "1024"}, 1028)):
            self.ends("%d bytes, %r" % (n, offer), lambda s, k=n: s.scsi(
                write10(LBA, 4), 4 * self.bs, WRITE, new[:k]), offer)

    def test_11_3_4_immediate_data_beyond_the_expected_length(self):
        for edtl in (0, 4, self.bs - 4):
            self.ends("EDTL %d" % edtl, lambda s, e=edtl: s.scsi(
                write10(LBA, 1), e, WRITE, pattern(self.bs, 44)))

    def test_13_10_unsolicited_data_announced_though_refused(self):
        for offer in ({"ImmediateData": "No"}, {"ImmediateData": "Yes"}):
            self.ends("F=0", lambda s: s.scsi(write10(LBA, 4), 4 * self.bs, CMD_WRITE | SIMPLE),
                      dict(offer, InitialR2T="Yes"))

    def test_11_3_data_with_a_command_that_does_not_write(self):
        self.ends("data with R", lambda s: s.scsi(read10(LBA, 1), self.bs, READ, b"data"))
        self.ends("data without R or W", lambda s: s.scsi(bytes(6), 0, FINAL | SIMPLE, b"data"))

    def test_13_12_every_kind_of_pdu_too_long(self):
        """Longer than the target declared, by a little and by much: nothing waits for it."""
        for opcode in (NOP_OUT, SCSI_CMD, TMF, TEXT, DATA_OUT, LOGOUT, SNACK, 0x1f):
            for extra in (1, 1 << 22):
                with self.subTest(opcode=opcode, extra=extra):
                    s = self.session()
                    s.send(pack(opcode | IMMEDIATE, FINAL | CMD_WRITE, itt=7, rest=struct.pack(
                        ">III", NO_TAG, s.cmd_sn, s.exp_stat_sn),
                        data_len=s.target_max_data + extra))
                    self.assert_ends(s, "too long")


class Reserved(Provoked):
    """11: a receiver ignores what is reserved."""

    def test_11_2_1_reserved_bits_of_the_first_byte(self):
        s = self.session()
        for opcode in (NOP_OUT, NOP_OUT | IMMEDIATE):
            sn = s.take_cmd_sn(opcode & IMMEDIATE)
            itt = s.new_itt()
            s.send(pack(opcode | 0x80, FINAL, itt=itt, data=b"x", rest=struct.pack(
                ">III", NO_TAG, sn, s.exp_stat_sn)))
            self.assertEqual(s.expect(NOP_IN).itt, itt)

    def test_11_18_reserved_fields_of_a_ping(self):
        s = self.session()
        itt = s.new_itt()
        s.send(pack(NOP_OUT, 0xff, 0xff, 0xff, itt=itt, data=b"x", bytes8=b"\xff" * 8,
                    rest=struct.pack(">III", NO_TAG, s.take_cmd_sn(False), s.exp_stat_sn) +
                    b"\xff" * 16))
        pdu = s.expect(NOP_IN)
        self.assertEqual((pdu.itt, pdu.data), (itt, b"x"))
        self.assertEqual(pdu.lun, bytes(8), "11.19.3: no LUN where there is no tag")

    def test_11_3_1_reserved_bits_of_a_command(self):
        s = self.session()
        r = s.finish(s.scsi(inquiry(36), 36, READ | 0x18, byte2=0xff, byte3=0xff))
        self.assertEqual((r.status, len(r.data)), (GOOD, 36))

    def test_11_3_1_each_task_attribute(self):
        """Untagged, simple, ordered, head of queue are done; ACA and the reserved ones are done or
        refused."""
        for attribute in range(8):
            s = self.session()
            s.scsi(inquiry(36), 36, FINAL | CMD_READ | attribute)
            try:
                pdu = s.next()
                if attribute < 4:
                    self.assertEqual((pdu.opcode, pdu.status, len(pdu.data)), (DATA_IN, GOOD, 36))
            except Closed:
                self.assertGreater(attribute, 3)

    def test_11_14_3_cid_of_no_account(self):
        """It says something only where a connection is closed."""
        s = self.session(cid=3)
        s.logout(0, cid=0xbeef)
        self.assertEqual(s.expect(LOGOUT_RSP).response, 0)

    def test_11_18_1_ping_without_tag_and_immediate_bit(self):
        """MUST be immediate; whatever becomes of it, no answer."""
        s = self.session()
        s.nop(b"", itt=NO_TAG)
        try:
            self.assertTrue(s.quiet() or s.unexpected.opcode == REJECT)
            s.ping()
        except (Closed, Quiet):
            pass

    def test_11_18_2_answer_to_a_ping_that_nobody_sent(self):
        s = self.session()
        for immediate in (True, False):
            s.nop(b"data", itt=NO_TAG, immediate=immediate, field20=0x5eed)
        try:
            while True:
                self.assertEqual(s.next(0.3).opcode, REJECT)
        except (Closed, Quiet):
            pass

    def test_11_7_4_data_out_with_another_lun(self):
        """The tags say what it is for. It is taken for that, or it ends the session; never
        anything else."""
        s = self.session({"ImmediateData": "No"})
        bs = self.block_bytes(s)
        old, new = pattern(bs, 51), pattern(bs, 52)
        self.write_blocks(self.witness, LBA, old, bs)
        itt = s.scsi(write10(LBA, 1), bs, WRITE)
        s.data_out(itt, s.expect(R2T).ttt, 0, new, lun=5)
        try:
            want = new if s.next().status == GOOD else old
        except Closed:
            want = old
        self.assertEqual(self.read_blocks(self.witness, LBA, 1, bs), want)


class Additional(Provoked):
    """AHS: an extended CDB (11.2.2.3), a bidirectional length (11.2.2.4), and none of these."""

    def answered(self, s, itt):
        """One answer, and the stream is where it was."""
        pdu = s.next()
        if pdu.opcode == REJECT:
            s.cmd_sn = pdu.exp_cmd_sn
        else:
            self.assertEqual(pdu.itt, itt)
        s.ping()
        return pdu

    def test_11_2_2_3_extended_cdb(self):
        """A CDB of 32 bytes: no operation code of ours is that long."""
        s = self.session()
        cdb = b"\x7f" + bytes(6) + b"\x18" + struct.pack(">H", 0x0b) + bytes(22)
        pdu = self.answered(s, s.scsi(cdb[:16], ahs=struct.pack(">HBB", 17, 1, 0) + cdb[16:]))
        self.assertEqual((pdu.opcode, pdu.status), (SCSI_RSP, CHECK_CONDITION))
        self.assertEqual((pdu.data[4] & 15, pdu.data[14]), (5, 0x20))

    def test_11_2_2_4_bidirectional(self):
        """R and W, with a length for the data in: a disk has no such command. An answer; blocks are
        the old ones, or those that were sent."""
        s = self.session()
        bs = self.block_bytes(s)
        old, new = pattern(bs, 61), pattern(bs, 62)
        self.write_blocks(s, LBA, old, bs)
        itt = s.scsi(write10(LBA, 1), bs, WRITE | CMD_READ, new,
                     ahs=struct.pack(">HBBI", 5, 2, 0, bs))
        self.answered(s, itt)
        self.assertIn(self.read_blocks(s, LBA, 1, bs), (old, new))

    def test_11_2_2_1_types_and_lengths_that_are_none(self):
        """An AHSLength beyond TotalAHSLength, zero, an unknown type, as much as there may be."""
        for ahs in (struct.pack(">HBB", 0xffff, 1, 0), struct.pack(">HBB", 0, 1, 0),
                    struct.pack(">HBB", 1, 0x3f, 0), struct.pack(">HBB", 1, 0, 0), b"\xff" * 1020,
                    bytes(1020), struct.pack(">HBB", 5, 2, 0)):
            with self.subTest(ahs=ahs[:4]):
                s = self.session()
                try:
                    self.answered(s, s.scsi(inquiry(36), 36, READ, ahs=ahs))
                except Closed:
                    pass

    def test_11_2_1_5_with_each_kind_of_pdu(self):
        """Data behind an AHS is still the data."""
        s = self.session()
        itt = s.nop(b"after the header", ahs=bytes(12))
        pdu = s.expect(NOP_IN)
        self.assertEqual((pdu.itt, pdu.data), (itt, b"after the header"))
        s.text({"SendTargets": ""}, ahs=bytes(4))
        self.assertIn("TargetName", s.expect(TEXT_RSP).keys())
        bs = self.block_bytes(s)
        data = pattern(bs, 63)
        r = s.finish(s.scsi(write10(LBA, 1), bs, WRITE, data, ahs=bytes(8)))
        self.assertEqual(r.status, GOOD)
        self.assertEqual(self.read_blocks(s, LBA, 1, bs), data)


class Headers(Provoked):
    """What the target writes: reserved fields are 0, counters count, tags are the request's."""

    def setUp(self):
        super().setUp()
        self.s = self.session({"ImmediateData": "No", "MaxBurstLength": "1024"})
        self.bs = self.block_bytes(self.s)

    def zero(self, pdu, *spans):
        for first, last in spans:
            self.assertEqual(pdu.bhs[first:last + 1], bytes(last + 1 - first),
                             "bytes %d to %d of %r" % (first, last, pdu))

    def test_11_4_scsi_response(self):
        itt = self.s.scsi(bytes(6))
        pdu = self.s.expect(SCSI_RSP)
        self.assertEqual((pdu.itt, pdu.flags, pdu.response, pdu.status), (itt, FINAL, 0, GOOD))
        self.zero(pdu, (4, 15), (20, 23), (36, 47))

    def test_11_4_scsi_response_of_a_write(self):
        data = pattern(4 * self.bs, 71)
        r = self.s.write(write10(LBA, 4), data)
        self.assertEqual((r.response.flags, r.response.exp_data_sn), (FINAL, len(r.r2ts)))
        self.zero(r.response, (4, 15), (20, 23), (40, 47))

    def test_11_7_data_in(self):
        itt = self.s.scsi(read10(LBA, 4), 4 * self.bs, READ)
        for i in range(2):
            pdu = self.s.expect(DATA_IN)
            self.assertEqual((pdu.itt, pdu.data_sn, pdu.offset), (itt, i, 1024 * i))
            self.assertEqual(pdu.flags, FINAL | i, "11.7.1: F ends each sequence; status at the end")
            self.zero(pdu, (2, 4), (8, 15), (44, 47))
            if not i:
                self.zero(pdu, (24, 27))

    def test_11_8_r2t(self):
        itt = self.s.scsi(write10(LBA, 4), 4 * self.bs, WRITE)
        stat_sn = self.s.exp_stat_sn
        pdu = self.s.expect(R2T)
        self.assertEqual((pdu.itt, pdu.flags, pdu.stat_sn), (itt, FINAL, stat_sn),
                         "11.8.3: StatSN is told and not taken")
        self.zero(pdu, (2, 15))
        self.s.burst(itt, pdu.ttt, pattern(4 * self.bs, 72), pdu.offset, pdu.length)
        self.assertEqual(self.s.finish(itt, pattern(4 * self.bs, 72)).response.stat_sn, stat_sn)

    def test_11_19_nop_in(self):
        itt = self.s.nop(b"abc")
        pdu = self.s.expect(NOP_IN)
        self.assertEqual((pdu.itt, pdu.ttt, pdu.flags), (itt, NO_TAG, FINAL))
        self.zero(pdu, (2, 4), (8, 15), (36, 47))

    def test_11_11_text_response(self):
        itt = self.s.text({"SendTargets": ""})
        pdu = self.s.expect(TEXT_RSP)
        self.assertEqual((pdu.itt, pdu.ttt, pdu.flags), (itt, NO_TAG, FINAL))
        self.zero(pdu, (2, 4), (8, 15), (36, 47))

    def test_11_6_task_management_response(self):
        self.s.request(TMF, immediate=True, flags=FINAL | 1, field20=0x5555,
                       tail=struct.pack(">II", (self.s.cmd_sn - 3) & NO_TAG, 0))
        pdu = self.s.expect(TMF_RSP)
        self.assertEqual((pdu.flags, pdu.response), (FINAL, 1))
        self.zero(pdu, (3, 15), (20, 23), (36, 47))

    def test_11_15_logout_response(self):
        itt = self.s.logout()
        pdu = self.s.expect(LOGOUT_RSP)
        self.assertEqual((pdu.itt, pdu.flags, pdu.response, pdu.data), (itt, FINAL, 0, b""))
        self.zero(pdu, (3, 15), (20, 23), (36, 39), (44, 47))

    def test_11_15_3_time2wait_is_what_was_agreed(self):
        for n in ("0", "2", "77"):
            s = self.session({"DefaultTime2Wait": n, "DefaultTime2Retain": "20"})
            s.logout()
            pdu = s.expect(LOGOUT_RSP)
            self.assertEqual((pdu.time2wait, pdu.time2retain), (int(n), 0))

    def test_11_17_reject(self):
        raw = pack(0x1f | IMMEDIATE, 0xff, 1, 2, itt=9, rest=bytes(range(28)))
        self.s.send(raw)
        pdu = self.s.expect(REJECT)
        self.assertEqual((pdu.itt, pdu.flags, pdu.data), (NO_TAG, FINAL, raw[:48]))
        self.zero(pdu, (3, 3), (8, 15), (20, 23), (40, 47))
        self.assertEqual(self.s.ping().stat_sn, (pdu.stat_sn + 1) & NO_TAG, "11.17.3")

    def test_11_2_3_padding_is_zero(self):
        """Answers whose lengths are no multiple of four, byte by byte off the socket."""
        for n in (1, 2, 3, 5):
            self.s.nop(b"\xff" * n)
            raw = b""
            while len(raw) < 48 + n + -n % 4:
                raw += self.s.sock.recv(48 + n + -n % 4 - len(raw))
            self.assertEqual(raw[48:], b"\xff" * n + bytes(-n % 4))
            self.s.exp_stat_sn += 1

    def test_4_2_2_1_max_cmd_sn_is_never_behind(self):
        """In each PDU of every kind MaxCmdSN >= ExpCmdSN - 1, and neither goes back."""
        s, last = self.s, None
        ways = (lambda: s.nop(b"x"), lambda: s.scsi(bytes(6)), lambda: s.text({"X-a": "1"}),
                lambda: s.scsi(inquiry(36), 36, READ), lambda: s.nop(b"x", immediate=True),
                lambda: s.request(TMF, immediate=True, flags=FINAL | 1, field20=0x5555, tail=bytes(8)),
                lambda: s.send(pack(0x1f | IMMEDIATE, FINAL, itt=9)))
        for i in range(70):
            ways[i % len(ways)]()
        for i in range(70):
            pdu = s.next()
            self.assertLess((pdu.max_cmd_sn - pdu.exp_cmd_sn + 1) & NO_TAG, 1 << 31)
            if last:
                self.assertLess((pdu.exp_cmd_sn - last.exp_cmd_sn) & NO_TAG, 1 << 31)
                self.assertLess((pdu.max_cmd_sn - last.max_cmd_sn) & NO_TAG, 1 << 31)
            last = pdu


class Sense(Provoked):
    def bad(self, s, cdb, *args, **kw):
        r = s.finish(s.scsi(cdb, *args, **kw))
        self.assertEqual(r.status, CHECK_CONDITION)
        return r

    def test_11_4_7_sense_data(self):
        """SenseLength, then fixed format sense whose own length agrees; no more in the segment."""
        s = self.session()
        for cdb, code in ((b"\xff" + bytes(15), (5, 0x20)),
                          (read10(0xffffffff, 1), (5, 0x21)), (inquiry(36, 0xee), (5, 0x24))):
            edtl = 512 if cdb[0] != 0xff else 0
            r = self.bad(s, cdb, edtl, READ if edtl else FINAL | SIMPLE)
            data = r.response.data
            n = int.from_bytes(data[:2], "big")
            self.assertEqual(len(data), 2 + n)
            self.assertEqual(data[2] & 0x7f, 0x70)
            self.assertEqual(data[9], n - 8, "additional sense length")
            self.assertEqual((data[4] & 15, data[14]), code)
            self.assertEqual(r.response.response, 0, "11.4.3: completed at the target")

    def test_11_4_7_no_sense_with_good_status(self):
        s = self.session()
        s.scsi(bytes(6))
        self.assertEqual(s.expect(SCSI_RSP).data, b"")

    def test_11_4_7_sense_goes_with_the_command(self):
        """Autosense: told once, with the answer; REQUEST SENSE finds nothing afterwards."""
        s = self.session()
        self.bad(s, b"\xff" + bytes(15))
        r = s.read(b"\x03\0\0\0\x12\0", 18)
        self.assertEqual((r.status, r.data[2] & 15), (GOOD, 0))


class Residuals(Provoked):
    def test_11_4_5_largest_expected_length(self):
        """32 bits of expectation: all that did not come is underflow."""
        s = self.session()
        for edtl in (0xffffffff, 0x80000000):
            r = s.read(inquiry(36), edtl)
            self.assertEqual((r.status, r.underflow, r.overflow), (GOOD, True, False))
            self.assertEqual((len(r.data), r.residual), (36, edtl - 36))
        r = s.finish(s.scsi(bytes(6), 0xffffffff, READ))
        self.assertEqual((r.status, r.residual), (GOOD, 0xffffffff))

    def test_11_4_5_2_overflow_or_underflow(self):
        """Never both; the count is 0 where neither is."""
        s = self.session()
        bs = self.block_bytes(s)
        for blocks in range(4):
            for edtl in range(0, 4 * bs, bs // 2):
                r = s.finish(s.scsi(read10(LBA, blocks), edtl, READ))
                have = blocks * bs
                self.assertEqual((r.overflow, r.underflow, r.residual),
                                 (have > edtl, have < edtl, abs(have - edtl)))
                self.assertEqual(len(r.data), min(have, edtl))

    def test_11_4_5_3_report_luns(self):
        """What the allocation length cuts off is no residual."""
        s = self.session()
        r = s.read(REPORT_LUNS, 16)
        self.assertEqual((r.status, r.overflow, r.underflow, r.residual), (GOOD, False, False, 0))
        r = s.read(REPORT_LUNS, 8)
        self.assertEqual((r.overflow, r.residual, len(r.data)), (True, 8, 8))

    def test_11_4_6_no_bidirectional_residual(self):
        s = self.session()
        r = s.read(inquiry(36), 255)
        self.assertFalse(r.response.flags & 0x18)


if __name__ == "__main__":
    main()
