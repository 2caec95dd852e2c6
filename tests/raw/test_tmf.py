#!/usr/bin/python3
"""Task management: which commands it is for (RFC 7143 4.2.3, 11.6.1), the target's resets
(11.5.1), TaskReporting (13.23), and the functions of RFC 7144."""

import struct

from iscsi_raw import (ASYNC, CHECK_CONDITION, CMD_WRITE, FINAL, GOOD, IMMEDIATE, NO_TAG, NOP_IN,
                       R2T, SCSI_RSP, SIMPLE, TMF, TMF_RSP, Closed, pack, read10, write10)
from rawtest import Options, RawTest, main, pattern

ABORT_TASK, ABORT_TASK_SET, CLEAR_TASK_SET, LU_RESET, WARM, COLD = 1, 2, 4, 5, 6, 7
QUERY_TASK, QUERY_TASK_SET, NEXUS_RESET, QUERY_EVENT = 9, 10, 11, 12
COMPLETE, NO_LUN, NOT_SUPPORTED, SUCCEEDED, REJECTED = 0, 2, 5, 7, 255
WRITE = FINAL | CMD_WRITE | SIMPLE
TASK_SETS = ABORT_TASK_SET, CLEAR_TASK_SET, LU_RESET
TERMINATED = 5  # AsyncEvent
LBA = 700


class TmfTest(RawTest):
    def setUp(self):
        super().setUp()
        self.s = self.session({"ImmediateData": "No"})
        self.bs = self.block_bytes(self.s)
        self.old = pattern(4 * self.bs, 41)
        self.write_blocks(self.s, LBA, self.old, self.bs)

    def pending_write(self, s, lba=LBA, **kw):
        """A write whose data has been asked for and does not come."""
        itt = s.scsi(write10(lba, 4), 4 * self.bs, WRITE, **kw)
        return itt, s.expect(R2T)

    def request(self, s, function, ref_itt=NO_TAG, ref_cmd_sn=0):
        """Sent, not waited for."""
        return s.request(TMF, immediate=True, flags=FINAL | function, field20=ref_itt,
                         tail=struct.pack(">II", ref_cmd_sn, 0))

    def answer(self, s, itt):
        """The Task Management Response for @itt; what else comes before it is read away."""
        while True:
            pdu = s.next()
            if pdu.opcode == TMF_RSP and pdu.itt == itt:
                return pdu

    def attention(self, s):
        """Sense key and code of what is pending, or None."""
        r = s.command(bytes(6))
        if r.status == GOOD:
            return None
        self.assertEqual((r.status, r.key()), (CHECK_CONDITION, 6))
        return r.asc()

    def ended(self, s, itt, r2t):
        """No status, and its late data goes nowhere."""
        s.data_out(itt, r2t.ttt, 0, pattern(4 * self.bs, 42))
        self.assertTrue(s.quiet(), "a status of a task that was ended")
        self.assertEqual(self.read_blocks(self.session(), LBA, 4, self.bs), self.old)


