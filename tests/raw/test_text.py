#!/usr/bin/python3
"""Text exchanges in full feature phase (RFC 7143 6.4, 11.10, 11.11), what a discovery session takes
(4.3), and SendTargets (appendix C), its answer in many pieces."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import ringlun  # noqa: E402
from iscsi_raw import (CONTINUE, FINAL, GOOD, LOGOUT_RSP, NO_TAG, NOP_IN, REJECT,  # noqa: E402
                       SNACK, TEXT_RSP, TMF, Closed, Session, pack)
from rawtest import INITIATOR, Options, Provoked, main  # noqa: E402

PROTOCOL = 0x04


class Exchange(Provoked):
    def setUp(self):
        super().setUp()
        self.s = self.session()

    def rejected(self):
        """A Reject; the CmdSN of the Text Request has not been received (7.3)."""
        pdu = self.assert_rejected(self.s, PROTOCOL)
        self.assertEqual(pdu.exp_cmd_sn, (self.s.cmd_sn - 1) & 0xffffffff)
        self.s.cmd_sn = pdu.exp_cmd_sn
        self.s.ping()

    def begin(self, itt, keys=b"", flags=CONTINUE, ttt=NO_TAG):
        """A request that leaves the exchange open. Returns the answer."""
        self.s.text(keys, itt=itt, flags=flags, field20=ttt)
        pdu = self.s.expect(TEXT_RSP)
        self.assertEqual((pdu.itt, pdu.final), (itt, False))
        self.assertNotEqual(pdu.ttt, NO_TAG)
        return pdu

    def test_11_11_1_no_final_answer_to_a_request_without_f(self):
        """The initiator has more to ask: F=0, C=0 and a tag; the exchange ends when it says so."""
        itt = self.s.new_itt()
        pdu = self.begin(itt, {"SendTargets": ""}, flags=0)
        self.assertEqual(pdu.keys()["TargetName"], Options.target)
        self.assertFalse(pdu.flags & CONTINUE)
        pdu = self.begin(itt, {"X-com.example.a": "1"}, flags=0, ttt=pdu.ttt)
        self.assertEqual(pdu.keys(), {"X-com.example.a": "NotUnderstood"})
        self.s.text(b"", itt=itt, field20=pdu.ttt)
        pdu = self.s.expect(TEXT_RSP)
        self.assertEqual((pdu.itt, pdu.final, pdu.ttt, pdu.data), (itt, True, NO_TAG, b""))
        self.s.ping()

    def test_11_10_2_final_and_continue(self):
        self.s.text(b"X-a=1\0", flags=FINAL | CONTINUE)
        self.assert_ends(self.s, "F and C")

    def test_11_10_4_tag_that_is_none(self):
        self.s.text(b"", field20=0x12345678)
        self.rejected()

    def test_11_10_4_tag_of_an_exchange_that_is_over(self):
        itt = self.s.new_itt()
        ttt = self.begin(itt, b"X-a=").ttt
        self.s.text(b"1\0", itt=itt, field20=ttt)
        self.assertTrue(self.s.expect(TEXT_RSP).final)
        self.s.text(b"", itt=itt, field20=ttt)
        self.rejected()

    def test_11_10_4_new_exchange_resets_the_old_one(self):
        """Its parts are forgotten, its tag is none any more."""
        itt = self.s.new_itt()
        ttt = self.begin(itt, b"X-old=1").ttt
        self.s.text({"X-new": "1"})
        self.assertEqual(self.s.expect(TEXT_RSP).keys(), {"X-new": "NotUnderstood"})
        self.s.text(b"2\0", itt=itt, field20=ttt)
        self.rejected()

    def test_11_10_3_other_task_tag_amid_an_exchange(self):
        itt = self.s.new_itt()
        ttt = self.begin(itt, b"X-a=").ttt
        self.s.text(b"1\0", itt=self.s.new_itt(), field20=ttt)
        self.rejected()

    def test_11_10_5_other_pdus_amid_an_exchange(self):
        """A text in parts holds up nothing."""
        itt = self.s.new_itt()
        ttt = self.begin(itt, b"X-a=").ttt
        self.s.ping()
        self.assertEqual(self.s.command(bytes(6)).status, GOOD)
        self.s.text(b"1\0", itt=itt, field20=ttt)
        self.assertEqual(self.s.expect(TEXT_RSP).keys(), {"X-a": "NotUnderstood"})

    def test_7_3_number_of_a_rejected_text_is_free_again(self):
        """What waits behind it waits on; the number comes again with something else."""
        sn = self.s.cmd_sn
        late = self.s.nop(b"late", cmd_sn=sn + 1)
        self.s.text(b"Oops\0", cmd_sn=sn)
        self.assertEqual(self.assert_rejected(self.s, PROTOCOL).exp_cmd_sn, sn)
        self.assertTrue(self.s.quiet(), "the gap was not filled")
        now = self.s.nop(b"now", cmd_sn=sn)
        self.assertEqual([self.s.expect(NOP_IN).itt for _ in range(2)], [now, late])
        self.s.cmd_sn = sn + 2
        self.s.ping()

    def test_7_3_immediate_text_rejected(self):
        sn = self.s.cmd_sn
        self.s.text(b"Oops\0", immediate=True)
        self.assertEqual(self.assert_rejected(self.s, PROTOCOL).exp_cmd_sn, sn)
        self.s.ping()

    def test_11_10_without_keys(self):
        self.s.text(b"")
        pdu = self.s.expect(TEXT_RSP)
        self.assertEqual((pdu.final, pdu.ttt, pdu.data), (True, NO_TAG, b""))


class Discovery(Provoked):
    """4.3: SendTargets, and the logout of the session; all other requests MUST be rejected."""

    def refused(self, make):
        s = self.discovery()
        make(s)
        try:
            self.assertEqual(s.next().opcode, REJECT)
        except Closed:
            return
        try:
            s.text({"SendTargets": "All"}, immediate=True)
            self.assertEqual(s.expect(TEXT_RSP).keys()["TargetName"], Options.target)
        except Closed:
            pass

    def test_4_3_ping(self):
        self.refused(lambda s: s.nop(b"ping"))
        self.refused(lambda s: s.nop(b"ping", immediate=True))

    def test_4_3_scsi_command(self):
        self.refused(lambda s: s.scsi(bytes(6)))

    def test_4_3_task_management(self):
        for function in (1, 2, 5, 6, 7):
            self.refused(lambda s, f=function: s.request(
                TMF, immediate=True, flags=FINAL | f, tail=bytes(8)))

    def test_4_3_data_out(self):
        self.refused(lambda s: s.data_out(1, 2, 0, b"data"))

    def test_4_3_snack(self):
        self.refused(lambda s: s.send(pack(SNACK, FINAL, itt=NO_TAG, rest=bytes(28))))

    def test_4_3_text_without_send_targets(self):
        self.refused(lambda s: s.text({"X-com.example.a": "1"}))
        self.refused(lambda s: s.text({"MaxRecvDataSegmentLength": "512"}))

    def test_4_3_logout_of_a_connection(self):
        for reason in (1, 2):
            self.refused(lambda s, r=reason: s.logout(r))

    def test_4_3_logout(self):
        s = self.discovery()
        itt = s.logout(0)
        pdu = s.expect(LOGOUT_RSP)
        self.assertEqual((pdu.itt, pdu.response), (itt, 0))
        self.assertTrue(s.is_closed())

    def test_7_4_2_same_isid(self):
        """A second discovery session of the same name and ISID: the new one works."""
        s = self.discovery()
        t = self.discovery(isid=s.isid)
        t.text({"SendTargets": "All"})
        self.assertEqual(t.expect(TEXT_RSP).keys()["TargetName"], Options.target)

    def test_c_discovery_leaves_a_session_of_the_same_isid(self):
        """A discovery session is at no target: it replaces no session of one (6.3.5)."""
        s = self.session()
        t = self.discovery(isid=s.isid)
        t.text({"SendTargets": Options.target})
        self.assertEqual(t.expect(TEXT_RSP).keys()["TargetName"], Options.target)
        s.ping()

    def test_13_3_values(self):
        """All, a name, in any case; nothing else. Unknown names get an empty list."""
        s = self.discovery()
        for value, want in (("All", Options.target), (Options.target, Options.target),
                            (Options.target.upper(), Options.target), ("", "Reject"),
                            ("all", "Reject"), ("iqn.2026-11.io.ringlun:none", None)):
            with self.subTest(value=value):
                s.text({"SendTargets": value})
                keys = s.expect(TEXT_RSP).keys()
                if want == "Reject":
                    self.assertEqual(keys, {"SendTargets": "Reject"})
                else:
                    self.assertEqual(keys.get("TargetName"), want)

    def test_13_3_asked_twice_in_one_text(self):
        s = self.discovery()
        s.text([("SendTargets", "All"), ("SendTargets", "All")])
        self.assertEqual(s.next().opcode, REJECT)

    def test_13_3_other_target_in_a_normal_session(self):
        """Of its own target and of no other does a normal session hear."""
        s = self.session()
        for value in ("All", "iqn.2026-11.io.ringlun:none"):
            s.text({"SendTargets": value})
            self.assertEqual(s.expect(TEXT_RSP).keys(), {"SendTargets": "Reject"})


class ManyTargets(unittest.TestCase):
    """A server of its own with so many targets that their list fills many PDUs."""

    COUNT = 80

    @classmethod
    def setUpClass(cls):
        volumes = {"v%02d%s" % (i, "x" * 60): "path=memory:,size=1M" for i in range(cls.COUNT)}
        cls.server = ringlun.Server("raw-many", volumes)
        cls.server.start()
        cls.names = sorted(ringlun.IQN + v for v in volumes)

    @classmethod
    def tearDownClass(cls):
        try:
            cls.server.stop()
        finally:
            cls.server.cleanup()

    def setUp(self):
        self.open = []

    def tearDown(self):
        for s in self.open:
            s.close()

    def login(self, segment, target=None):
        s = Session(("127.0.0.1", self.server.port), INITIATOR)
        self.open.append(s)
        rsp = s.login(target, discovery=not target,
                      offer={"MaxRecvDataSegmentLength": str(segment)})
        self.assertEqual(rsp.login_status, 0)
        return s

    def piece(self, s, itt, ttt, segment):
        s.text({"SendTargets": "All"} if ttt == NO_TAG else b"", itt=itt, field20=ttt)
        pdu = s.expect(TEXT_RSP)
        self.assertEqual(pdu.itt, itt)
        self.assertLessEqual(len(pdu.data), segment)
        self.assertEqual(bool(pdu.flags & CONTINUE), not pdu.final, "11.11.2: C where more comes")
        self.assertEqual(pdu.ttt == NO_TAG, pdu.final, "11.11.4: a tag where more comes")
        return pdu

    def collect(self, s, segment):
        itt, ttt, data, tags = s.new_itt(), NO_TAG, [], []
        while True:
            pdu = self.piece(s, itt, ttt, segment)
            data.append(pdu.data)
            if pdu.final:
                return b"".join(data), len(data)
            self.assertNotIn(pdu.ttt, tags)
            ttt = pdu.ttt
            tags.append(ttt)

    def names_of(self, data):
        self.assertTrue(data.endswith(b"\0"))
        pairs = [p.split("=", 1) for p in data.decode().split("\0") if p]
        return sorted(v for k, v in pairs if k == "TargetName")

    def test_11_11_answer_in_many_pieces(self):
        """The same text at each segment length: whole in one PDU, cut anywhere in many."""
        whole, n = self.collect(self.login(262144), 262144)
        self.assertEqual((self.names_of(whole), n), (self.names, 1))
        for segment in (512, 513, 700, 1023, 4096, 8192):
            with self.subTest(segment=segment):
                data, n = self.collect(self.login(segment), segment)
                self.assertEqual(data, whole)
                self.assertEqual(n, -(-len(whole) // segment))

    def test_11_11_again_in_the_same_session(self):
        s = self.login(1024)
        first = self.collect(s, 1024)
        self.assertEqual(self.collect(s, 1024), first)

    def test_11_10_4_broken_off_by_a_new_request(self):
        s = self.login(512)
        itt = s.new_itt()
        pdu = self.piece(s, itt, NO_TAG, 512)
        pdu = self.piece(s, itt, pdu.ttt, 512)
        s.text({"SendTargets": self.names[3]})
        one = s.expect(TEXT_RSP)
        self.assertEqual(one.keys()["TargetName"], self.names[3])
        s.text(b"", itt=itt, field20=pdu.ttt)
        self.assertEqual(s.expect(REJECT).reason, PROTOCOL)
        s.text({"SendTargets": self.names[5]}, cmd_sn=s.cmd_sn - 1)
        self.assertEqual(s.expect(TEXT_RSP).keys()["TargetName"], self.names[5])

    def test_11_10_broken_off_by_a_logout(self):
        s = self.login(512)
        self.piece(s, s.new_itt(), NO_TAG, 512)
        s.logout()
        self.assertEqual(s.expect(LOGOUT_RSP).response, 0)
        self.assertTrue(s.is_closed())

    def test_11_10_broken_off_by_the_end_of_the_connection(self):
        for end in ("close", "reset"):
            for _ in range(20):
                s = self.login(512)
                self.piece(s, s.new_itt(), NO_TAG, 512)
                getattr(s, end)()
        self.assertEqual(self.names_of(self.collect(self.login(8192), 8192)[0]), self.names)

    def test_6_2_keys_before_the_answer_is_whole(self):
        """While C asks to hear the rest, a request with keys is out of turn."""
        s = self.login(512)
        itt = s.new_itt()
        pdu = self.piece(s, itt, NO_TAG, 512)
        s.text({"SendTargets": "All"}, itt=itt, field20=pdu.ttt)
        self.assertEqual(s.expect(REJECT).reason, PROTOCOL)
        s.text(b"", itt=itt, field20=pdu.ttt, cmd_sn=s.cmd_sn - 1)
        self.assertEqual(s.expect(REJECT).reason, PROTOCOL, "the exchange is over")

    def test_11_10_4_tag_used_twice(self):
        s = self.login(512)
        itt = s.new_itt()
        first = self.piece(s, itt, NO_TAG, 512)
        self.piece(s, itt, first.ttt, 512)
        s.text(b"", itt=itt, field20=first.ttt)
        self.assertEqual(s.expect(REJECT).reason, PROTOCOL)

    def test_11_11_1_long_answer_to_a_request_without_f(self):
        """Pieces with C, the last one without F either; then the initiator ends it."""
        s = self.login(4096)
        itt, ttt, data = s.new_itt(), NO_TAG, b""
        while True:
            s.text({"SendTargets": "All"} if ttt == NO_TAG else b"", itt=itt, field20=ttt, flags=0)
            pdu = s.expect(TEXT_RSP)
            self.assertFalse(pdu.final)
            self.assertNotEqual(pdu.ttt, NO_TAG)
            data, ttt = data + pdu.data, pdu.ttt
            if not pdu.flags & CONTINUE:
                break
        self.assertEqual(self.names_of(data), self.names)
        s.text(b"", itt=itt, field20=ttt)
        self.assertTrue(s.expect(TEXT_RSP).final)

    def test_c_normal_session_hears_of_its_own(self):
        s = self.login(512, target=self.names[7])
        s.text({"SendTargets": ""})
        self.assertEqual(s.expect(TEXT_RSP).keys()["TargetName"], self.names[7])
        s.text({"SendTargets": self.names[8]})
        self.assertEqual(s.expect(TEXT_RSP).keys(), {"SendTargets": "Reject"})


if __name__ == "__main__":
    main()
