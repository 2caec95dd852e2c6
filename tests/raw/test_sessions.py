#!/usr/bin/python3
"""Task management (11.5, 11.6), reinstatement (6.3.5), and who may be on a target."""

from iscsi_raw import (CHECK_CONDITION, CMD_WRITE, FINAL, GOOD, NO_TAG, NOP_IN, R2T, REJECT,
                       SCSI_RSP, SIMPLE, Closed, Quiet, write10)
from rawtest import HELD, OTHER, Options, RawTest, main, pattern

ABORT_TASK, ABORT_TASK_SET, CLEAR_ACA, CLEAR_TASK_SET, LU_RESET, WARM, COLD, REASSIGN = range(1, 9)
COMPLETE, NO_TASK, NO_LUN, ALLEGIANT, NO_REASSIGN, NOT_SUPPORTED = range(6)
REJECTED = 255
WRITE = FINAL | CMD_WRITE | SIMPLE
LBA = 800


class TaskManagement(RawTest):
    def setUp(self):
        super().setUp()
        self.s = self.session({"ImmediateData": "No"})
        self.bs = self.block_bytes(self.s)
        self.old = pattern(4 * self.bs, 21)
        self.write_blocks(self.s, LBA, self.old, self.bs)

    def pending_write(self):
        """A write whose data has been asked for and does not come."""
        sn = self.s.cmd_sn
        itt = self.s.scsi(write10(LBA, 4), 4 * self.bs, WRITE)
        return itt, sn, self.s.expect(R2T)

    def ended(self, itt, r2t):
        """The task is gone: no status, its data goes nowhere, the session may go on."""
        self.assertTrue(self.s.quiet(), "a status of an aborted task")
        try:
            self.s.data_out(itt, r2t.ttt, 0, pattern(4 * self.bs, 22))
            while True:
                self.assertEqual(self.s.next(0.3).opcode, REJECT)
        except (Closed, Quiet):
            pass
        t = self.session()
        self.assertEqual(self.read_blocks(t, LBA, 4, self.bs), self.old)

    def test_11_5_1_abort_task(self):
        itt, sn, r2t = self.pending_write()
        self.assertEqual(self.s.tmf(ABORT_TASK, itt, sn), COMPLETE)
        self.ended(itt, r2t)

    def test_11_5_1_abort_task_with_a_number(self):
        itt, sn, r2t = self.pending_write()
        self.assertEqual(self.s.tmf(ABORT_TASK, itt, sn, immediate=False), COMPLETE)
        self.s.ping()
        self.ended(itt, r2t)

    def test_11_6_1_abort_unknown_task(self):
        """Its CmdSN is behind the window: no such task."""
        self.assertEqual(self.s.tmf(ABORT_TASK, 0x55555, self.s.cmd_sn - 3), NO_TASK)
        self.s.ping()

    def test_11_6_1_abort_a_finished_task(self):
        sn = self.s.cmd_sn
        itt = self.s.scsi(bytes(6))
        self.assertEqual(self.s.expect(SCSI_RSP).status, GOOD)
        self.assertEqual(self.s.tmf(ABORT_TASK, itt, sn), NO_TASK)

    def test_11_6_1_abort_a_task_that_waits_for_its_turn(self):
        """A command behind a gap in CmdSN: aborted, it must not run later."""
        sn = self.s.cmd_sn
        itt = self.s.scsi(bytes(6), cmd_sn=sn + 1)
        self.s.cmd_sn = sn + 2
        self.assertEqual(self.s.tmf(ABORT_TASK, itt, sn + 1), COMPLETE)
        gap = self.s.nop(b"gap", cmd_sn=sn)
        self.assertEqual(self.s.next().itt, gap)
        self.assertTrue(self.s.quiet(), "an aborted command was executed")
        self.s.ping()

    def test_11_6_1_abort_a_task_that_is_still_to_come(self):
        """RefCmdSN is in the window and below the request's CmdSN, the command is not here:
        the target takes that CmdSN as received (11.6.1 b); what comes late is dropped."""
        sn = self.s.cmd_sn
        itt = self.s.new_itt()
        self.s.cmd_sn = sn + 1
        self.assertEqual(self.s.tmf(ABORT_TASK, itt, sn), COMPLETE)
        self.s.scsi(bytes(6), cmd_sn=sn, itt=itt)
        self.assertTrue(self.s.quiet(), "an aborted command was executed")
        self.s.ping()

    def test_11_5_1_abort_on_an_unknown_lun(self):
        itt, sn, r2t = self.pending_write()
        self.assertIn(self.s.tmf(ABORT_TASK, itt, sn, lun=99), (NO_TASK, NO_LUN))
        self.s.burst(itt, r2t.ttt, self.old, 0, r2t.length)
        self.assertEqual(self.s.finish(itt, self.old).status, GOOD)

    def test_11_5_1_abort_task_set(self):
        itt, _, r2t = self.pending_write()
        self.assertEqual(self.s.tmf(ABORT_TASK_SET), COMPLETE)
        self.ended(itt, r2t)

    def test_11_5_1_clear_task_set(self):
        itt, _, r2t = self.pending_write()
        self.assertEqual(self.s.tmf(CLEAR_TASK_SET), COMPLETE)
        self.ended(itt, r2t)

    def test_11_5_1_lun_reset(self):
        itt, _, r2t = self.pending_write()
        self.assertEqual(self.s.tmf(LU_RESET), COMPLETE)
        self.ended(itt, r2t)

    def test_11_5_1_lun_reset_is_told_to_other_sessions(self):
        t = self.session()
        self.assertEqual(self.s.tmf(LU_RESET), COMPLETE)
        r = t.command(bytes(6))
        self.assertEqual((r.status, r.key(), r.asc()[0]), (CHECK_CONDITION, 6, 0x29))
        self.assertEqual(t.settle(), GOOD)

    def test_11_5_1_lun_reset_ends_the_writes_of_others(self):
        t = self.session({"ImmediateData": "No"})
        itt, _, r2t = self.pending_write()
        window = self.s.max_cmd_sn
        self.assertEqual(t.tmf(LU_RESET), COMPLETE)
        # with no status to come, a full window would never be seen to open (4.2.2.1)
        ping = self.s.expect(NOP_IN)
        self.assertEqual((ping.itt, ping.max_cmd_sn), (NO_TAG, (window + 1) & NO_TAG))
        self.ended(itt, r2t)

    def test_11_5_1_lun_reset_of_no_lun(self):
        self.assertEqual(self.s.tmf(LU_RESET, lun=99), NO_LUN)

    def test_11_5_1_target_warm_reset(self):
        itt, _, r2t = self.pending_write()
        response = self.s.tmf(WARM)
        self.assertIn(response, (COMPLETE, NOT_SUPPORTED))
        if response == COMPLETE:
            self.ended(itt, r2t)

    def test_11_5_1_reassign(self):
        self.assertIn(self.s.tmf(REASSIGN, 0x55555), (NO_TASK, NO_REASSIGN, NOT_SUPPORTED))

    def test_11_5_1_unknown_function(self):
        self.assertIn(self.s.tmf(0x55), (NOT_SUPPORTED, REJECTED))
        self.s.ping()

    def test_11_5_1_abort_every_task(self):
        """Many writes wait; each is aborted by name; the window is whole afterwards."""
        tasks = []
        for i in range(30):
            sn = self.s.cmd_sn
            tasks.append((self.s.scsi(write10(LBA, 1), self.bs, WRITE), sn))
        for _ in tasks:
            self.s.expect(R2T)
        for itt, sn in tasks:
            self.assertEqual(self.s.tmf(ABORT_TASK, itt, sn), COMPLETE)
        for _ in range(40):
            self.s.ping()
        self.assertEqual(self.read_blocks(self.s, LBA, 4, self.bs), self.old)