class Order(TmfTest):
    def test_11_6_1_a_task_set_function_waits_for_the_commands_before_it(self):
        """MUST: answered only after all affected commands have been received."""
        for function in TASK_SETS:
            with self.subTest(function=function):
                s = self.session()
                gap = s.take_cmd_sn(False)
                itt = self.request(s, function)
                self.assertTrue(s.quiet(), "answered before the commands it is for had come")
                nop = s.nop(b"gap", cmd_sn=gap)
                pdus = [s.next(), s.next()]
                self.assertEqual([p.itt for p in pdus], [nop, itt])
                self.assertEqual((pdus[1].opcode, pdus[1].response), (TMF_RSP, COMPLETE))
                s.close()

    def test_11_6_1_the_command_that_fills_the_gap_is_affected(self):
        for function in TASK_SETS:
            with self.subTest(function=function):
                s = self.session({"ImmediateData": "No"})
                gap = s.take_cmd_sn(False)
                itt = self.request(s, function)
                write = s.scsi(write10(LBA, 4), 4 * self.bs, WRITE, cmd_sn=gap)
                r2ts = [p for p in (s.next(),) if p.opcode == R2T]
                if r2ts:
                    self.assertEqual(self.answer(s, itt).response, COMPLETE)
                    s.data_out(write, r2ts[0].ttt, 0, pattern(4 * self.bs, 42))
                self.assertTrue(s.quiet(), "a status of a task that was ended")
                self.attention(s)
                self.assertEqual(self.read_blocks(s, LBA, 4, self.bs), self.old)
                s.close()

    def test_4_2_3_commands_behind_the_request_are_not_affected(self):
        """Request and the next command in one segment."""
        new = pattern(4 * self.bs, 43)
        for function in TASK_SETS + (WARM,):
            with self.subTest(function=function):
                s = self.session({"ImmediateData": "No"})
                self.pending_write(s)
                tmf, write, sn = s.new_itt(), s.new_itt(), s.take_cmd_sn(False)
                s.send(pack(TMF | IMMEDIATE, FINAL | function, itt=tmf,
                            rest=struct.pack(">IIIII", NO_TAG, sn, s.exp_stat_sn, 0, 0)) +
                       pack(0x01, WRITE, itt=write, rest=struct.pack(
                           ">III", 4 * self.bs, sn, s.exp_stat_sn) +
                           write10(LBA + 8, 4).ljust(16, b"\0")))
                seen = set()
                while len(seen) < 2:
                    pdu = s.next()
                    if pdu.opcode == R2T:
                        self.assertEqual(pdu.itt, write)
                        s.burst(write, pdu.ttt, new, pdu.offset, pdu.length)
                    elif pdu.opcode == SCSI_RSP:
                        self.assertEqual((pdu.itt, pdu.status), (write, GOOD))
                        seen.add(write)
                    elif pdu.opcode == TMF_RSP:
                        if pdu.response == NOT_SUPPORTED and function == WARM:
                            self.skipTest("no TARGET WARM RESET")
                        self.assertEqual(pdu.response, COMPLETE)
                        seen.add(tmf)
                self.attention(s)
                self.assertEqual(self.read_blocks(s, LBA + 8, 4, self.bs), new)
                s.close()

    def test_11_5_1_task_management_cannot_be_aborted(self):
        """MUST: "Function rejected"."""
        gap = self.s.take_cmd_sn(False)
        reset = self.request(self.s, LU_RESET)
        abort = self.request(self.s, ABORT_TASK, reset, self.s.cmd_sn)
        self.assertEqual(self.answer(self.s, abort).response, REJECTED)
        self.s.nop(b"gap", cmd_sn=gap)
        self.assertEqual(self.answer(self.s, reset).response, COMPLETE)

    def test_11_5_1_resets_without_end(self):
        """More at once than may be under way: each is answered."""
        itts = {self.request(self.s, LU_RESET) for _ in range(200)}
        while itts:
            pdu = self.s.next()
            if pdu.opcode == TMF_RSP:
                itts.remove(pdu.itt)
                self.assertIn(pdu.response, (COMPLETE, REJECTED))
        self.assertEqual(self.s.tmf(LU_RESET), COMPLETE)
        self.assertEqual(self.attention(self.s)[0], 0x29)
        self.s.ping()

    def test_11_6_1_a_rejected_request_has_ended_nothing(self):
        """More resets than may be under way, then a write, then one more."""
        s, new = self.s, pattern(4 * self.bs, 44)
        sn = s.take_cmd_sn(False)

        def reset(itt):
            return pack(TMF | IMMEDIATE, FINAL | LU_RESET, itt=itt,
                        rest=struct.pack(">IIIII", NO_TAG, sn, s.exp_stat_sn, 0, 0))

        last, write = s.new_itt(), s.new_itt()
        s.send(b"".join(reset(s.new_itt()) for _ in range(40)) +
               pack(0x01, WRITE, itt=write, rest=struct.pack(
                   ">III", 4 * self.bs, sn, s.exp_stat_sn) +
                   write10(LBA, 4).ljust(16, b"\0")) + reset(last))
        r2t = response = None
        while response is None:
            pdu = s.next()
            if pdu.opcode == R2T:
                r2t = pdu
            elif pdu.opcode == TMF_RSP and pdu.itt == last:
                response = pdu.response
        if response == COMPLETE:
            self.skipTest("as many as that at once are done")
        self.assertEqual(response, REJECTED)
        self.assertIsNotNone(r2t, "the write was ended, and nobody was told")
        s.burst(write, r2t.ttt, new, r2t.offset, r2t.length)
        while True:
            pdu = s.next()
            if pdu.opcode == SCSI_RSP:
                break
        self.assertEqual((pdu.itt, pdu.status), (write, GOOD))
        s.settle()
        self.assertEqual(self.read_blocks(s, LBA, 4, self.bs), new)


