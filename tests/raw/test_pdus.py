#!/usr/bin/python3
"""CmdSN and StatSN (4.2.2), NOP (11.18), Reject (11.17), SNACK (11.16), Text (11.10),
Logout (11.14)."""

import struct

from iscsi_raw import (CONTINUE, FINAL, GOOD, IMMEDIATE, LOGOUT_RSP, NO_TAG, NOP_IN, REJECT,
                       SCSI_RSP, SNACK, TEXT_RSP, Closed, Quiet, pack, text, write10)
from rawtest import Options, RawTest, main, pattern

PROTOCOL, UNSUPPORTED, INVALID_FIELD, SNACK_REJECT = 0x04, 0x05, 0x09, 0x03
M32 = 0xffffffff


class CmdSn(RawTest):
    def test_4_2_2_1_below_the_window_is_ignored(self):
        s = self.session()
        for back in (1, 2, 1000, 1 << 30):
            s.nop(b"old", cmd_sn=(s.cmd_sn - back) & M32)
        self.assertTrue(s.quiet())
        s.ping()

    def test_4_2_2_1_above_the_window_is_ignored(self):
        s = self.session()
        s.ping()
        for ahead in (1, 2, 1000, 1 << 30):
            s.nop(b"far", cmd_sn=(s.max_cmd_sn + ahead) & M32)
        self.assertTrue(s.quiet())
        s.ping()

    def test_4_2_2_1_last_of_the_window_is_kept(self):
        """MaxCmdSN itself is allowed; it runs when the gap before it is filled."""
        s = self.session()
        s.ping()
        last = s.nop(b"last", cmd_sn=s.max_cmd_sn)
        self.assertTrue(s.quiet())
        most = (s.max_cmd_sn - s.cmd_sn) & M32
        for _ in range(most):
            s.nop(b"x")
        self.assertEqual([s.expect(NOP_IN).itt for _ in range(most + 1)][-1], last)
        s.take_cmd_sn(False)
        s.ping()

    def test_4_2_2_1_immediate_needs_no_number(self):
        s = self.session()
        before = s.cmd_sn
        for _ in range(5):
            itt = s.nop(b"now", immediate=True)
            pdu = s.expect(NOP_IN)
            self.assertEqual((pdu.itt, pdu.data), (itt, b"now"))
            self.assertEqual(pdu.exp_cmd_sn, before)
        s.ping()

    def test_4_2_2_1_immediate_passes_a_gap(self):
        s = self.session()
        late = s.nop(b"late", cmd_sn=s.cmd_sn + 1)
        now = s.nop(b"now", immediate=True)
        self.assertEqual(s.expect(NOP_IN).itt, now)
        gap = s.nop(b"gap")
        self.assertEqual([s.expect(NOP_IN).itt for _ in range(2)], [gap, late])
        s.take_cmd_sn(False)
        s.ping()

    def test_4_2_2_1_executed_in_order_of_numbers(self):
        """Two writes to one block arrive in the wrong order: the second number wins."""
        s = self.session()
        bs = self.block_bytes(s)
        a, b = pattern(bs, 1), pattern(bs, 2)
        flags = 0xa1
        sn = s.cmd_sn
        second = s.scsi(write10(7, 1), bs, flags, b, cmd_sn=sn + 1)
        self.assertTrue(s.quiet(), "executed before its turn")
        first = s.scsi(write10(7, 1), bs, flags, a, cmd_sn=sn)
        s.cmd_sn = sn + 2
        got = [s.expect(SCSI_RSP) for _ in range(2)]
        self.assertEqual({p.itt for p in got}, {first, second})
        self.assertEqual([p.status for p in got], [GOOD, GOOD])
        self.assertEqual(self.read_blocks(s, 7, 1, bs), b)

    def test_4_2_2_1_number_twice(self):
        """A duplicate of a command that waits for its turn is dropped."""
        s = self.session()
        one = s.nop(b"one", cmd_sn=s.cmd_sn + 1)
        s.nop(b"again", cmd_sn=s.cmd_sn + 1)
        gap = s.nop(b"gap")
        self.assertEqual([s.expect(NOP_IN).itt for _ in range(2)], [gap, one])
        self.assertTrue(s.quiet())
        s.take_cmd_sn(False)
        s.ping()

    def test_4_2_2_1_numbers_wrap(self):
        s = self.session(cmd_sn=0xfffffffa)
        for _ in range(12):
            s.ping()
        self.assertLess(s.cmd_sn, 100)

    def test_4_2_2_1_window_across_the_wrap(self):
        s = self.session(cmd_sn=0xfffffff0)
        while s.cmd_sn != M32:
            s.ping()
        after = s.nop(b"after", cmd_sn=0)
        self.assertTrue(s.quiet())
        before = s.nop(b"before", cmd_sn=M32)
        self.assertEqual([s.expect(NOP_IN).itt for _ in range(2)], [before, after])
        s.cmd_sn = 1
        s.ping()

    def test_4_2_2_2_stat_sn_counts_by_one(self):
        s = self.session()
        for _ in range(10):
            s.ping()
            s.command(bytes(6))
            s.command(b"\x12\0\0\0\x24", 36)
        sns = s.seen_stat_sn
        self.assertEqual([(b - a) & M32 for a, b in zip(sns, sns[1:])], [1] * (len(sns) - 1))

    def test_11_3_3_tag_in_use(self):
        """The same ITT while its task runs: task in progress, or the session ends."""
        s = self.session({"ImmediateData": "No"})
        bs = self.block_bytes(s)
        itt = s.scsi(write10(0, 1), bs, 0xa1)
        r2t = s.expect(0x31)
        s.scsi(bytes(6), itt=itt)
        try:
            pdu = s.next()
            self.assertEqual((pdu.opcode, pdu.reason), (REJECT, 0x07))
        except Closed:
            pass
        self.assertEqual(r2t.length, bs)
        self.assert_alive()


