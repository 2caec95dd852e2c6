#!/usr/bin/python3
"""Login: RFC 7143 sections 6, 11.12, 11.13, 12, 13; discovery: Appendix C."""

from iscsi_raw import (CONTINUE, FULL_FEATURE, IMMEDIATE, LOGIN_RSP, NOP_OUT, OPERATIONAL,
                       REJECT, SECURITY, SCSI_CMD, TEXT_RSP, TRANSIT, Closed, pack, text)
from rawtest import INITIATOR, Options, RawTest, main

INITIATOR_ERROR, AUTH, NOT_FOUND, VERSION = 0x0200, 0x0201, 0x0203, 0x0205
TOO_MANY, MISSING, CANT_INCLUDE, TYPE, NO_SESSION, INVALID = 0x0206, 0x0207, 0x0208, 0x0209, \
    0x020a, 0x020b


class Login(RawTest):
    def test_13_one_pdu_to_full_feature(self):
        s = self.new()
        rsp = s.login(Options.target)
        self.assertEqual(rsp.login_status, 0)
        self.assertEqual(rsp.isid, s.isid)
        self.assertNotEqual(rsp.tsih, 0)
        self.assertEqual(rsp.byte3, 0, "VersionActive")
        self.assertEqual(rsp.flags, TRANSIT | OPERATIONAL << 2 | FULL_FEATURE)
        self.assertEqual(rsp.exp_cmd_sn, s.cmd_sn, "a login is immediate: CmdSN is not consumed")
        self.assertGreaterEqual(rsp.max_cmd_sn - rsp.exp_cmd_sn + 1, 128)
        keys = rsp.keys()
        self.assertGreaterEqual(int(keys["MaxRecvDataSegmentLength"]), 512)
        self.assertLessEqual(int(keys["FirstBurstLength"]), 65536)
        for k in s.OFFER:
            self.assertIn(k, keys)
        s.ping()

    def test_13_9_portal_group_tag_in_first_response(self):
        s = self.new()
        rsp = s.login_step(s.who(Options.target), SECURITY, OPERATIONAL)
        self.assertEqual(rsp.login_status, 0)
        self.assertIn("TargetPortalGroupTag", rsp.keys())

    def test_6_3_three_steps(self):
        s = self.new()
        keys = s.who(Options.target)
        keys["AuthMethod"] = "CHAP,None"
        rsp = s.login_step(keys, SECURITY, OPERATIONAL)
        self.assertEqual((rsp.login_status, rsp.flags), (0, TRANSIT | OPERATIONAL))
        self.assertEqual(rsp.keys()["AuthMethod"], "None")
        first_sn = rsp.stat_sn
        rsp = s.login_step(s.OFFER, OPERATIONAL, FULL_FEATURE, transit=False)
        self.assertEqual((rsp.login_status, rsp.flags), (0, OPERATIONAL << 2))
        rsp = s.login_step(b"", OPERATIONAL, FULL_FEATURE)
        self.assertEqual((rsp.login_status, rsp.flags & 0x83), (0, TRANSIT | FULL_FEATURE))
        self.assertEqual(rsp.stat_sn, first_sn + 2)
        self.assertNotEqual(rsp.tsih, 0)
        s.ping()

    def test_6_3_security_straight_to_full_feature(self):
        s = self.new()
        rsp = s.login_step(s.who(Options.target), SECURITY, FULL_FEATURE)
        self.assertEqual(rsp.login_status, 0)
        self.assertEqual(rsp.flags & 0x83, TRANSIT | FULL_FEATURE)
        s.ping()

    def test_13_bare_login_has_the_defaults(self):
        s = self.session(bare=True)
        s.ping()

    def test_11_12_3_reserved_stage(self):
        for flags in (TRANSIT | 2 << 2 | FULL_FEATURE, TRANSIT | OPERATIONAL << 2 | 2,
                      TRANSIT | FULL_FEATURE << 2 | FULL_FEATURE):
            with self.subTest(flags=flags):
                s = self.new()
                rsp = s.login_step(s.who(Options.target), 0, 0, flags=flags)
                self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_11_12_3_next_stage_not_above_current(self):
        for csg, nsg in ((OPERATIONAL, OPERATIONAL), (OPERATIONAL, SECURITY),
                         (SECURITY, SECURITY)):
            with self.subTest(csg=csg, nsg=nsg):
                s = self.new()
                rsp = s.login_step(s.who(Options.target), csg, nsg)
                self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_6_3_stage_going_back(self):
        s = self.new()
        rsp = s.login_step(s.who(Options.target), OPERATIONAL, FULL_FEATURE, transit=False)
        self.assertEqual(rsp.login_status, 0)
        rsp = s.login_step(b"", SECURITY, OPERATIONAL)
        self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_6_3_stage_skipped(self):
        s = self.new()
        rsp = s.login_step(s.who(Options.target), SECURITY, OPERATIONAL, transit=False)
        self.assertEqual(rsp.login_status, 0)
        rsp = s.login_step(b"", OPERATIONAL, FULL_FEATURE)
        self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_11_12_2_transit_and_continue(self):
        s = self.new()
        flags = TRANSIT | CONTINUE | OPERATIONAL << 2 | FULL_FEATURE
        rsp = s.login_step(s.who(Options.target), 0, 0, flags=flags)
        self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_11_12_5_version(self):
        s = self.new()
        rsp = s.login_step(s.who(Options.target), OPERATIONAL, FULL_FEATURE, version_max=9,
                           version_min=1)
        self.assert_login_fails(s, rsp, VERSION)

    def test_11_12_5_newer_version_that_can_do_ours(self):
        s = self.new()
        rsp = s.login_step(s.who(Options.target), OPERATIONAL, FULL_FEATURE, version_max=3)
        self.assertEqual((rsp.login_status, rsp.byte3), (0, 0))

    def test_11_12_6_unknown_tsih(self):
        s = self.new(tsih=0x7eee)
        self.assert_login_fails(s, s.login(Options.target), NO_SESSION)

    def test_13_5_no_initiator_name(self):
        for discovery in (False, True):
            s = self.new()
            keys = s.who(Options.target, discovery)
            del keys["InitiatorName"]
            rsp = s.login_step(keys, OPERATIONAL, FULL_FEATURE)
            self.assert_login_fails(s, rsp, MISSING)

    def test_13_4_no_target_name(self):
        s = self.new()
        rsp = s.login_step(s.who(None), OPERATIONAL, FULL_FEATURE)
        self.assert_login_fails(s, rsp, MISSING)

    def test_13_4_unknown_target(self):
        s = self.new()
        self.assert_login_fails(s, s.login("iqn.2026-11.io.ringlun:no-such"), NOT_FOUND)

    def test_4_2_7_names_are_compared_without_case(self):
        s = self.new(initiator=INITIATOR.upper())
        self.assertEqual(s.login(Options.target.upper()).login_status, 0)

    def test_4_2_7_names_that_are_none(self):
        for name in ("", "host", "iqn.2001-04", "iqn.2001-04.com.x:a b", "iqn.2001-04.x:\x01",
                     "eui.123", "iqn.2001-04.com.example:" + "x" * 200):
            with self.subTest(name=name):
                s = self.new(initiator=name)
                rsp = s.login(Options.target)
                self.assertEqual(rsp.login_status >> 8, 2)
                self.assertTrue(s.is_closed())

    def test_13_21_session_type(self):
        s = self.new()
        keys = s.who(Options.target)
        keys["SessionType"] = "Casual"
        rsp = s.login_step(keys, OPERATIONAL, FULL_FEATURE)
        self.assert_login_fails(s, rsp, TYPE, INITIATOR_ERROR)

    def test_12_1_only_chap_offered(self):
        s = self.new()
        keys = s.who(Options.target)
        keys["AuthMethod"] = "CHAP"
        rsp = s.login_step(keys, SECURITY, OPERATIONAL)
        self.assert_login_fails(s, rsp, AUTH, INITIATOR_ERROR)

    def test_12_operational_key_in_security_stage(self):
        s = self.new()
        keys = s.who(Options.target)
        keys["MaxBurstLength"] = "65536"
        rsp = s.login_step(keys, SECURITY, OPERATIONAL)
        self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_6_3_key_twice(self):
        s = self.new()
        keys = text(s.who(Options.target)) + b"MaxBurstLength=4096\0MaxBurstLength=4096\0"
        rsp = s.login_step(keys, OPERATIONAL, FULL_FEATURE)
        self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_6_1_ill_formed_text(self):
        for bad in (b"Oops\0", b"=x\0", b"InitialR2T=Yes", b"A" * 64 + b"=1\0",
                    b"Foo=" + b"x" * 300 + b"\0"):
            with self.subTest(text=bad[:20]):
                s = self.new()
                rsp = s.login_step(text(s.who(Options.target)) + bad, OPERATIONAL, FULL_FEATURE)
                self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_6_2_unknown_key_and_bad_values(self):
        s = self.new()
        rsp = s.login(Options.target, offer={
            "X-com.example.a": "1", "MaxBurstLength": "1", "DefaultTime2Wait": "4294967296",
            "DataPDUInOrder": "Maybe", "IFMarkInt": "1~2"})
        self.assertEqual(rsp.login_status, 0)
        keys = rsp.keys()
        self.assertEqual(keys["X-com.example.a"], "NotUnderstood")
        for k in ("MaxBurstLength", "DefaultTime2Wait", "DataPDUInOrder", "IFMarkInt"):
            self.assertEqual(keys[k], "Reject", k)
        s.agreed["MaxBurstLength"] = "262144"
        s.ping()

    def test_6_2_text_over_several_pdus(self):
        """C bit: the target answers each part with an empty Login Response (6.2)."""
        s = self.new()
        keys = s.who(Options.target)
        keys.update(s.OFFER)
        whole = text(keys)
        for n in (1, 7, 100):
            part, whole = whole[:n], whole[n:]
            rsp = s.login_step(part, OPERATIONAL, 0, transit=False, more=True)
            self.assertEqual((rsp.login_status, rsp.data), (0, b""))
            self.assertFalse(rsp.flags & (TRANSIT | CONTINUE))
        rsp = s.login_step(whole, OPERATIONAL, FULL_FEATURE)
        self.assertEqual(rsp.login_status, 0)
        self.assertEqual(rsp.keys()["MaxConnections"], "1")
        s.ping()

    def test_6_2_text_without_end(self):
        """Parts for ever: the target ends it; it has other initiators."""
        s = self.new()
        try:
            for _ in range(40):
                rsp = s.login_step(b"X-a=" + b"x" * 8000, OPERATIONAL, 0, transit=False, more=True)
                if rsp.login_status:
                    break
            else:
                self.fail("320 kB of keys were taken")
        except Closed:
            pass
        self.assert_alive()

    def test_6_3_first_pdu_is_no_login(self):
        for opcode in (NOP_OUT | IMMEDIATE, SCSI_CMD, 0x1f):
            c = self.conn()
            c.send(pack(opcode, 0x80, itt=1))
            self.assertTrue(c.is_closed())

    def test_6_3_other_pdu_amid_login(self):
        s = self.new()
        s.login_step(s.who(Options.target), SECURITY, OPERATIONAL)
        s.nop(immediate=True)
        try:
            pdu = s.recv()
            self.assertIn(pdu.opcode, (LOGIN_RSP, REJECT))
            if pdu.opcode == LOGIN_RSP:
                self.assertEqual(pdu.login_status >> 8, 2)
        except Closed:
            pass

    def test_6_3_login_in_full_feature(self):
        s = self.session()
        s.send(s.login_pdu(s.who(Options.target), OPERATIONAL, FULL_FEATURE))
        try:
            pdu = s.recv()
            self.assertTrue(pdu.opcode == REJECT or pdu.login_status >> 8 == 2, pdu)
        except Closed:
            pass
        self.assert_alive()

    def test_11_12_data_past_the_default_segment(self):
        """Before anything is declared, 8192 bytes are the limit (13.12). Either it is
        kept, or the target takes more; it must not misframe."""
        s = self.new()
        s.send(s.login_pdu(text(s.who(Options.target)) + b"X-a=" + b"x" * 9000 + b"\0",
                           OPERATIONAL, FULL_FEATURE))
        try:
            rsp = s.recv()
            self.assertEqual((rsp.opcode, rsp.login_status >> 8), (LOGIN_RSP, 2))
        except Closed:
            pass
        self.assert_alive()

    def test_6_3_second_connection_of_a_session(self):
        """MaxConnections is 1: another CID cannot join, and the session lives on."""
        s = self.session()
        t = self.new(isid=s.isid, tsih=s.tsih, cid=1)
        rsp = t.login(Options.target)
        self.assertIn(rsp.login_status, (TOO_MANY, CANT_INCLUDE, INITIATOR_ERROR, NO_SESSION))
        self.assertTrue(t.is_closed())
        s.ping()


