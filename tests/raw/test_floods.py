#!/usr/bin/python3
"""Initiators that keep the target busy with little effort of their own."""

import struct
import time

from iscsi_raw import (CMD_WRITE, DATA_OUT, FINAL, IMMEDIATE, NO_TAG, NOP_IN, NOP_OUT, SCSI_CMD,
                       SIMPLE, TMF, TMF_RSP, Closed, pack, write10)
from rawtest import RawTest, main

LBA = 900
SLOW = 1.0  # seconds that nobody else may be kept waiting


class Floods(RawTest):
    def others_wait(self, attack):
        """@attack sends by a session of its own; others, on every reactor, ping meanwhile. Returns
        the longest that one of them waited."""
        others = [self.session() for _ in range(4)]
        s = self.session({"InitialR2T": "No"})
        worst = 0.0

        def ping():
            nonlocal worst
            for t in others:
                began = time.monotonic()
                t.nop(b"x")
                self.assertEqual(t.next(60).opcode, NOP_IN)
                worst = max(worst, time.monotonic() - began)

        ping()
        try:
            for raw in attack(s):
                s.send(raw)
                ping()
        except (Closed, OSError):
            pass
        until = time.monotonic() + 1
        while time.monotonic() < until:
            ping()
        return worst

    def test_4_2_2_1_same_number_ahead_of_a_gap_again_and_again(self):
        def attack(s):
            nop = pack(NOP_OUT, FINAL, itt=NO_TAG,
                       rest=struct.pack(">III", NO_TAG, s.cmd_sn + 1, s.exp_stat_sn))
            sign = pack(NOP_OUT | IMMEDIATE, FINAL, itt=NO_TAG,
                        rest=struct.pack(">III", NO_TAG, s.cmd_sn, s.exp_stat_sn))
            yield nop * 50000
            for _ in range(20):
                yield sign * 170
        self.assertLess(self.others_wait(attack), SLOW)

    def test_11_7_data_outs_behind_a_command_ahead_of_a_gap(self):
        def attack(s):
            itt, sn = s.new_itt(), s.cmd_sn
            cmd = pack(SCSI_CMD, CMD_WRITE | SIMPLE, itt=itt,
                       rest=struct.pack(">III", 4096, sn + 1, s.exp_stat_sn) +
                       write10(LBA, 8).ljust(16, b"\0"))
            out = b"".join(pack(DATA_OUT, 0, itt=itt, rest=struct.pack(
                ">IIIIII", NO_TAG, 0, s.exp_stat_sn, 0, n, 0)) for n in range(50000))
            gap = pack(NOP_OUT, FINAL, itt=5,
                       rest=struct.pack(">III", NO_TAG, sn, s.exp_stat_sn))
            yield cmd + out
            yield gap
        self.assertLess(self.others_wait(attack), SLOW)

    def test_11_6_1_aborts_of_one_number_that_never_comes(self):
        def attack(s):
            tmf = pack(TMF | IMMEDIATE, FINAL | 1, itt=7, rest=struct.pack(
                ">IIII", 0x777, s.cmd_sn + 2, s.exp_stat_sn, s.cmd_sn + 1))
            for _ in range(60):
                yield tmf * 170
                s.sock.setblocking(False)
                try:
                    while s.sock.recv(1 << 20):
                        pass
                except BlockingIOError:
                    pass
                s.sock.setblocking(True)
        self.assertLess(self.others_wait(attack), SLOW)

    def cost(self, s, what):
        """The least that 2000 requests to abort what is long over have taken."""
        tmf = pack(TMF | IMMEDIATE, FINAL | 1, itt=7, rest=struct.pack(
            ">IIII", 0x777777, s.cmd_sn, s.exp_stat_sn, s.cmd_sn - 1000 & NO_TAG))
        least = SLOW * 100
        for _ in range(3):
            began = time.monotonic()
            for _ in range(20):
                s.send(tmf * 100)
                for _ in range(100):
                    self.assertEqual(s.next(60).opcode, TMF_RSP, what)
            least = min(least, time.monotonic() - began)
        return least

    def test_11_5_1_requests_beside_much_that_waits_for_a_gap(self):
        """None of them lets its turn come: not much more than without."""
        s = self.session({"InitialR2T": "No"})
        alone = self.cost(s, "alone")
        itt = 0
        for n in range(1, 120):
            itt = s.scsi(write10(LBA, 8), 4096, CMD_WRITE | SIMPLE, cmd_sn=s.cmd_sn + n & NO_TAG)
        for n in range(380):
            s.data_out(itt, NO_TAG, 0, b"", n, final=False)
        self.assertLess(self.cost(s, "beside"), 15 * alone)


if __name__ == "__main__":
    main()