class Nop(RawTest):
    def test_11_18_ping_is_echoed(self):
        s = self.session()
        for n in (0, 1, 2, 3, 4, 511, 4096):
            data = pattern(n, n)
            itt = s.nop(data, lun=0)
            pdu = s.expect(NOP_IN)
            self.assertEqual((pdu.itt, pdu.ttt, pdu.data), (itt, NO_TAG, data))
            self.assertTrue(pdu.final)

    def test_11_18_echo_keeps_to_our_segment_length(self):
        s = self.session({"MaxRecvDataSegmentLength": "512"})
        data = pattern(4096, 3)
        s.nop(data)
        pdu = s.expect(NOP_IN)
        self.assertLessEqual(len(pdu.data), 512)
        self.assertEqual(pdu.data, data[:len(pdu.data)])

    def test_11_18_without_tag_no_answer(self):
        s = self.session()
        s.nop(b"", itt=NO_TAG, immediate=True)
        s.nop(b"data", itt=NO_TAG, immediate=True)
        self.assertTrue(s.quiet())
        s.ping()

    def test_11_18_answer_to_a_ping_nobody_sent(self):
        """A TTT that we never got: Reject, silence or the end; not an echo."""
        s = self.session()
        s.nop(b"", itt=NO_TAG, immediate=True, field20=0x12345678)
        try:
            while True:
                self.assertEqual(s.next(0.3).opcode, REJECT)
        except (Closed, Quiet):
            pass
        self.assert_alive()


class Rejects(RawTest):
    def rejected(self, s, raw, *reasons):
        s.send(raw)
        pdu = s.expect(REJECT)
        self.assertIn(pdu.reason, reasons)
        self.assertEqual(pdu.itt, NO_TAG)
        self.assertTrue(pdu.final)
        self.assertEqual(pdu.data[:48], raw[:48], "11.17: the header comes back")
        return pdu

    def test_11_17_unknown_opcode(self):
        s = self.session()
        for opcode in (0x07, 0x0f, 0x11, 0x1c, 0x1f):
            raw = pack(opcode | IMMEDIATE, FINAL, itt=s.new_itt(),
                       rest=struct.pack(">III", NO_TAG, s.cmd_sn, s.exp_stat_sn))
            self.rejected(s, raw, UNSUPPORTED, PROTOCOL)
        s.ping()

    def test_11_17_unknown_opcode_with_data_and_ahs(self):
        s = self.session()
        raw = pack(0x1f | IMMEDIATE, FINAL, itt=s.new_itt(), data=b"hello", ahs=bytes(8),
                   rest=struct.pack(">III", NO_TAG, s.cmd_sn, s.exp_stat_sn))
        self.rejected(s, raw, UNSUPPORTED, PROTOCOL)
        s.ping()

    def test_11_17_opcode_of_a_target(self):
        s = self.session()
        raw = pack(0x20 | IMMEDIATE, FINAL, itt=s.new_itt(),
                   rest=struct.pack(">III", NO_TAG, s.cmd_sn, s.exp_stat_sn))
        try:
            self.rejected(s, raw, UNSUPPORTED, PROTOCOL)
        except Closed:
            pass
        self.assert_alive()

    def test_11_16_snack(self):
        s = self.session()
        for kind in range(4):
            raw = pack(SNACK, FINAL | kind, itt=NO_TAG,
                       rest=struct.pack(">IIIII", NO_TAG, 0, s.exp_stat_sn, 0, 0) + struct.pack(
                           ">II", 0, 1))
            self.rejected(s, raw, SNACK_REJECT, UNSUPPORTED, PROTOCOL)
        s.ping()


