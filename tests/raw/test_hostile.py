#!/usr/bin/python3
"""Initiators that break the rules: no byte of theirs may reach the disk, and nobody else may
notice. Data-Out 11.7, SCSI Command 11.3, framing 11.2."""

import os
import socket
import struct

from iscsi_raw import (CMD_READ, CMD_WRITE, FINAL, GOOD, IMMEDIATE, NO_TAG, NOP_IN, R2T, REJECT,
                       SCSI_RSP, SIMPLE, Closed, Quiet, pack, read10, write10)
from rawtest import RawTest, main, pattern

WRITE = FINAL | CMD_WRITE | SIMPLE
BLOCKS = 8
LBA = 700


class DataOut(RawTest):
    """Each: blocks with a known content, a write of other content answered by an R2T, one
    Data-Out that is wrong. Then the content must be the old one."""

    def setUp(self):
        super().setUp()
        s = self.session()
        self.bs = self.block_bytes(s)
        self.old, self.new_data = pattern(BLOCKS * self.bs, 11), pattern(BLOCKS * self.bs, 12)
        self.write_blocks(s, LBA, self.old, self.bs)
        s.logout()
        s.expect(0x26)

    def begin(self, **offer):
        s = self.session(dict({"ImmediateData": "No", "MaxBurstLength": "2048"}, **offer))
        itt = s.scsi(write10(LBA, BLOCKS), BLOCKS * self.bs, WRITE)
        return s, itt, s.expect(R2T)

    def unchanged(self, first=0):
        s = self.session()
        got = self.read_blocks(s, LBA, BLOCKS, self.bs)
        self.assertEqual(got[first:], self.old[first:], "data that nobody asked for was written")

    def wrong(self, what, make, **offer):
        s, itt, r2t = self.begin(**offer)
        make(s, itt, r2t)
        self.assert_broken(s, what)
        s.close()
        self.unchanged()

    def test_11_7_5_unknown_tag(self):
        self.wrong("a TTT never given", lambda s, itt, r: s.data_out(
            itt, r.ttt ^ 0x5a5a, 0, self.new_data[:r.length]))

    def test_11_7_5_unsolicited_after_the_command_ended_it(self):
        self.wrong("unsolicited data after F", lambda s, itt, r: s.data_out(
            itt, NO_TAG, 0, self.new_data[:r.length]))

    def test_11_7_unknown_task(self):
        """The right TTT with an ITT that is none. It may be dropped in silence, as late data of
        an aborted task is; it must not be taken for the task's."""
        s, itt, r = self.begin()
        s.data_out(itt ^ 0x7777, r.ttt, 0, self.new_data[:r.length])
        try:
            while True:
                self.assertEqual(s.next(0.5).opcode, REJECT)
        except (Closed, Quiet):
            pass
        s.close()
        self.unchanged()

    def test_11_7_6_offset_before_the_burst(self):
        def second(s, itt, r):
            s.burst(itt, r.ttt, self.new_data, r.offset, r.length)
            r2 = s.expect(R2T)
            s.data_out(itt, r2.ttt, 0, self.new_data[:r2.length])
        self.wrong("an offset before the R2T's", second)

    def test_11_7_6_offset_behind_the_burst(self):
        self.wrong("an offset behind the R2T's range", lambda s, itt, r: s.data_out(
            itt, r.ttt, r.offset + r.length, self.new_data[:512]))

    def test_11_7_6_offset_that_wraps(self):
        for offset in (0xfffffe00, 0xffffffff, 0x80000000):
            self.wrong("offset %x" % offset, lambda s, itt, r: s.data_out(
                itt, r.ttt, offset, self.new_data[:1024]))

    def test_11_7_6_gap_in_the_burst(self):
        """DataPDUInOrder=Yes: 512 bytes left out."""
        def gap(s, itt, r):
            s.data_out(itt, r.ttt, 0, self.new_data[:512], 0, final=False)
            s.data_out(itt, r.ttt, 1024, self.new_data[1024:2048], 1)
        self.wrong("a gap", gap)

    def test_11_7_6_same_bytes_twice(self):
        def twice(s, itt, r):
            s.data_out(itt, r.ttt, 0, self.new_data[:512], 0, final=False)
            s.data_out(itt, r.ttt, 0, self.new_data[:512], 1, final=False)
        self.wrong("an overlap", twice)

    def test_11_8_more_than_asked_for(self):
        self.wrong("more than the R2T's length", lambda s, itt, r: s.data_out(
            itt, r.ttt, 0, self.new_data[:r.length + 512]))

    def test_11_8_more_in_a_second_pdu(self):
        def more(s, itt, r):
            s.data_out(itt, r.ttt, 0, self.new_data[:r.length - 512], 0, final=False)
            s.data_out(itt, r.ttt, r.length - 512, self.new_data[r.length - 512:r.length + 512], 1)
        self.wrong("more than the R2T's length", more)

    def test_11_7_1_final_too_early(self):
        self.wrong("F before the end of the burst", lambda s, itt, r: s.data_out(
            itt, r.ttt, 0, self.new_data[:512]))

    def test_11_7_1_final_missing(self):
        """All the bytes without F, then one byte more."""
        def endless(s, itt, r):
            s.data_out(itt, r.ttt, 0, self.new_data[:r.length], 0, final=False)
            s.data_out(itt, r.ttt, r.length, self.new_data[r.length:r.length + 4], 1, final=False)
        self.wrong("no F", endless)

    def test_11_7_4_data_sn(self):
        def skips(s, itt, r):
            s.data_out(itt, r.ttt, 0, self.new_data[:512], 0, final=False)
            s.data_out(itt, r.ttt, 512, self.new_data[512:r.length], 2)
        self.wrong("a DataSN left out", skips)

    def test_11_7_4_data_sn_does_not_begin_at_0(self):
        self.wrong("DataSN 7", lambda s, itt, r: s.data_out(
            itt, r.ttt, 0, self.new_data[:r.length], 7))

    def test_11_7_data_out_for_nobody(self):
        s = self.session()
        s.data_out(0x4242, 0x1717, 0, self.new_data[:512])
        try:
            while True:
                self.assertNotEqual(s.next(1.0).opcode, SCSI_RSP)
        except (Closed, Quiet):
            pass
        self.unchanged()

    def test_11_7_burst_of_a_finished_write(self):
        s, itt, r = self.begin(MaxBurstLength="262144")
        s.burst(itt, r.ttt, self.old, 0, r.length)
        self.assertEqual(s.expect(SCSI_RSP).status, GOOD)
        s.data_out(itt, r.ttt, 0, self.new_data[:512])
        try:
            while True:
                self.assertNotEqual(s.next(0.5).opcode, SCSI_RSP)
        except (Closed, Quiet):
            pass
        s.close()
        self.unchanged()

    def command_wrong(self, what, offer, make):
        s = self.session(offer)
        make(s)
        self.assert_broken(s, what)
        s.close()
        self.unchanged()

    def test_13_11_immediate_data_though_refused(self):
        self.command_wrong("immediate data", {"ImmediateData": "No"}, lambda s: s.scsi(
            write10(LBA, 1), self.bs, WRITE, self.new_data[:self.bs]))

    def test_13_10_unsolicited_data_though_refused(self):
        def make(s):
            itt = s.scsi(write10(LBA, 1), self.bs, CMD_WRITE | SIMPLE)
            s.data_out(itt, NO_TAG, 0, self.new_data[:self.bs])
        self.command_wrong("unsolicited data", {"InitialR2T": "Yes"}, make)

    def test_13_14_immediate_data_beyond_first_burst(self):
        self.command_wrong("more than FirstBurstLength", {"FirstBurstLength": "512"},
                           lambda s: s.scsi(write10(LBA, BLOCKS), BLOCKS * self.bs, WRITE,
                                            self.new_data[:1024]))

    def test_13_14_unsolicited_data_beyond_first_burst(self):
        def make(s):
            itt = s.scsi(write10(LBA, BLOCKS), BLOCKS * self.bs, CMD_WRITE | SIMPLE)
            s.burst(itt, NO_TAG, self.new_data, 0, 2048, 512)
        self.command_wrong("more than FirstBurstLength",
                           {"InitialR2T": "No", "FirstBurstLength": "1024"}, make)

    def test_11_3_4_immediate_data_beyond_expected(self):
        self.command_wrong("more than the expected length", {}, lambda s: s.scsi(
            write10(LBA, 1), 256, WRITE, self.new_data[:self.bs]))

    def test_11_3_immediate_data_of_a_read(self):
        s = self.session()
        s.scsi(read10(LBA, 1), self.bs, FINAL | CMD_READ | SIMPLE, b"x" * 64)
        try:
            s.next(1.0)
        except (Closed, Quiet):
            pass
        s.close()
        self.unchanged()

    def test_connection_lost_amid_a_burst(self):
        for how in ("close", "reset"):
            s, itt, r = self.begin()
            s.data_out(itt, r.ttt, 0, self.new_data[:512], 0, final=False)
            getattr(s, how)()
            self.unchanged()

    def test_connection_lost_amid_a_data_segment(self):
        s, itt, r = self.begin()
        raw = pack(0x05, FINAL, itt=itt, rest=struct.pack(">IIIIII", r.ttt, 0, 0, 0, 0, 0),
                   data=self.new_data[:r.length])
        s.send(raw[:len(raw) // 2])
        s.reset()
        self.unchanged()


class Framing(RawTest):
    def test_13_12_data_segment_too_long(self):
        """Longer than the target declared: the connection ends, others do not notice."""
        witness = self.session()
        for extra in (1, 4, 1 << 20):
            s = self.session()
            n = min(s.target_max_data + extra, (1 << 24) - 1)
            s.send(pack(IMMEDIATE, FINAL, itt=1, rest=struct.pack(">III", NO_TAG, s.cmd_sn, 0),
                        data_len=n))
            self.assertTrue(s.is_closed())
            witness.ping()

    def test_11_2_data_segment_as_long_as_declared(self):
        s = self.session()
        data = pattern(s.target_max_data, 1)
        s.nop(data)
        self.assertEqual(s.expect(NOP_IN).data, data[:262144])

    def test_11_2_2_additional_headers(self):
        """AHS of a type that nobody knows, and an extended CDB: answered, not misframed."""
        s = self.session()
        for ahs in (struct.pack(">HBB", 1, 0x3f, 0), struct.pack(">HBx", 17, 1) + bytes(16),
                    bytes(255 * 4), b"\xff" * 12):
            s.scsi(bytes(6), ahs=ahs)
            try:
                self.assertIn(s.next().opcode, (SCSI_RSP, 0x3f))
                s.ping()
            except Closed:
                s = self.session()
        self.assert_alive()

    def test_garbage(self):
        witness = self.session()
        for raw in (os.urandom(4096), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4, bytes(48),
                    b"\xff" * 48, b"\x43" * 480, bytes(100000)):
            c = self.conn()
            try:
                c.send(raw)
                c.sock.shutdown(socket.SHUT_WR)
                self.assertTrue(c.is_closed())
            except (Closed, OSError):
                pass
            witness.ping()

    def test_half_a_header(self):
        witness = self.session()
        for n in (0, 1, 47):
            c = self.conn()
            c.send(bytes([0x43]) * n)
            c.close()
            witness.ping()

    def test_header_without_its_data(self):
        """A promise of 8 kB that never comes holds up nobody."""
        witness = self.session()
        for _ in range(20):
            self.conn().send(pack(0x43, 0x87, data_len=8000))
        for _ in range(10):
            witness.ping()

    def test_many_connections_that_say_nothing(self):
        witness = self.session()
        conns = [self.conn() for _ in range(100)]
        witness.ping()
        self.assert_alive()
        for c in conns:
            c.reset()
        witness.ping()

    def test_byte_by_byte(self):
        s = self.session()
        bs = self.block_bytes(s)
        data = pattern(bs, 33)
        real, s.send = s.send, lambda raw: [real(raw[i:i + 1]) for i in range(len(raw))]
        self.write_blocks(s, 5, data, bs)
        self.assertEqual(self.read_blocks(s, 5, 1, bs), data)

    def test_many_pdus_in_one_segment(self):
        s = self.session()
        out = b""
        real, s.send = s.send, lambda raw: None
        pdus = []
        s.send = pdus.append
        itts = [s.nop(b"%d" % i) for i in range(100)]
        out = b"".join(pdus)
        real(out)
        self.assertEqual([s.expect(NOP_IN).itt for _ in range(100)], itts)

    def test_initiator_that_does_not_read(self):
        """Reads whose data nobody takes; a witness is served all the same."""
        witness = self.session()
        s = self.session()
        bs = self.block_bytes(s)
        try:
            for _ in range(64):
                s.scsi(read10(0, 2048), 2048 * bs, FINAL | CMD_READ | SIMPLE)
        except (Closed, OSError):
            pass
        for _ in range(20):
            witness.ping()
        s.reset()
        witness.ping()


if __name__ == "__main__":
    main()
