#!/usr/bin/python3
"""The header of Login Requests: flags, stages, versions and identifiers, each as it must not be
(RFC 7143 6.3, 11.12), and the header of the answers (11.13)."""

import struct

from iscsi_raw import (CONTINUE, FULL_FEATURE, LOGIN, LOGIN_RSP, OPERATIONAL, SECURITY, TRANSIT,
                       Closed, pack, text)
from rawtest import Options, Provoked, main

INITIATOR_ERROR, NOT_FOUND, VERSION, TOO_MANY = 0x0200, 0x0203, 0x0205, 0x0206
CANT_INCLUDE, NO_SESSION, INVALID = 0x0208, 0x020a, 0x020b


class Flags(Provoked):
    GOOD_STEPS = ((SECURITY, OPERATIONAL), (SECURITY, FULL_FEATURE), (OPERATIONAL, FULL_FEATURE))

    def first(self, flags, keys=None):
        s = self.new()
        return s, s.login_step(keys or s.who(Options.target), 0, 0, flags=flags)

    def test_11_12_3_each_stage_and_next_stage(self):
        """All of T, C, CSG, NSG as the first request: NSG says something only with T (11.12.3), T
        and C exclude each other (11.12.2)."""
        for flags in range(256):
            if flags & 0x30:
                continue
            t, c, csg, nsg = flags & TRANSIT, flags & CONTINUE, flags >> 2 & 3, flags & 3
            good = csg <= OPERATIONAL and (not t or (not c and (csg, nsg) in self.GOOD_STEPS))
            with self.subTest(flags="%02x" % flags):
                s, rsp = self.first(flags)
                if not good:
                    self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)
                    continue
                self.assertEqual(rsp.login_status, 0)
                self.assertEqual(rsp.flags & 0x0c, csg << 2, "11.13: CSG is the request's")
                self.assertEqual(rsp.flags & TRANSIT, t, "11.13.6: T only as an answer to T")
                if t:
                    self.assertEqual(rsp.flags & 3, nsg)
                else:
                    self.assertEqual(rsp.flags & 3, 0, "NSG is reserved without T")
                self.assertFalse(rsp.flags & CONTINUE)
                if c:
                    self.assertEqual(rsp.data, b"", "6.2: an empty answer asks for the rest")
                s.close()

    def test_11_12_reserved_bits_are_ignored(self):
        s, rsp = self.first(TRANSIT | 0x30 | OPERATIONAL << 2 | FULL_FEATURE)
        self.assertEqual((rsp.login_status, rsp.flags & 0x30), (0, 0))
        s.ping()

    def test_6_3_stage_said_again_and_again(self):
        """The initiator may stay in a stage (6.3.3); the answer does, too."""
        s = self.new()
        for _ in range(10):
            rsp = s.login_step(s.who(Options.target), OPERATIONAL, 0, transit=False)
            self.assertEqual((rsp.login_status, rsp.flags), (0, OPERATIONAL << 2))
        rsp = s.login_step(b"", OPERATIONAL, FULL_FEATURE)
        self.assertEqual((rsp.login_status, rsp.flags & 0x83), (0, TRANSIT | FULL_FEATURE))
        s.ping()

    def test_6_3_old_stage_after_a_transition(self):
        """A second request of the stage that was left."""
        s = self.new()
        self.assertEqual(s.login_step(s.who(Options.target), SECURITY, OPERATIONAL).login_status, 0)
        self.assert_login_fails(s, s.login_step(b"", SECURITY, OPERATIONAL),
                                INITIATOR_ERROR, INVALID)

    def test_6_3_full_feature_claimed_in_the_second_request(self):
        s = self.new()
        self.assertEqual(s.login_step(s.who(Options.target), SECURITY, OPERATIONAL).login_status, 0)
        self.assert_login_fails(s, s.login_step(b"", FULL_FEATURE, FULL_FEATURE),
                                INITIATOR_ERROR, INVALID)

    def test_11_12_immediate_bit_missing(self):
        """The I bit is part of the opcode byte of a Login Request. Whatever becomes of one
        without, CmdSN is not taken."""
        s = self.new()
        raw = bytearray(s.login_pdu(s.who(Options.target), OPERATIONAL, FULL_FEATURE))
        raw[0] = LOGIN
        try:
            s.send(bytes(raw))
            rsp = s.recv()
        except Closed:
            return
        self.assertEqual(rsp.opcode, LOGIN_RSP)
        if rsp.login_status == 0:
            self.assertEqual(rsp.exp_cmd_sn, s.cmd_sn)
            s.ping()

    def test_6_3_second_request_before_the_answer_to_the_first(self):
        """Two at once, the second one already of the next stage: in order, or the end."""
        s = self.new()
        first = s.login_pdu(s.who(Options.target), SECURITY, OPERATIONAL)
        s.send(first + s.login_pdu(b"", OPERATIONAL, FULL_FEATURE))
        try:
            self.assertEqual(s.recv().login_status, 0)
            self.assertIn(s.recv().login_status, (0, INITIATOR_ERROR, INVALID))
        except Closed:
            pass

    def test_11_12_header_with_additional_segments(self):
        s = self.new()
        s.send(s.login_pdu(s.who(Options.target), OPERATIONAL, FULL_FEATURE, ahs=bytes(8)))
        try:
            rsp = s.recv()
            self.assertEqual(rsp.opcode, LOGIN_RSP)
        except Closed:
            pass