class Text(RawTest):
    def test_6_2_unknown_key(self):
        s = self.session()
        itt = s.text({"X-com.example.a": "1"})
        pdu = s.expect(TEXT_RSP)
        self.assertEqual((pdu.itt, pdu.ttt, pdu.final), (itt, NO_TAG, True))
        self.assertEqual(pdu.keys(), {"X-com.example.a": "NotUnderstood"})

    def test_13_12_segment_length_changes(self):
        s = self.session()
        s.text({"MaxRecvDataSegmentLength": "512"})
        s.expect(TEXT_RSP)
        r = s.read(b"\x28\0\0\0\0\0\0\0\x08\0", 8 * self.block_bytes(s))
        self.assertEqual(r.status, GOOD)
        self.assertLessEqual(max(len(p.data) for p in r.data_ins), 512)

    def test_13_login_keys_change_nothing(self):
        s = self.session()
        s.text({"MaxBurstLength": "512", "ErrorRecoveryLevel": "2"})
        try:
            pdu = s.next()
            if pdu.opcode == TEXT_RSP:
                self.assertEqual(set(pdu.keys().values()), {"Reject"})
            else:
                self.assertEqual(pdu.opcode, REJECT)
            s.ping()
        except Closed:
            pass

    def test_6_2_text_in_parts(self):
        s = self.session()
        whole = text({"X-com.example.abc": "1", "SendTargets": ""})
        itt = s.text(whole[:9], flags=CONTINUE)
        pdu = s.expect(TEXT_RSP)
        self.assertEqual((pdu.itt, pdu.final, pdu.data), (itt, False, b""))
        self.assertNotEqual(pdu.ttt, NO_TAG)
        s.text(whole[9:], itt=itt, field20=pdu.ttt)
        pdu = s.expect(TEXT_RSP)
        self.assertEqual(pdu.itt, itt)
        self.assertEqual(pdu.keys()["X-com.example.abc"], "NotUnderstood")
        self.assertEqual(pdu.keys()["TargetName"], Options.target)

    def test_11_10_continuation_of_nothing(self):
        s = self.session()
        s.text(b"", field20=0x12345678)
        self.assertIn(self.assert_broken(s, "a TTT never given"), ("reject", "closed"))
        self.assert_alive()

    def test_6_1_ill_formed(self):
        for bad in (b"Oops\0", b"=\0", b"A=1", b"A" * 64 + b"=\0"):
            with self.subTest(text=bad):
                s = self.session()
                s.text(bad)
                self.assertIn(self.assert_broken(s, "ill-formed text"), ("reject", "closed"))
        self.assert_alive()

    def test_13_keys_of_targets(self):
        s = self.session()
        s.text({"TargetAddress": "10.0.0.1:3260,1"})
        self.assertIn(self.assert_broken(s, "a target's key"), ("reject", "closed"))

    def test_11_10_long_text_without_end(self):
        s = self.session()
        ttt, itt = NO_TAG, s.new_itt()
        try:
            for _ in range(60):
                s.text(b"X-a=" + b"x" * 8000, itt=itt, field20=ttt, flags=CONTINUE)
                pdu = s.next()
                if pdu.opcode == REJECT:
                    break
                ttt = pdu.ttt
            else:
                self.fail("480 kB of text were taken")
        except Closed:
            pass
        self.assert_alive()


class Logout(RawTest):
    def done(self, s, itt, response):
        pdu = s.expect(LOGOUT_RSP)
        self.assertEqual((pdu.itt, pdu.response), (itt, response))

    def test_11_14_1_close_the_session(self):
        s = self.session()
        self.done(s, s.logout(0), 0)
        self.assertTrue(s.is_closed())
        self.assert_alive()

    def test_11_14_1_close_the_connection(self):
        s = self.session()
        self.done(s, s.logout(1, cid=0), 0)
        self.assertTrue(s.is_closed())

    def test_11_14_1_close_another_connection(self):
        s = self.session()
        self.done(s, s.logout(1, cid=77), 1)
        s.ping()

    def test_11_14_1_close_for_recovery(self):
        s = self.session()
        self.done(s, s.logout(2), 2)
        s.ping()

    def test_11_14_1_reserved_reason(self):
        s = self.session()
        s.logout(5)
        try:
            pdu = s.next()
            self.assertTrue(pdu.opcode == REJECT or pdu.response != 0, pdu)
        except Closed:
            pass
        self.assert_alive()

    def test_11_14_immediate(self):
        s = self.session()
        self.done(s, s.logout(0, immediate=True), 0)
        self.assertTrue(s.is_closed())

    def test_11_14_after_the_commands_before_it(self):
        s = self.session()
        itts = [s.nop(b"1"), s.nop(b"2"), s.logout(0)]
        self.assertEqual([s.next().itt for _ in range(3)], itts)
        self.assertTrue(s.is_closed())

    def test_11_14_with_a_write_that_waits(self):
        """The write of a closed session never happens."""
        s = self.session({"ImmediateData": "No"})
        bs = self.block_bytes(s)
        self.write_blocks(s, 20, pattern(bs, 5), bs)
        s.scsi(write10(20, 1), bs, 0xa1)
        s.expect(0x31)
        itt = s.logout(0)
        while True:
            pdu = s.next()
            if pdu.opcode == LOGOUT_RSP:
                break
            self.assertNotEqual((pdu.opcode, pdu.status), (SCSI_RSP, GOOD))
        self.assertEqual((pdu.itt, pdu.response), (itt, 0))
        t = self.session()
        self.assertEqual(self.read_blocks(t, 20, 1, bs), pattern(bs, 5))


if __name__ == "__main__":
    main()
