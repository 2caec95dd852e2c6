#!/usr/bin/python3
"""Moving data: Data-In (11.7), R2T (11.8), the negotiated limits (13.10 to 13.17), residuals
(11.4.5). All that is written is read back and compared."""

from iscsi_raw import (CMD_READ, CMD_WRITE, DATA_IN, FINAL, GOOD, NO_TAG, R2T, SCSI_RSP, SIMPLE,
                       Quiet, inquiry, read10, write10)
from rawtest import RawTest, main, pattern


class WriteMatrix(RawTest):
    """InitialR2T x ImmediateData x FirstBurstLength x MaxBurstLength, each with many lengths
    and with more or less unsolicited data than allowed."""

    def check_r2ts(self, s, r, total):
        at = r.unsolicited
        for i, r2t in enumerate(r.r2ts):
            self.assertEqual(r2t.offset, at, "R2T offset")
            self.assertEqual(r2t.r2t_sn, i, "R2TSN")
            self.assertNotEqual(r2t.ttt, NO_TAG)
            self.assertTrue(r2t.final)
            self.assertEqual(r2t.data, b"")
            self.assertGreater(r2t.length, 0)
            self.assertLessEqual(r2t.length, s.num("MaxBurstLength"))
            at += r2t.length
        self.assertEqual(at, total)

    def one(self, s, bs, blocks, seed, **kw):
        data = pattern(blocks * bs, seed)
        lba = 100 + seed % 50
        r = s.write(write10(lba, blocks), data, **kw)
        self.assertEqual(r.status, GOOD, r.sense)
        self.assertEqual((r.residual, r.overflow, r.underflow), (0, False, False))
        self.check_r2ts(s, r, len(data))
        self.assertEqual(self.read_blocks(s, lba, blocks, bs), data)

    def lengths(self, s, bs):
        first, most = s.num("FirstBurstLength") or 512, s.num("MaxBurstLength")
        out = {1, 2, 3, 9}
        for n in (first, most, 2 * most, first + most, 3 * most):
            out |= {n // bs - 1, n // bs, n // bs + 1}
        return sorted(n for n in out if 0 < n <= (1 << 20) // bs)

    def matrix(self, r2t, immediate):
        seed = 0
        for first in (512, 4096, 65536):
            for most in (512, 8192, 262144):
                s = self.session({"InitialR2T": r2t, "ImmediateData": immediate,
                                  "FirstBurstLength": str(first), "MaxBurstLength": str(most)})
                self.assertLessEqual(s.num("FirstBurstLength"), min(first, most))
                self.assertEqual(s.num("MaxBurstLength"), most)
                self.assertEqual(s.yes("InitialR2T"), r2t == "Yes")
                self.assertEqual(s.yes("ImmediateData"), immediate == "Yes")
                bs = self.block_bytes(s)
                for blocks in self.lengths(s, bs):
                    if blocks * bs > 40 * most:
                        continue
                    for kw in ({}, {"immediate_data": 0, "unsolicited": 0},
                               {"immediate_data": 0}, {"immediate_data": 300, "piece": 1000},
                               {"unsolicited": 700, "piece": 508}):
                        seed += 1
                        with self.subTest(first=first, most=most, blocks=blocks, kw=kw):
                            self.one(s, bs, blocks, seed, **kw)
                s.logout()
                s.expect(0x26)

    def test_13_10_r2t_yes_immediate_yes(self):
        self.matrix("Yes", "Yes")

    def test_13_10_r2t_yes_immediate_no(self):
        self.matrix("Yes", "No")

    def test_13_10_r2t_no_immediate_yes(self):
        self.matrix("No", "Yes")

    def test_13_10_r2t_no_immediate_no(self):
        self.matrix("No", "No")


class Outstanding(RawTest):
    def collect(self, s):
        got = []
        try:
            while True:
                got.append(s.expect(R2T, 0.5))
        except Quiet:
            return got

    def with_limit(self, limit, blocks):
        s = self.session({"MaxOutstandingR2T": str(limit), "MaxBurstLength": "4096",
                          "ImmediateData": "No"})
        agreed = s.num("MaxOutstandingR2T")
        self.assertLessEqual(agreed, limit)
        bs = self.block_bytes(s)
        data = pattern(blocks * bs, limit)
        itt = s.scsi(write10(200, blocks), len(data), FINAL | CMD_WRITE | SIMPLE)
        r2ts = self.collect(s)
        want = min(agreed, -(-len(data) // 4096))
        self.assertLessEqual(len(r2ts), agreed)
        self.assertEqual(len(r2ts), want, "as many as allowed, at once")
        at = sn = 0
        while r2ts:
            for r in r2ts:  # 13.19: bursts in order
                self.assertEqual((r.offset, r.r2t_sn), (at, sn))
                s.burst(itt, r.ttt, data, r.offset, r.length, 1024)
                at, sn = at + r.length, sn + 1
            r2ts = []
            while at < len(data) and not r2ts:
                r2ts.append(s.expect(R2T))
        rsp = s.expect(SCSI_RSP)
        self.assertEqual((rsp.itt, rsp.status), (itt, GOOD))
        self.assertEqual(self.read_blocks(s, 200, blocks, bs), data)
        return agreed

    def test_13_17_one(self):
        self.with_limit(1, 64)

    def test_13_17_eight(self):
        self.assertGreater(self.with_limit(8, 128), 1, "several outstanding R2Ts")

    def test_13_17_three_for_two_bursts(self):
        self.with_limit(3, 16)

    def test_11_8_different_tags(self):
        s = self.session({"MaxOutstandingR2T": "8", "MaxBurstLength": "4096",
                          "ImmediateData": "No"})
        bs = self.block_bytes(s)
        for lba in (0, 100):
            s.scsi(write10(lba, 64), 64 * bs, FINAL | CMD_WRITE | SIMPLE)
        tags = [r.ttt for r in self.collect(s)]
        self.assertEqual(len(set(tags)), len(tags))

    def test_11_7_writes_interleaved(self):
        """Four writes at once; their bursts answered round robin."""
        s = self.session({"MaxBurstLength": "4096", "ImmediateData": "No"})
        bs = self.block_bytes(s)
        datas, done = {}, set()
        for i in range(4):
            data = pattern(32 * bs, 50 + i)
            datas[s.scsi(write10(300 + 32 * i, 32), len(data), FINAL | CMD_WRITE | SIMPLE)] = data
        while len(done) < 4:
            pdu = s.next()
            if pdu.opcode == R2T:
                s.burst(pdu.itt, pdu.ttt, datas[pdu.itt], pdu.offset, pdu.length, 1000)
            else:
                self.assertEqual((pdu.opcode, pdu.status), (SCSI_RSP, GOOD))
                done.add(pdu.itt)
        for i, data in enumerate(datas.values()):
            self.assertEqual(self.read_blocks(s, 300 + 32 * i, 32, bs), data)


class DataIn(RawTest):
    def check(self, s, r, total, segment, burst):
        at, in_burst = 0, 0
        for i, p in enumerate(r.data_ins):
            last = i == len(r.data_ins) - 1
            self.assertEqual((p.data_sn, p.offset), (i, at))
            self.assertLessEqual(len(p.data), segment)
            self.assertGreater(len(p.data), 0)
            at += len(p.data)
            in_burst += len(p.data)
            self.assertLessEqual(in_burst, burst, "11.7.1: F ends a burst")
            if p.final:
                in_burst = 0
            self.assertFalse(p.flags & 0x40, "A is for ErrorRecoveryLevel > 0")
            self.assertEqual(p.ttt, NO_TAG)
            if not last:
                self.assertFalse(p.flags & 1, "status before the end")
                self.assertEqual(len(p.data) % 4, 0, "11.7.7: only the last may be odd")
        self.assertTrue(r.data_ins[-1].final)
        self.assertEqual(at, total)

    def segments(self, segment, burst):
        s = self.session({"MaxRecvDataSegmentLength": str(segment),
                          "MaxBurstLength": str(burst)})
        bs = self.block_bytes(s)
        data = pattern(128 * bs, segment)
        self.write_blocks(s, 400, data, bs)
        for blocks in (1, 2, 7, 16, 17, 128):
            r = s.read(read10(400, blocks), blocks * bs)
            self.assertEqual((r.status, r.data), (GOOD, data[:blocks * bs]))
            self.check(s, r, blocks * bs, segment, s.num("MaxBurstLength"))
            self.assertEqual(r.residual, 0)

    def test_11_7_segments_and_bursts(self):
        for segment in (512, 1000, 4096, 8192, 262144):
            for burst in (512, 4096, 65536, 262144):
                with self.subTest(segment=segment, burst=burst):
                    self.segments(segment, burst)

    def test_11_7_3_good_status_in_the_last_data(self):
        """Status collapse is our choice (design): one PDU less for each read."""
        s = self.session()
        bs = self.block_bytes(s)
        r = s.read(read10(0, 4), 4 * bs)
        self.assertEqual(r.response.opcode, DATA_IN)
        self.assertTrue(r.response.final)
        self.assertEqual(r.status, GOOD)

    def test_11_4_8_exp_data_sn(self):
        """Where the status comes by itself it counts the Data-In PDUs (or R2Ts)."""
        s = self.session({"MaxBurstLength": "4096", "ImmediateData": "No"})
        bs = self.block_bytes(s)
        r = s.write(write10(0, 32), pattern(32 * bs, 1))
        self.assertEqual(r.response.exp_data_sn, len(r.r2ts))

    def test_odd_lengths(self):
        s = self.session()
        for alloc in (1, 2, 3, 5, 36, 37, 95):
            r = s.read(inquiry(alloc), alloc)
            self.assertEqual((r.status, len(r.data)), (GOOD, alloc))

    def test_reads_at_once(self):
        """A window of reads; every answer complete and to its own tag."""
        s = self.session({"MaxRecvDataSegmentLength": "4096"})
        bs = self.block_bytes(s)
        data = pattern(64 * bs, 9)
        self.write_blocks(s, 500, data, bs)
        got = {}
        for i in range(60):
            got[s.scsi(read10(500 + i, 4), 4 * bs, FINAL | CMD_READ | SIMPLE)] = [i, b""]
        left = len(got)
        while left:
            p = s.next()
            self.assertEqual(p.opcode, DATA_IN)
            self.assertEqual(p.offset, len(got[p.itt][1]))
            got[p.itt][1] += p.data
            left -= p.flags & 1
        for i, d in got.values():
            self.assertEqual(d, data[i * bs:(i + 4) * bs])


class Residuals(RawTest):
    """11.4.5: what the initiator expected against what the command moves."""

    def setUp(self):
        super().setUp()
        self.s = self.session()
        self.bs = self.block_bytes(self.s)
        self.data = pattern(8 * self.bs, 77)
        self.write_blocks(self.s, 600, self.data, self.bs)

    def expect(self, r, over=0, under=0, status=GOOD):
        self.assertEqual(r.status, status, r.sense)
        self.assertEqual((r.overflow, r.underflow, r.residual),
                         (over > 0, under > 0, over or under))

    def test_11_4_5_read_exact(self):
        self.expect(self.s.read(read10(600, 2), 2 * self.bs))

    def test_11_4_5_read_expects_more(self):
        r = self.s.read(read10(600, 2), 5 * self.bs)
        self.expect(r, under=3 * self.bs)
        self.assertEqual(r.data, self.data[:2 * self.bs])

    def test_11_4_5_read_expects_less(self):
        r = self.s.read(read10(600, 5), 2 * self.bs)
        self.expect(r, over=3 * self.bs)
        self.assertEqual(r.data, self.data[:2 * self.bs])

    def test_11_4_5_read_expects_part_of_a_block(self):
        r = self.s.read(read10(600, 1), 100)
        self.expect(r, over=self.bs - 100)
        self.assertEqual(r.data, self.data[:100])

    def test_11_4_5_read_expects_nothing(self):
        for flags in (FINAL | CMD_READ | SIMPLE, FINAL | SIMPLE):
            r = self.s.finish(self.s.scsi(read10(600, 2), 0, flags))
            self.expect(r, over=2 * self.bs)
            self.assertEqual(r.data, b"")

    def test_11_4_5_inquiry_gives_less_than_asked(self):
        r = self.s.read(inquiry(36), 255)
        self.expect(r, under=219)
        r = self.s.read(inquiry(255), 255)
        self.assertEqual(r.underflow, len(r.data) < 255)
        self.assertEqual(r.residual, 255 - len(r.data))

    def test_11_4_5_no_data_where_some_was_expected(self):
        r = self.s.read(bytes(6), 512)
        self.expect(r, under=512)

    def test_11_4_5_error_counts_as_nothing_moved(self):
        r = self.s.read(read10(0xfffffff0, 1), self.bs)
        self.assertEqual((r.status, r.key(), r.asc()), (2, 5, (0x21, 0)))
        self.assertEqual((r.underflow, r.residual, r.data), (True, self.bs, b""))

    def written(self, lba, blocks, edtl, payload, over=0, under=0):
        """Writes; what was sent and asked for must be on the disk, the block behind not."""
        before = self.read_blocks(self.s, lba, 8, self.bs)
        r = self.s.write(write10(lba, blocks), payload, edtl=edtl)
        self.expect(r, over, under)
        n = min(blocks * self.bs, edtl)
        after = self.read_blocks(self.s, lba, 8, self.bs)
        self.assertEqual(after[:n], payload[:n])
        behind = -(-n // self.bs) * self.bs
        self.assertEqual(after[behind:], before[behind:])

    def test_11_4_5_write_exact(self):
        self.written(600, 2, 2 * self.bs, pattern(2 * self.bs, 1))

    def test_11_4_5_write_sends_more(self):
        self.written(600, 2, 4 * self.bs, pattern(4 * self.bs, 2), under=2 * self.bs)

    def test_11_4_5_write_sends_less(self):
        self.written(600, 4, 2 * self.bs, pattern(2 * self.bs, 3), over=2 * self.bs)

    def test_11_4_5_write_sends_nothing(self):
        before = self.read_blocks(self.s, 600, 2, self.bs)
        for flags in (FINAL | CMD_WRITE | SIMPLE, FINAL | SIMPLE):
            r = self.s.finish(self.s.scsi(write10(600, 2), 0, flags))
            self.expect(r, over=2 * self.bs)
        self.assertEqual(self.read_blocks(self.s, 600, 2, self.bs), before)

    def test_11_3_read_called_a_write(self):
        """The wrong direction bit: some answer, and no harm."""
        before = self.read_blocks(self.s, 600, 2, self.bs)
        self.s.write(read10(600, 1), pattern(self.bs, 4))
        self.assertEqual(self.read_blocks(self.s, 600, 2, self.bs), before)

    def test_11_3_write_called_a_read(self):
        before = self.read_blocks(self.s, 600, 2, self.bs)
        r = self.s.read(write10(600, 1), self.bs)
        self.assertEqual(r.data, b"")
        self.assertEqual(self.read_blocks(self.s, 600, 2, self.bs), before)

    def test_11_3_no_data_command_called_a_write(self):
        r = self.s.write(bytes(6), pattern(512, 5))
        self.expect(r, under=512)
        self.s.ping()


if __name__ == "__main__":
    main()