class Versions(Provoked):
    def login(self, most, least):
        s = self.new()
        return s, s.login_step(s.who(Options.target), OPERATIONAL, FULL_FEATURE,
                               version_max=most, version_min=least)

    def test_11_12_4_each_range(self):
        """Version 0 is the only one there is: served where the range has it."""
        for most, least in ((0, 0), (1, 0), (255, 0), (1, 1), (255, 1), (255, 255)):
            with self.subTest(most=most, least=least):
                s, rsp = self.login(most, least)
                if least:
                    self.assert_login_fails(s, rsp, VERSION)
                else:
                    self.assertEqual((rsp.login_status, rsp.byte2, rsp.byte3), (0, 0, 0))
                    s.ping()
                s.close()

    def test_11_12_4_version_of_the_first_request_counts(self):
        """MUST use what the first request has."""
        s = self.new()
        rsp = s.login_step(s.who(Options.target), SECURITY, OPERATIONAL)
        self.assertEqual(rsp.login_status, 0)
        rsp = s.login_step(b"", OPERATIONAL, FULL_FEATURE, version_max=9, version_min=9)
        self.assertEqual((rsp.login_status, rsp.byte3), (0, 0))
        s.ping()


class Identifiers(Provoked):
    """The first request says who it is for; those that follow say the same (11.12.5 to 11.12.7)."""

    def amid(self, change, **kw):
        """A second request that differs in what @change changes."""
        s = self.new()
        rsp = s.login_step(s.who(Options.target), SECURITY, OPERATIONAL)
        self.assertEqual(rsp.login_status, 0)
        change(s)
        return s, s.login_step(b"", OPERATIONAL, FULL_FEATURE, **kw)

    def test_11_12_5_other_isid(self):
        s, rsp = self.amid(lambda s: setattr(s, "isid", b"\x80other"))
        self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_11_12_6_other_tsih(self):
        s, rsp = self.amid(lambda s: setattr(s, "tsih", self.witness.tsih))
        self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID, TOO_MANY, NO_SESSION,
                                CANT_INCLUDE)

    def test_11_12_7_other_cid(self):
        """MUST use the first; may refuse as well."""
        s, rsp = self.amid(lambda s: setattr(s, "cid", 9))
        if rsp.login_status:
            self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_11_12_other_tag(self):
        s, rsp = self.amid(lambda s: None, itt=0x77)
        if rsp.login_status:
            self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def refused(self, isid, tsih, cid, *statuses):
        t = self.new(isid=isid, tsih=tsih, cid=cid)
        self.assert_login_fails(t, t.login(Options.target), *statuses)

    def test_6_3_1_unknown_session(self):
        """TSIH that is none, with an ISID that is new or not: there is no such session."""
        s = self.session()
        none = next(n for n in range(1, 65536) if n not in (s.tsih, self.witness.tsih))
        for isid in (s.isid, b"\x80newly"):
            for cid in (0, 1):
                self.refused(isid, none, cid, NO_SESSION)
        s.ping()

    def test_6_3_1_session_of_another_isid(self):
        """The TSIH of a session with the ISID of none, and of another one."""
        s = self.session()
        for isid in (b"\x80newly", self.witness.isid):
            self.refused(isid, s.tsih, 0, NO_SESSION, TOO_MANY, CANT_INCLUDE)
        s.ping()
        self.witness.ping()

    def test_6_3_1_second_connection(self):
        s = self.session()
        for cid in (1, 77, 65535):
            self.refused(s.isid, s.tsih, cid, TOO_MANY, CANT_INCLUDE, NO_SESSION)
        s.ping()

    def test_6_3_1_each_kind_of_isid(self):
        """The first byte says how an ISID is made (11.12.5); the target compares, no more."""
        for kind in (0x00, 0x3f, 0x40, 0x80, 0xc0, 0xff):
            s = self.session(isid=bytes([kind]) + b"\x12\x34\x56\x78" + bytes([kind]))
            s.ping()
            s.close()

    def test_6_3_1_any_cid(self):
        for cid in (0, 1, 0x7fff, 0xffff):
            s = self.session(cid=cid)
            s.logout(1, cid=cid)
            rsp = s.expect(0x26)
            self.assertEqual(rsp.response, 0)
            self.assertTrue(s.is_closed())


