#!/usr/bin/python3
"""The command window at its edges, immediate commands, status numbers (RFC 7143 4.2.2), and what a
rejected command leaves behind (7.3)."""

from iscsi_raw import (CMD_READ, CMD_WRITE, FINAL, GOOD, NO_TAG, NOP_IN, R2T, REJECT, SCSI_RSP,
                       SIMPLE, TMF, TMF_RSP, Closed, inquiry, read10, write10)
from rawtest import Provoked, main, pattern

WRITE = FINAL | CMD_WRITE | SIMPLE
IN_PROGRESS, TOO_MANY_IMMEDIATE = 0x07, 0x06
LBA = 92000


def plus(sn, n):
    return (sn + n) & NO_TAG


class Window(Provoked):
    """@first: CmdSNs of the login, so that the window lies before, across and behind the wrap."""

    FIRST = (0, 1, 0x7fffff80, 0x7fffffff, 0x80000000, 0xffffff80, 0xfffffff0, 0xffffffff)

    def fill(self, s, bs):
        """Writes that wait for their data, until the window is full. Returns {itt: R2T}."""
        size = plus(s.max_cmd_sn, 1 - s.cmd_sn)
        itts = [s.scsi(write10(LBA + i, 1), bs, WRITE) for i in range(size)]
        out = {}
        for _ in range(size):
            pdu = s.expect(R2T)
            out[pdu.itt] = pdu
        self.assertEqual(set(out), set(itts))
        return out

    def test_4_2_2_1_full_window(self):
        """Each number of the window is taken, the next is ignored, and comes in when one is
        answered. Everywhere in the circle of numbers."""
        for first in self.FIRST:
            with self.subTest(first=hex(first)):
                s = self.session({"ImmediateData": "No"}, cmd_sn=first)
                bs = self.block_bytes(s)
                r2ts = self.fill(s, bs)
                last = next(reversed(r2ts.values()))
                self.assertEqual((last.exp_cmd_sn, last.max_cmd_sn),
                                 (s.cmd_sn, plus(s.cmd_sn, -1)), "the window is closed")
                s.nop(b"too far", cmd_sn=s.cmd_sn)
                now = s.nop(b"now", immediate=True)
                self.assertEqual(s.expect(NOP_IN).itt, now, "4.2.2.1: immediate ones have no window")
                itt, r2t = next(iter(r2ts.items()))
                s.data_out(itt, r2t.ttt, 0, pattern(bs, 1))
                pdu = s.expect(SCSI_RSP)
                self.assertEqual((pdu.itt, pdu.status), (itt, GOOD))
                self.assertEqual(pdu.max_cmd_sn, s.cmd_sn, "one answered, one more may come")
                s.ping()
                s.close()

    def test_4_2_2_1_edges(self):
        """ExpCmdSN - 1 and MaxCmdSN + 1 are ignored, so is the opposite side of the circle;
        MaxCmdSN is kept."""
        for first in self.FIRST:
            with self.subTest(first=hex(first)):
                s = self.session(cmd_sn=first)
                s.ping()
                exp, most = s.cmd_sn, s.max_cmd_sn
                for sn in (plus(exp, -1), plus(most, 1), plus(exp, 1 << 31), plus(exp, -(1 << 30)),
                           plus(most, 1 << 30)):
                    s.nop(b"out", cmd_sn=sn)
                last = s.nop(b"last", cmd_sn=most)
                for n in range(plus(most, -exp)):
                    s.nop(b"%d" % n)
                got = [s.expect(NOP_IN) for _ in range(plus(most, -exp) + 1)]
                self.assertEqual(got[-1].itt, last)
                self.assertNotIn(b"out", [p.data for p in got])
                s.take_cmd_sn(False)
                s.ping()
                s.close()

    def test_4_2_2_1_reverse_order(self):
        """A whole window, the last number first: executed in the order of numbers."""
        for first in (5, 0xffffffe0):
            s = self.session(cmd_sn=first)
            s.ping()
            begin, size = s.cmd_sn, plus(s.max_cmd_sn, 1 - s.cmd_sn)
            itts = [s.nop(b"x", cmd_sn=plus(begin, n)) for n in reversed(range(size))]
            self.assertEqual([s.expect(NOP_IN).itt for _ in range(size)], itts[::-1])
            s.cmd_sn = plus(begin, size)
            s.ping()

    def test_4_2_2_1_retry_of_an_answered_command(self):
        """The same CmdSN and tag again: ignored, not done twice (7.2.1)."""
        s = self.session()
        bs = self.block_bytes(s)
        sn, first, second = s.cmd_sn, pattern(bs, 5), pattern(bs, 6)
        itt = s.scsi(write10(LBA, 1), bs, WRITE, first)
        self.assertEqual(s.expect(SCSI_RSP).status, GOOD)
        self.write_blocks(s, LBA, second, bs)
        s.scsi(write10(LBA, 1), bs, WRITE, first, cmd_sn=sn, itt=itt)
        self.assertEqual(self.read_blocks(s, LBA, 1, bs), second)

    def test_4_2_2_1_command_outside_the_window_with_data(self):
        """Its data go with it."""
        s = self.session()
        bs = self.block_bytes(s)
        old = pattern(bs, 7)
        self.write_blocks(s, LBA, old, bs)
        for sn in (plus(s.cmd_sn, -1), plus(s.max_cmd_sn, 1), plus(s.cmd_sn, 1 << 31)):
            s.scsi(write10(LBA, 1), bs, WRITE, pattern(bs, 8), cmd_sn=sn)
            s.ping()
        self.assertEqual(self.read_blocks(s, LBA, 1, bs), old)

    def test_4_2_2_1_every_kind_of_request_is_numbered(self):
        """Commands, task management, text, pings and logouts share one row of numbers."""
        s = self.session()
        sn = s.cmd_sn
        out = s.logout(0, cmd_sn=plus(sn, 4))
        text = s.text({"X-a": "1"}, cmd_sn=plus(sn, 3))
        tmf = s.request(TMF, flags=FINAL | 1, field20=0x5555, cmd_sn=plus(sn, 2),
                        tail=plus(sn, -9).to_bytes(4, "big") + bytes(4))
        scsi = s.scsi(bytes(6), cmd_sn=plus(sn, 1))
        self.assertTrue(s.quiet())
        nop = s.nop(b"x", cmd_sn=sn)
        got = [s.next().itt for _ in range(4)]
        if scsi in got:     # or it was under way yet when its session ended (11.14.5)
            got.append(s.next().itt)
        self.assertEqual([i for i in got if i != scsi], [nop, tmf, text, out])
        self.assertTrue(s.is_closed())