class Target(TmfTest):
    def test_11_5_1_target_warm_reset(self):
        """All commands of all sessions end; the sessions and their connections go on."""
        t = self.session({"ImmediateData": "No"})
        mine, theirs = self.pending_write(self.s), self.pending_write(t)
        response = self.s.tmf(WARM)
        if response == NOT_SUPPORTED:
            self.skipTest("no TARGET WARM RESET")
        self.assertEqual(response, COMPLETE)
        self.assertEqual(t.next().opcode, NOP_IN)  # its window has moved
        self.ended(self.s, *mine)
        self.ended(t, *theirs)
        for s in self.s, t:
            self.assertEqual(self.attention(s)[0], 0x29)
            self.assertIsNone(self.attention(s))
            s.ping()

    def test_11_5_1_target_cold_reset(self):
        """MUST: the target's connections are closed, all sessions end."""
        t = self.session({"ImmediateData": "No"})
        mine, _ = self.pending_write(self.s), self.pending_write(t)
        itt = self.request(self.s, COLD)
        rsp = self.answer(self.s, itt)
        if rsp.response == NOT_SUPPORTED:
            self.skipTest("no TARGET COLD RESET")
        self.assertEqual((rsp.response, rsp.itt), (COMPLETE, itt))
        self.s.data_out(mine[0], mine[1].ttt, 0, pattern(4 * self.bs, 42))
        self.assertTrue(self.s.is_closed())
        self.assertTrue(t.is_closed())
        again = self.session(settle=False, isid=self.s.isid)
        self.assertEqual(self.attention(again)[0], 0x29)
        self.assertEqual(self.read_blocks(again, LBA, 4, self.bs), self.old)

    def test_11_5_1_cold_reset_and_nothing_after_it(self):
        """What is sent behind the request before it is answered may run or not; nothing comes
        after the answer."""
        self.request(self.s, COLD)
        self.s.scsi(read10(LBA, 1), self.bs, FINAL | 0x40 | SIMPLE)
        opcodes = []
        while not opcodes or opcodes[-1] != TMF_RSP:
            opcodes.append(self.s.next().opcode)
        with self.assertRaises(Closed):
            self.s.next()
        self.assert_alive()


class FastAbort(TmfTest):
    def fast_session(self):
        s = self.new()
        rsp = s.login(Options.target, offer={"TaskReporting": "FastAbort,RFC3720",
                                             "ImmediateData": "No"})
        self.assertEqual(rsp.login_status, 0)
        if rsp.keys().get("TaskReporting") != "FastAbort":
            self.skipTest("no FastAbort")
        self.assertEqual(s.settle(), GOOD)
        return s

    def test_4_2_3_4_third_parties_hear_of_it(self):
        """MUST: an Asynchronous Message with event 5 and the LUN to each that lost tasks."""
        for function in CLEAR_TASK_SET, LU_RESET, WARM:
            with self.subTest(function=function):
                t = self.fast_session()
                idle = self.fast_session()
                itt, r2t = self.pending_write(t)
                self.assertEqual(self.s.tmf(function), COMPLETE)
                pdu = t.expect(ASYNC)
                self.assertEqual((pdu.event, pdu.itt, pdu.lun), (TERMINATED, NO_TAG, bytes(8)))
                t.nop(b"heard")
                self.assertEqual(t.next().opcode, NOP_IN)
                self.assertTrue(idle.quiet(), "event 5 for who lost nothing")
                t.data_out(itt, r2t.ttt, 0, pattern(4 * self.bs, 42))
                self.assertTrue(t.quiet())
                self.attention(t)
                self.assertEqual(self.read_blocks(t, LBA, 4, self.bs), self.old)
                self.s.settle()
                t.close()
                idle.close()