class Discovery(RawTest):
    def targets(self, s, value):
        s.text({"SendTargets": value})
        pdu = s.expect(TEXT_RSP)
        self.assertTrue(pdu.final)
        self.assertEqual(pdu.ttt, 0xffffffff)
        return pdu.keys()

    def test_c_send_targets_all(self):
        keys = self.targets(self.discovery(), "All")
        names = keys["TargetName"] if isinstance(keys["TargetName"], list) else [keys["TargetName"]]
        self.assertIn(Options.target, names)
        addresses = keys["TargetAddress"]
        for a in addresses if isinstance(addresses, list) else [addresses]:
            self.assertRegex(a, r"^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]|[\w.-]+):\d+,\d+$")
            self.assertNotIn("0.0.0.0", a)

    def test_c_send_targets_one(self):
        keys = self.targets(self.discovery(), Options.target)
        self.assertEqual(keys["TargetName"], Options.target)

    def test_c_send_targets_unknown(self):
        keys = self.targets(self.discovery(), "iqn.2026-11.io.ringlun:no-such")
        self.assertNotIn("TargetName", keys)

    def test_c_normal_session(self):
        s = self.session()
        self.assertEqual(self.targets(s, "")["TargetName"], Options.target)
        self.assertEqual(self.targets(s, Options.target)["TargetName"], Options.target)
        self.assertEqual(self.targets(s, "All"), {"SendTargets": "Reject"})

    def test_c_answer_in_small_pieces(self):
        """An answer longer than our MaxRecvDataSegmentLength comes in parts (6.2, 11.11)."""
        s = self.new()
        rsp = s.login(None, discovery=True, offer={"MaxRecvDataSegmentLength": "512"})
        self.assertEqual(rsp.login_status, 0)
        s.text({"SendTargets": "All"})
        answer = b""
        for _ in range(100):
            pdu = s.expect(TEXT_RSP)
            self.assertLessEqual(len(pdu.data), 512)
            answer += pdu.data
            if pdu.final:
                break
            self.assertNotEqual(pdu.ttt, 0xffffffff)
            s.text(b"", field20=pdu.ttt)
        self.assertIn(("TargetName=" + Options.target).encode() + b"\0", answer)

    def test_4_3_no_scsi_in_discovery(self):
        s = self.discovery()
        s.scsi(bytes(6))
        try:
            self.assertEqual(s.next().opcode, REJECT)
        except Closed:
            pass

    def test_13_irrelevant_keys(self):
        s = self.new()
        keys = s.who(None, True)
        keys.update({"MaxBurstLength": "65536", "InitialR2T": "No", "MaxConnections": "1"})
        rsp = s.login_step(keys, OPERATIONAL, FULL_FEATURE)
        self.assertEqual(rsp.login_status, 0)
        for k in ("MaxBurstLength", "InitialR2T", "MaxConnections"):
            self.assertEqual(rsp.keys()[k], "Irrelevant")

    def test_logout_from_discovery(self):
        s = self.discovery()
        s.logout()
        self.assertEqual(s.expect(0x26).response, 0)
        self.assertTrue(s.is_closed())


if __name__ == "__main__":
    main()