class Immediate(Provoked):
    def test_4_2_2_1_one_of_each_kind_at_least(self):
        """With one immediate command waiting: another PDU of each kind is handled."""
        s = self.session({"ImmediateData": "No"})
        bs = self.block_bytes(s)
        s.scsi(write10(LBA, 1), bs, WRITE, immediate=True)
        s.expect(R2T)
        s.nop(b"x", immediate=True)
        s.expect(NOP_IN)
        s.request(TMF, immediate=True, flags=FINAL | 1, field20=0x5555,
                  tail=plus(s.cmd_sn, -9).to_bytes(4, "big") + bytes(4))
        s.expect(TMF_RSP)
        itt = s.scsi(inquiry(36), 36, FINAL | CMD_READ | SIMPLE, immediate=True)
        self.assertEqual(s.finish(itt).status, GOOD)

    def test_11_17_1_too_many(self):
        """Those beyond the limit are rejected; those within are done; the window is untouched."""
        s = self.session({"ImmediateData": "No"})
        bs = self.block_bytes(s)
        sn, itts = s.cmd_sn, {}
        for i in range(100):
            itts[s.scsi(write10(LBA + i, 1), bs, WRITE, immediate=True)] = i
        got = [s.next() for _ in range(100)]
        rejects = [p for p in got if p.opcode == REJECT]
        r2ts = [p for p in got if p.opcode == R2T]
        self.assertEqual(len(rejects) + len(r2ts), 100)
        self.assertTrue(rejects and r2ts)
        for p in rejects:
            self.assertEqual((p.reason, p.exp_cmd_sn), (TOO_MANY_IMMEDIATE, sn))
        for p in r2ts:
            s.data_out(p.itt, p.ttt, 0, pattern(bs, itts[p.itt]))
        for _ in r2ts:
            self.assertEqual(s.expect(SCSI_RSP).status, GOOD)
        for p in r2ts:
            i = itts[p.itt]
            self.assertEqual(self.read_blocks(s, LBA + i, 1, bs), pattern(bs, i))

    def test_4_2_2_1_number_of_an_immediate_command_is_not_taken(self):
        s = self.session()
        sn = s.cmd_sn
        for _ in range(3):
            itt = s.scsi(bytes(6), immediate=True)
            pdu = s.expect(SCSI_RSP)
            self.assertEqual((pdu.itt, pdu.exp_cmd_sn), (itt, sn))
        s.ping()