class Reinstatement(RawTest):
    def test_6_3_5_same_isid(self):
        """A login with the ISID of a living session ends that session."""
        old = self.session()
        new = self.session(isid=old.isid)
        self.assertTrue(old.is_closed())
        new.ping()

    def test_6_3_5_with_a_write_under_way(self):
        old = self.session({"ImmediateData": "No"})
        bs = self.block_bytes(old)
        self.write_blocks(old, LBA, pattern(bs, 31), bs)
        itt = old.scsi(write10(LBA, 1), bs, WRITE)
        r2t = old.expect(R2T)
        new = self.session(isid=old.isid)
        try:
            old.data_out(itt, r2t.ttt, 0, pattern(bs, 32))
        except Closed:
            pass
        self.assertTrue(old.is_closed())
        self.assertEqual(self.read_blocks(new, LBA, 1, bs), pattern(bs, 31))

    def test_6_3_5_again_and_again(self):
        s = self.session()
        for _ in range(30):
            s = self.session(isid=s.isid)
        s.ping()

    def test_6_3_5_after_the_connection_died(self):
        s = self.session()
        s.reset()
        t = self.session(isid=s.isid)
        t.ping()

    def test_3_4_3_other_isid_is_another_session(self):
        a, b = self.session(), self.session()
        self.assertNotEqual(a.tsih, b.tsih)
        a.ping()
        b.ping()

    def test_3_4_3_same_isid_of_another_name(self):
        """The ISID belongs to a name: here the other name is refused, and nothing ends."""
        a = self.session()
        b = self.new(initiator=OTHER, isid=a.isid)
        self.assertEqual(b.login(Options.target).login_status >> 8, 2)
        a.ping()

    def test_6_3_6_connection_reinstatement(self):
        """Same ISID, TSIH and CID: the new connection replaces the old one, or is refused
        and the old one lives."""
        old = self.session()
        new = self.new(isid=old.isid, tsih=old.tsih, cid=old.cid)
        rsp = new.login(Options.target)
        if rsp.login_status == 0:
            self.assertTrue(old.is_closed())
            new.settle()
            new.ping()
        else:
            self.assertEqual(rsp.login_status >> 8, 2)
            old.ping()


class Holder(RawTest):
    """A volume that is not shared takes one initiator name at a time."""

    def test_11_13_5_second_name_is_refused(self):
        s = self.session()
        t = self.new(initiator=OTHER)
        rsp = t.login(Options.target)
        self.assertIn(rsp.login_status, HELD, "%04x" % rsp.login_status)
        self.assertTrue(t.is_closed())
        s.ping()

    def test_second_name_after_logout(self):
        s = self.session()
        s.logout()
        s.expect(0x26)
        self.session(initiator=OTHER).ping()

    def test_second_name_after_the_connection_died(self):
        s = self.session()
        s.reset()
        self.session(initiator=OTHER).ping()

    def test_second_name_may_discover(self):
        self.session()
        t = self.discovery(initiator=OTHER)
        t.text({"SendTargets": "All"})
        self.assertIn("TargetName", t.expect(0x24).keys())

    def test_many_sessions_of_one_name(self):
        sessions = [self.session() for _ in range(20)]
        self.assertEqual(len({s.tsih for s in sessions}), 20)
        for s in sessions:
            s.ping()


if __name__ == "__main__":
    main()
