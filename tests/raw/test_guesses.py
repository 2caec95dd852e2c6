#!/usr/bin/python3
"""Initiators that say things before their time."""

import struct

from iscsi_raw import (CMD_WRITE, DATA_OUT, FINAL, FULL_FEATURE, OPERATIONAL, SCSI_CMD, SECURITY,
                       SIMPLE, Closed, Quiet, pack, write10)
from rawtest import Options, RawTest, main, pattern

WRITE = FINAL | CMD_WRITE | SIMPLE
LBA = 900


class Guesses(RawTest):
    def test_11_8_data_for_an_r2t_that_was_not_sent_yet(self):
        """Command and Data-Out in one segment, with a tag that is still to be told."""
        for guess in range(1, 6):
            s = self.session({"ImmediateData": "No"})
            bs = self.block_bytes(s)
            itt, sn = s.new_itt(), s.take_cmd_sn(False)
            data = pattern(bs, 31)
            cmd = pack(SCSI_CMD, WRITE, itt=itt, rest=struct.pack(
                ">III", bs, sn, s.exp_stat_sn) + write10(LBA, 1).ljust(16, b"\0"))
            out = pack(DATA_OUT, FINAL, itt=itt,
                       rest=struct.pack(">IIIIII", guess, 0, s.exp_stat_sn, 0, 0, 0), data=data)
            s.send(cmd + out)
            try:
                while s.next(0.3):
                    pass
            except (Closed, Quiet):
                pass
            s.close()
            self.session().ping()


class Login(RawTest):
    def test_6_3_5_many_discovery_sessions_of_one_port(self):
        isid = b"\x00\x02\x3d\x00\x00\x00"
        for _ in range(20):
            self.discovery(isid=isid)

    def test_13_21_session_type_after_the_first_pdu(self):
        """SessionType is part of the first Login Request, or the session is a normal one."""
        old = self.session(isid=b"\x80abcde")
        s = self.new(isid=b"\x80abcde")
        rsp = s.login_step({"InitiatorName": s.initiator, "TargetName": Options.target,
                            "AuthMethod": "None"}, SECURITY, OPERATIONAL)
        self.assertEqual(rsp.login_status, 0)
        rsp = s.login_step({"SessionType": "Discovery"}, OPERATIONAL, FULL_FEATURE)
        if rsp.login_status == 0:
            self.assertTrue(old.is_closed(1.0), "two sessions of one nexus")


if __name__ == "__main__":
    main()