class RejectedCommands(Provoked):
    def test_7_3_number_is_free_again(self):
        """A tag that is in use: the command is rejected, its number has not been received, and comes
        again with another tag."""
        s = self.session({"ImmediateData": "No"})
        bs = self.block_bytes(s)
        data = pattern(bs, 9)
        itt = s.scsi(write10(LBA, 1), bs, WRITE)
        r2t = s.expect(R2T)
        sn = s.cmd_sn
        s.scsi(bytes(6), itt=itt)
        pdu = self.assert_rejected(s, IN_PROGRESS)
        self.assertEqual((pdu.exp_cmd_sn, pdu.max_cmd_sn), (sn, r2t.max_cmd_sn))
        s.cmd_sn = sn
        other = s.scsi(bytes(6))
        self.assertEqual(s.expect(SCSI_RSP).itt, other)
        s.data_out(itt, r2t.ttt, 0, data)
        self.assertEqual(s.finish(itt).status, GOOD)
        self.assertEqual(self.read_blocks(s, LBA, 1, bs), data)

    def test_7_3_window_does_not_shrink(self):
        """However many are rejected."""
        s = self.session({"ImmediateData": "No"})
        bs = self.block_bytes(s)
        s.ping()
        size = plus(s.max_cmd_sn, 1 - s.cmd_sn)
        itt = s.scsi(write10(LBA, 1), bs, WRITE)
        r2t = s.expect(R2T)
        for _ in range(300):
            s.scsi(bytes(6), itt=itt, cmd_sn=s.cmd_sn)
            self.assert_rejected(s, IN_PROGRESS)
            s.text(b"Oops\0", cmd_sn=s.cmd_sn)
            self.assert_rejected(s, 0x04)
        s.data_out(itt, r2t.ttt, 0, pattern(bs, 3))
        self.assertEqual(s.finish(itt).status, GOOD)
        s.ping()
        self.assertEqual(plus(s.max_cmd_sn, 1 - s.cmd_sn), size)

    def test_11_17_unknown_opcode_with_a_number(self):
        """Nobody knows whether it has one: none is taken."""
        s = self.session()
        sn = s.cmd_sn
        s.request(0x1f, cmd_sn=sn)
        self.assertEqual(self.assert_rejected(s, 0x05, 0x04).exp_cmd_sn, sn)
        s.ping()


class StatusNumbers(Provoked):
    def test_4_2_2_2_each_response_takes_one(self):
        """Those that carry status, and Rejects; not R2Ts, nor Data-In without status."""
        s = self.session({"ImmediateData": "No", "MaxRecvDataSegmentLength": "512"})
        bs = self.block_bytes(s)
        want = s.exp_stat_sn
        for _ in range(5):
            itt = s.scsi(read10(LBA, 4), 4 * bs, FINAL | CMD_READ | SIMPLE)
            while True:
                pdu = s.next()
                if pdu.flags & 1:
                    break
            self.assertEqual((pdu.itt, pdu.stat_sn), (itt, want))
            itt = s.scsi(write10(LBA, 1), bs, WRITE)
            r2t = s.expect(R2T)
            self.assertEqual(r2t.stat_sn, plus(want, 1))
            s.data_out(itt, r2t.ttt, 0, pattern(bs, 4))
            self.assertEqual(s.expect(SCSI_RSP).stat_sn, plus(want, 1))
            s.request(0x1f, immediate=True)
            self.assertEqual(s.expect(REJECT).stat_sn, plus(want, 2))
            s.text({"X-a": "1"})
            self.assertEqual(s.next().stat_sn, plus(want, 3))
            want = plus(want, 4)

    def test_4_2_2_2_exp_stat_sn_that_lags_or_lies(self):
        """At ErrorRecoveryLevel 0 nothing is kept to be sent again: it is noted, no more."""
        s = self.session()
        for exp_stat_sn in (0, 1, 0x7fffffff, 0x80000000, NO_TAG, plus(s.exp_stat_sn, 1000)):
            s.exp_stat_sn = exp_stat_sn
            s.ping()

    def test_4_2_2_2_each_connection_counts_by_itself(self):
        a, b = self.session(), self.session()
        for s in (a, b, b, a):
            want = s.exp_stat_sn
            self.assertEqual(s.ping().stat_sn, want)


class AfterTheEnd(Provoked):
    def test_11_14_what_follows_a_logout_is_not_done(self):
        """In the same bytes: commands behind the Logout Request, numbered and immediate."""
        s = self.session()
        bs = self.block_bytes(s)
        old = pattern(bs, 10)
        self.write_blocks(s, LBA, old, bs)
        pdus, real = [], s.send
        s.send = pdus.append
        out = s.logout(0)
        s.scsi(write10(LBA, 1), bs, WRITE, pattern(bs, 11))
        s.scsi(write10(LBA, 1), bs, WRITE, pattern(bs, 11), immediate=True)
        real(b"".join(pdus))
        self.assertEqual(s.next().itt, out)
        self.assertTrue(s.is_closed())
        self.assertEqual(self.read_blocks(self.witness, LBA, 1, bs), old)

    def test_7_7_what_follows_a_format_error_is_not_done(self):
        s = self.session()
        bs = self.block_bytes(s)
        old = pattern(bs, 12)
        self.write_blocks(s, LBA, old, bs)
        pdus, real = [], s.send
        s.send = pdus.append
        s.scsi(bytes(6), 0, SIMPLE)
        s.scsi(write10(LBA, 1), bs, WRITE, pattern(bs, 13))
        try:
            real(b"".join(pdus))
            while True:
                self.assertEqual(s.next().opcode, REJECT)
        except Closed:
            pass
        self.assertEqual(self.read_blocks(self.witness, LBA, 1, bs), old)


if __name__ == "__main__":
    main()