class Answers(Provoked):
    def test_11_13_fields(self):
        """Each Login Response of a login in three steps: what is copied, counted, reserved."""
        s = self.new(cmd_sn=0x12345678)
        steps = ((SECURITY, OPERATIONAL, True), (OPERATIONAL, 0, False),
                 (OPERATIONAL, FULL_FEATURE, True))
        stat_sn = None
        for i, (csg, nsg, transit) in enumerate(steps):
            rsp = s.login_step(s.who(Options.target) if i == 0 else b"", csg, nsg, transit=transit,
                               itt=0xabcd)
            self.assertEqual(rsp.login_status, 0)
            self.assertEqual((rsp.itt, rsp.isid), (0xabcd, s.isid))
            self.assertEqual(rsp.tsih != 0, i == 2, "11.13.3: with the last one")
            if stat_sn is not None:
                self.assertEqual(rsp.stat_sn, (stat_sn + 1) & 0xffffffff, "11.13.4")
            stat_sn = rsp.stat_sn
            self.assertEqual(rsp.exp_cmd_sn, 0x12345678)
            self.assertEqual((rsp.byte2, rsp.byte3, rsp.bhs[4]), (0, 0, 0))
            self.assertEqual((rsp.bhs[20:24], rsp.bhs[38:48]), (bytes(4), bytes(10)), "reserved")
        s.tsih = rsp.tsih
        pdu = s.ping()
        self.assertEqual(pdu.stat_sn, (stat_sn + 1) & 0xffffffff, "4.2.2.2: the count goes on")

    def test_11_13_5_refusal(self):
        """Class and detail, no keys, no T; then the connection ends."""
        s = self.new()
        rsp = s.login("iqn.2026-11.io.ringlun:no-such")
        self.assertEqual((rsp.login_status, rsp.data, rsp.flags & 0xc0), (NOT_FOUND, b"", 0))
        self.assertEqual(rsp.tsih, 0)
        self.assertTrue(s.is_closed())

    def test_13_9_portal_group_tag_once(self):
        """In the first answer of a normal session, and not again."""
        s = self.new()
        rsp = s.login_step(s.who(Options.target), SECURITY, OPERATIONAL)
        self.assertTrue(0 <= int(rsp.keys()["TargetPortalGroupTag"]) <= 65535)
        rsp = s.login_step(s.OFFER, OPERATIONAL, FULL_FEATURE)
        self.assertNotIn("TargetPortalGroupTag", rsp.keys())

    def test_6_2_answer_to_a_text_in_parts(self):
        """While C says that more comes: no key, no T, the stage unchanged."""
        s = self.new()
        whole = text(dict(s.who(Options.target), **s.OFFER))
        for i in range(0, len(whole) - 16, 16):
            rsp = s.login_step(whole[i:i + 16], OPERATIONAL, 0, transit=False, more=True)
            self.assertEqual((rsp.login_status, rsp.data, rsp.flags), (0, b"", OPERATIONAL << 2))
        i += 16
        rsp = s.login_step(whole[i:], OPERATIONAL, FULL_FEATURE)
        self.assertEqual((rsp.login_status, rsp.flags & 0x83), (0, TRANSIT | FULL_FEATURE))

    def test_6_3_1_names_only_in_the_second_request(self):
        """They are wanted in the first."""
        for missing in ("InitiatorName", "TargetName"):
            s = self.new()
            keys = s.who(Options.target)
            del keys[missing]
            rsp = s.login_step(keys, SECURITY, OPERATIONAL)
            self.assert_login_fails(s, rsp, 0x0207)

    def test_4_2_4_nothing_but_logins_before_full_feature(self):
        """Each other request, as the first PDU and amid a login: the connection ends, without
        an answer of its kind."""
        for opcode in (0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x10, 0x1f):
            for amid in (False, True):
                with self.subTest(opcode=opcode, amid=amid):
                    s = self.new()
                    if amid:
                        s.login_step(s.who(Options.target), SECURITY, OPERATIONAL)
                    s.send(pack(opcode | 0x40, 0x80, itt=5, rest=struct.pack(
                        ">III", 0xffffffff, s.cmd_sn, 0)))
                    try:
                        while True:
                            pdu = s.recv()
                            self.assertIn(pdu.opcode, (LOGIN_RSP, 0x3f))
                            if pdu.opcode == LOGIN_RSP:
                                self.assertEqual(pdu.login_status >> 8, 2)
                    except Closed:
                        pass


if __name__ == "__main__":
    main()
