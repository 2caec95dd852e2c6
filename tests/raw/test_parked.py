#!/usr/bin/python3
"""What waits ahead of a missing CmdSN, when its commands are aborted and their tags come again
(RFC 7143 4.2.2.1, 11.6.1): the gap itself is legal, a rejected request leaves one (7.3)."""

from iscsi_raw import (CMD_WRITE, FINAL, GOOD, NOP_IN, NO_TAG, SCSI_RSP, SIMPLE, TMF,
                       TMF_RSP, write10)
from rawtest import Provoked, main, pattern

WRITE = CMD_WRITE | SIMPLE  # without F: data come unasked
ABORT_TASK, LU_RESET = 1, 5
LBA = 93000


class TagsAgain(Provoked):
    def setUp(self):
        super().setUp()
        self.s = self.session({"InitialR2T": "No", "ImmediateData": "No"})
        self.bs = self.block_bytes(self.s)
        self.old, self.late, self.new = (pattern(4 * self.bs, n) for n in (51, 52, 53))
        self.write_blocks(self.s, LBA, self.old, self.bs)

    def write(self, data, **kw):
        """A write, its data unasked in one Data-Out."""
        itt = self.s.scsi(write10(LBA, 4), 4 * self.bs, WRITE, **kw)
        self.s.data_out(itt, NO_TAG, 0, data)
        return itt

    def end(self, function, itt, sn):
        """Sent as an immediate one."""
        return self.s.request(TMF, immediate=True, flags=FINAL | function, field20=itt,
                              tail=sn.to_bytes(4, "big") + bytes(4))

    def good(self, itt):
        pdu = self.s.expect(SCSI_RSP)
        self.assertEqual((pdu.itt, pdu.status), (itt, GOOD), pdu)

    def test_11_6_1_data_of_an_aborted_command_is_not_its_successors(self):
        """Command and data wait for a gap; it is aborted, and another has its tag."""
        gap, sn = self.s.take_cmd_sn(False), self.s.cmd_sn
        itt = self.write(self.late)
        self.end(ABORT_TASK, itt, sn)
        self.assertEqual(self.s.expect(TMF_RSP).response, 0)
        self.write(self.new, itt=itt)
        nop = self.s.nop(b"gap", cmd_sn=gap)
        self.assertEqual(self.s.expect(NOP_IN).itt, nop)
        self.good(itt)
        self.assertEqual(self.read_blocks(self.s, LBA, 4, self.bs), self.new)

    def test_4_2_2_1_data_of_an_immediate_command_does_not_wait(self):
        """Its tag was that of an aborted command that waits for its turn to pass."""
        gap, sn = self.s.take_cmd_sn(False), self.s.cmd_sn
        itt = self.write(self.late)
        self.end(ABORT_TASK, itt, sn)
        self.assertEqual(self.s.expect(TMF_RSP).response, 0)
        self.write(self.new, itt=itt, immediate=True)
        self.good(itt)
        self.s.nop(b"gap", cmd_sn=gap)
        self.s.expect(NOP_IN)
        self.assertEqual(self.read_blocks(self.s, LBA, 4, self.bs), self.new)

    def test_11_6_1_data_of_a_command_that_a_reset_took(self):
        gap = self.s.take_cmd_sn(False)
        itt = self.write(self.late)
        tmf = self.end(LU_RESET, NO_TAG, 0)
        self.s.data_out(itt, NO_TAG, 0, self.late)
        self.write(self.new, itt=itt)
        self.s.nop(b"gap", cmd_sn=gap)
        got = {}
        while len(got) < 3:
            pdu = self.s.next()
            got[pdu.opcode] = pdu
        self.assertEqual((got[TMF_RSP].itt, got[TMF_RSP].response), (tmf, 0))
        self.assertEqual((got[SCSI_RSP].itt, got[SCSI_RSP].status), (itt, GOOD))
        self.s.settle()
        self.witness.settle()
        self.assertEqual(self.read_blocks(self.s, LBA, 4, self.bs), self.new)


if __name__ == "__main__":
    main()