class Rfc7144(TmfTest):
    """iSCSIProtocolLevel=2 brings QUERY TASK, QUERY TASK SET, I_T NEXUS RESET and QUERY
    ASYNCHRONOUS EVENT."""

    def level_session(self, level):
        s = self.new()
        rsp = s.login(Options.target, offer={"iSCSIProtocolLevel": str(level),
                                             "ImmediateData": "No"})
        self.assertEqual(rsp.login_status, 0)
        if int(rsp.keys().get("iSCSIProtocolLevel", "0")) < level:
            self.skipTest("no iSCSIProtocolLevel %d" % level)
        self.assertEqual(s.settle(), GOOD)
        return s

    def ask(self, s, function, ref_itt=NO_TAG, lun=0):
        """Response, and the additional response information."""
        itt = s.request(TMF, immediate=True, flags=FINAL | function, field20=ref_itt, lun=lun,
                        tail=struct.pack(">II", 0, 0))
        pdu = s.expect(TMF_RSP)
        self.assertEqual(pdu.itt, itt)
        return pdu.response, pdu.bhs[8:11]

    def test_rfc7144_without_the_level(self):
        for function in QUERY_TASK, QUERY_TASK_SET, NEXUS_RESET, QUERY_EVENT:
            self.assertIn(self.s.tmf(function), (NOT_SUPPORTED, REJECTED))
        s = self.level_session(1)
        self.assertIn(self.ask(s, QUERY_TASK_SET)[0], (NOT_SUPPORTED, REJECTED))

    def test_rfc7144_query_task(self):
        s, other = self.level_session(2), self.level_session(2)
        none = COMPLETE, bytes(3)
        self.assertEqual(self.ask(s, QUERY_TASK_SET), none)
        itt, r2t = self.pending_write(s)
        self.assertEqual(self.ask(s, QUERY_TASK, itt), (SUCCEEDED, bytes(3)))
        self.assertEqual(self.ask(s, QUERY_TASK, itt + 1), none)
        self.assertEqual(self.ask(other, QUERY_TASK, itt), none)
        self.assertEqual(self.ask(s, QUERY_TASK_SET)[0], SUCCEEDED)
        self.assertEqual(self.ask(other, QUERY_TASK_SET), none)
        self.assertEqual(self.ask(s, QUERY_TASK_SET, lun=99)[0], NO_LUN)
        s.burst(itt, r2t.ttt, self.old, 0, r2t.length)
        self.assertEqual(s.finish(itt, self.old).status, GOOD)
        self.assertEqual(self.ask(s, QUERY_TASK, itt), none)
        self.assertEqual(self.ask(s, QUERY_TASK_SET), none)

    def test_rfc7144_query_asynchronous_event(self):
        """What is pending is told and stays pending (SAM-5: UADE DEPTH, key, ASC, ASCQ)."""
        s = self.level_session(2)
        self.assertEqual(self.ask(s, QUERY_EVENT), (COMPLETE, bytes(3)))
        self.assertEqual(self.s.tmf(LU_RESET), COMPLETE)
        for _ in range(2):
            response, info = self.ask(s, QUERY_EVENT)
            self.assertEqual((response, info[0] & 0xcf, info[1]), (SUCCEEDED, 6, 0x29))
        self.assertEqual(self.attention(s), tuple(info[1:]))
        self.assertEqual(self.ask(s, QUERY_EVENT), (COMPLETE, bytes(3)))

    def test_rfc7144_i_t_nexus_reset(self):
        s, other = self.level_session(2), self.level_session(2)
        mine, theirs = self.pending_write(s), self.pending_write(other, LBA + 8)
        self.assertEqual(self.ask(s, NEXUS_RESET)[0], COMPLETE)
        self.ended(s, *mine)
        self.assertEqual(self.attention(s), (0x29, 0x07))
        other.burst(theirs[0], theirs[1].ttt, self.old, 0, theirs[1].length)
        self.assertEqual(other.finish(theirs[0], self.old).status, GOOD)
        s.ping()


if __name__ == "__main__":
    main()
