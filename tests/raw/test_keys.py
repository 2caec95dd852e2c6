#!/usr/bin/python3
"""Keys on the wire: RFC 7143 6.1, 6.2, 6.4 and section 13. What each value of each key comes to is a
table in tests/unit/target/iscsi/params_rows.h; here is what only whole PDUs can show."""

from iscsi_raw import (CONTINUE, FINAL, FULL_FEATURE, GOOD, NO_TAG, OPERATIONAL, REJECT, SECURITY,
                       TEXT_RSP, TRANSIT, Closed, inquiry, read10, text)
from rawtest import INITIATOR, Options, Provoked, main

INITIATOR_ERROR, INVALID, NO_RESOURCES = 0x0200, 0x020b, 0x0302


class LoginKeys(Provoked):
    def offer(self, keys, discovery=False):
        """A login from the operational stage with just these keys. Returns session, response."""
        s = self.new()
        whole = text(s.who(None if discovery else Options.target, discovery)) + text(keys)
        return s, s.login_step(whole, OPERATIONAL, FULL_FEATURE)

    def refused(self, keys):
        s, rsp = self.offer(keys)
        self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def answers(self, keys, **kw):
        s, rsp = self.offer(keys, **kw)
        self.assertEqual(rsp.login_status, 0, "%04x for %r" % (rsp.login_status, keys))
        s.agreed = dict(s.RFC_DEFAULTS)
        if not kw.get("discovery"):
            s.ping()
        s.close()
        return rsp.keys()

    def test_6_2_cut_at_each_byte(self):
        """Two PDUs, the cut in a name, at the =, in a value, amid a UTF-8 character, behind a NUL:
        the same answer always."""
        s = self.new()
        keys = dict(s.who(Options.target), InitiatorAlias="\u00e4\u6f22\U0001f4be", **s.OFFER)
        keys["X-com.example.\u0061"] = "\u00e9"
        whole = text(keys)
        want = None
        for cut in range(len(whole) + 1):
            with self.subTest(cut=cut):
                s = self.new()
                rsp = s.login_step(whole[:cut], OPERATIONAL, 0, transit=False, more=True)
                self.assertEqual((rsp.login_status, rsp.data), (0, b""))
                rsp = s.login_step(whole[cut:], OPERATIONAL, FULL_FEATURE)
                self.assertEqual((rsp.login_status, rsp.flags & 0x83), (0, TRANSIT | FULL_FEATURE))
                want = want or rsp.data
                self.assertEqual(rsp.data, want)
                s.close()

    def test_6_1_longest_name(self):
        self.assertEqual(self.answers({"X" + "-" * 62: "1"})["X" + "-" * 62], "NotUnderstood")
        self.refused({"X" + "-" * 63: "1"})

    def test_6_1_longest_value(self):
        self.assertEqual(self.answers({"X-a": "v" * 255})["X-a"], "NotUnderstood")
        self.refused({"X-a": "v" * 256})

    def test_6_1_longest_alias(self):
        self.assertNotIn("InitiatorAlias", self.answers({"InitiatorAlias": "\u00e4" * 127 + "a"}))
        self.refused({"InitiatorAlias": "\u00e4" * 128})

    def test_6_1_list_longer_than_a_value(self):
        """255 bytes are the limit of one value in a list, not of the list."""
        names = ["X-com.example.%03d-%s" % (i, "x" * 200) for i in range(10)]
        for key in ("HeaderDigest", "DataDigest"):
            self.assertEqual(self.answers({key: ",".join(names + ["None"])})[key], "None")
            self.assertEqual(self.answers({key: ",".join(names)})[key], "Reject")
        self.refused({"HeaderDigest": "x" * 256 + ",None"})

    def test_6_2_more_answers_than_a_pdu_holds(self):
        """Unknown keys whose NotUnderstoods exceed 8192 bytes: in parts, or refused; the target
        does not send more than the initiator takes before it has said what (13.12)."""
        s = self.new()
        names = ["X-com.example.%04d" % i for i in range(600)]
        whole = text(s.who(Options.target)) + text([(n, "1") for n in names])
        try:
            while len(whole) > 8000:
                rsp = s.login_step(whole[:8000], OPERATIONAL, 0, transit=False, more=True)
                whole = whole[8000:]
            rsp = s.login_step(whole, OPERATIONAL, FULL_FEATURE)
        except Closed:
            return
        self.assertLessEqual(len(rsp.data), 8192)
        if rsp.login_status:
            self.assertIn(rsp.login_status, (NO_RESOURCES, INITIATOR_ERROR))
            self.assertTrue(s.is_closed())

    def test_6_2_answers_at_the_end_of_a_pdu(self):
        """As many unknown keys as fill the answer to the last byte, and one byte more."""
        s = self.new()
        rsp = s.login_step(s.who(Options.target), OPERATIONAL, FULL_FEATURE)
        room = 8192 - len(rsp.data)     # what stands in each answer
        full = [("X%03d%s" % (i, "-" * 56), "1") for i in range((room - 100) // 75)]
        s.close()
        for extra in range(room - 75 * len(full) - 8, room - 75 * len(full) + 8):
            tail = [("X" * (extra - 15), "1")] if 16 <= extra <= 78 else \
                [("Y" * 20, "1"), ("X" * (extra - 50), "1")]
            with self.subTest(extra=extra):
                s, rsp = self.offer(full + tail)
                fits = 75 * len(full) + extra <= room
                self.assertEqual(rsp.login_status == 0, fits, "%04x" % rsp.login_status)
                if fits:
                    self.assertEqual(len(rsp.data), 8192 - room + 75 * len(full) + extra)
                s.close()

    def test_6_2_one_answer_for_each_key(self):
        """Those that are negotiated are answered once, those that are declared not at all."""
        keys = dict(self.witness.OFFER, InitiatorAlias="me", AnyKey="1", TaskReporting="RFC3720",
                    iSCSIProtocolLevel="1")
        got = self.answers(keys)
        for key, value in got.items():
            self.assertIsInstance(value, str, "%s is answered twice" % key)
        for key in keys:
            if key != "InitiatorAlias":
                self.assertIn(key, got)
        for key in ("InitiatorAlias", "InitiatorName", "TargetName", "SessionType"):
            self.assertNotIn(key, got)

    def test_6_2_unknown_keys(self):
        for key in ("X-com.example.key", "X#Registered", "Y-digest", "Z-auth", "MaxBurstlength",
                    "Foo", "a", "A.b-c+d@e_f"):
            with self.subTest(key=key):
                self.assertEqual(self.answers({key: "1"})[key], "NotUnderstood")

    def test_6_2_values_that_are_none(self):
        """Reject, and what was before stays (6.2.2)."""
        for key, values in {
                "MaxBurstLength": ("511", "16777216", "0", "", "-512", "1e6", "0x", "0xfffffffff",
                                   "18446744073709552128", "512 ", " 512", "0512", "512,1024"),
                "InitialR2T": ("yes", "no", "1", "", "Yes,No", "YES"),
                "MaxConnections": ("0", "65536"),
                "DefaultTime2Wait": ("3601", "-1"),
                "ErrorRecoveryLevel": ("3", "a"),
                "MaxOutstandingR2T": ("0", "65536"),
                "HeaderDigest": ("none", "", "MD5")}.items():
            for value in values:
                with self.subTest(key=key, value=value):
                    self.assertEqual(self.answers({key: value})[key], "Reject")

    def test_6_2_numbers_in_each_form(self):
        for value in ("4096", "0x1000", "0X1000", "0x00001000"):
            self.assertEqual(self.answers({"MaxBurstLength": value})["MaxBurstLength"], "4096")
        for value in ("bAAAQAA==", "0bEAA=", "0b1000000000000"):    # binary values are no numbers
            self.assertEqual(self.answers({"MaxBurstLength": value})["MaxBurstLength"], "Reject")

    def test_6_2_reserved_words_as_offers(self):
        for word in ("Reject", "Irrelevant", "NotUnderstood"):
            for key in ("MaxBurstLength", "InitialR2T", "HeaderDigest"):
                with self.subTest(key=key, word=word):
                    self.refused({key: word})

    def test_6_2_reserved_word_as_answer_to_nothing(self):
        """Nobody asked for this key; an answer to it would be a loop."""
        self.assertNotIn("X-com.example.a", self.answers({"X-com.example.a": "NotUnderstood"}))

    def test_6_3_key_negotiated_again(self):
        """In one request, and in a later one of the same login."""
        for key, value in (("MaxBurstLength", "4096"), ("InitialR2T", "Yes"),
                           ("HeaderDigest", "None"), ("ErrorRecoveryLevel", "0")):
            for other in (value, "512"):
                with self.subTest(key=key, other=other):
                    self.refused([(key, value), (key, other)])
                    s = self.new()
                    keys = dict(s.who(Options.target), **{key: value})
                    rsp = s.login_step(keys, OPERATIONAL, 0, transit=False)
                    self.assertEqual(rsp.login_status, 0)
                    rsp = s.login_step({key: other}, OPERATIONAL, FULL_FEATURE)
                    self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_6_3_name_declared_otherwise(self):
        for key, value in (("InitiatorName", "iqn.2026-11.io.ringlun.test:x"),
                           ("TargetName", "iqn.2026-11.io.ringlun:x"),
                           ("SessionType", "Discovery"), ("MaxRecvDataSegmentLength", "1024")):
            with self.subTest(key=key):
                s = self.new()
                keys = dict(s.who(Options.target), MaxRecvDataSegmentLength="512")
                rsp = s.login_step(keys, SECURITY, OPERATIONAL)
                self.assertEqual(rsp.login_status, 0)
                rsp = s.login_step({key: value}, OPERATIONAL, FULL_FEATURE)
                self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_12_keys_of_the_wrong_stage(self):
        for stage, keys in ((SECURITY, ("MaxBurstLength=4096", "HeaderDigest=None",
                                        "InitialR2T=Yes", "SendTargets=All")),
                            (OPERATIONAL, ("AuthMethod=None", "SendTargets=All",
                                           "SendTargets="))):
            for key in keys:
                with self.subTest(stage=stage, key=key):
                    s = self.new()
                    whole = text(s.who(Options.target)) + key.encode() + b"\0"
                    rsp = s.login_step(whole, stage, stage + 1 if stage == SECURITY else 3)
                    self.assert_login_fails(s, rsp, INITIATOR_ERROR, INVALID)

    def test_13_keys_that_only_targets_send(self):
        for key, value in (("TargetAddress", "10.0.0.1:3260,1"), ("TargetAlias", "x"),
                           ("TargetPortalGroupTag", "1")):
            with self.subTest(key=key):
                self.refused({key: value})

    def test_6_2_result_functions(self):
        """AND, OR, minimum, maximum: against the target's own values, as its answers to the
        widest offer tell them."""
        own = self.answers({"InitialR2T": "No", "ImmediateData": "Yes", "DataPDUInOrder": "No",
                            "DataSequenceInOrder": "No", "MaxConnections": "65535",
                            "MaxBurstLength": "16777215", "FirstBurstLength": "16777215",
                            "MaxOutstandingR2T": "65535", "DefaultTime2Wait": "0",
                            "DefaultTime2Retain": "3600", "ErrorRecoveryLevel": "2"})
        for key in ("InitialR2T", "DataPDUInOrder", "DataSequenceInOrder"):
            self.assertEqual(self.answers({key: "Yes"})[key], "Yes")
        self.assertEqual(self.answers({"ImmediateData": "No"})["ImmediateData"], "No")
        for key, least in (("MaxConnections", 1), ("MaxBurstLength", 512),
                           ("MaxOutstandingR2T", 1), ("DefaultTime2Retain", 0),
                           ("ErrorRecoveryLevel", 0)):
            for n in {least, int(own[key]) - 1, int(own[key]), int(own[key]) + 1}:
                if n >= least and (key, n) != ("ErrorRecoveryLevel", 3):
                    self.assertEqual(int(self.answers({key: str(n)})[key]), min(n, int(own[key])))
        for n in (0, 1, int(own["DefaultTime2Wait"]) + 1, 3600):
            self.assertEqual(int(self.answers({"DefaultTime2Wait": str(n)})["DefaultTime2Wait"]),
                             max(n, int(own["DefaultTime2Wait"])))

    def test_13_14_first_burst_hangs_on_others(self):
        """Never above MaxBurstLength, wherever that stands; nothing where nothing is unasked."""
        for keys in ([("FirstBurstLength", "65536"), ("MaxBurstLength", "4096")],
                     [("MaxBurstLength", "4096"), ("FirstBurstLength", "65536")]):
            self.assertEqual(self.answers(keys)["FirstBurstLength"], "4096")
        self.assertEqual(self.answers([("FirstBurstLength", "512"), ("InitialR2T", "Yes"),
                                       ("ImmediateData", "No")])["FirstBurstLength"], "Irrelevant")

    def test_13_21_session_type_is_normal_where_nothing_is_said(self):
        s = self.new()
        keys = s.who(Options.target)
        del keys["SessionType"]
        rsp = s.login_step(keys, OPERATIONAL, FULL_FEATURE)
        self.assertEqual(rsp.login_status, 0)
        self.assertEqual(s.settle(), GOOD)

    def test_13_irrelevant_in_discovery(self):
        keys = {"MaxConnections": "1", "InitialR2T": "Yes", "ImmediateData": "Yes",
                "MaxBurstLength": "65536", "FirstBurstLength": "4096", "MaxOutstandingR2T": "1",
                "DataPDUInOrder": "Yes", "DataSequenceInOrder": "Yes"}
        self.assertEqual(self.answers(keys, discovery=True), dict(
            {k: "Irrelevant" for k in keys}, MaxRecvDataSegmentLength=self.answers(
                {}, discovery=True)["MaxRecvDataSegmentLength"]))

    def test_13_25_obsolete_markers(self):
        """MUST NOT be NotUnderstood; the intervals MUST be Reject."""
        got = self.answers({"OFMarker": "Yes", "IFMarker": "Yes", "OFMarkInt": "512~1024",
                            "IFMarkInt": "2048"})
        self.assertIn(got["OFMarker"], ("No", "Reject"))
        self.assertIn(got["IFMarker"], ("No", "Reject"))
        self.assertEqual((got["OFMarkInt"], got["IFMarkInt"]), ("Reject", "Reject"))

    def test_13_26_node_architecture_is_only_noted(self):
        self.assertNotIn("X#NodeArchitecture",
                         self.answers({"X#NodeArchitecture": "OS,version,arch"}))


class TextKeys(Provoked):
    """Keys in full feature phase (6.4)."""

    def whole_exchange(self, s, parts):
        itt, ttt = s.new_itt(), NO_TAG
        for part in parts[:-1]:
            s.text(part, itt=itt, field20=ttt, flags=CONTINUE)
            pdu = s.expect(TEXT_RSP)
            self.assertEqual((pdu.itt, pdu.data, pdu.final), (itt, b"", False))
            self.assertFalse(pdu.flags & CONTINUE)
            self.assertNotEqual(pdu.ttt, NO_TAG)
            ttt = pdu.ttt
        s.text(parts[-1], itt=itt, field20=ttt, flags=FINAL)
        pdu = s.expect(TEXT_RSP)
        self.assertEqual((pdu.itt, pdu.ttt, pdu.final), (itt, NO_TAG, True))
        return pdu

    def test_6_2_cut_at_each_byte(self):
        s = self.session()
        whole = text({"InitiatorAlias": "\u00e4\u6f22", "X-com.example.a": "1", "SendTargets": ""})
        want = self.whole_exchange(s, [whole]).data
        for cut in range(len(whole) + 1):
            with self.subTest(cut=cut):
                self.assertEqual(self.whole_exchange(s, [whole[:cut], whole[cut:]]).data, want)
        parts = [whole[i:i + 1] for i in range(len(whole))]
        self.assertEqual(self.whole_exchange(s, parts).data, want)

    def segments(self, s):
        bs = self.block_bytes(s)
        r = s.read(read10(0, 8), 8 * bs)
        self.assertEqual(r.status, GOOD)
        return max(len(p.data) for p in r.data_ins)

    def test_7_12_a_text_that_fails_changes_nothing(self):
        s = self.session({"MaxRecvDataSegmentLength": "1024"})
        for bad in (b"Oops\0", b"MaxRecvDataSegmentLength=1\0", b"TargetAlias=x\0",
                    b"X-a=1\0X-b"):
            s.text(b"MaxRecvDataSegmentLength=512\0" + bad)
            pdu = s.expect(REJECT)
            s.cmd_sn = pdu.exp_cmd_sn
            self.assertEqual(self.segments(s), 1024)

    def test_13_12_segment_length_said_again(self):
        s = self.session({"MaxRecvDataSegmentLength": "1024"})
        for n in (512, 2048, 700):
            s.text({"MaxRecvDataSegmentLength": str(n)})
            self.assertEqual(s.expect(TEXT_RSP).data, b"", "a declaration has no answer")
            self.assertEqual(self.segments(s), n)

    def test_6_4_login_keys_are_rejected(self):
        """One by one, with a value that would be allowed in the login; nothing of it holds."""
        s = self.session()
        for key, value in dict(s.OFFER, AuthMethod="None", TaskReporting="RFC3720").items():
            if key == "MaxRecvDataSegmentLength":
                continue
            with self.subTest(key=key):
                s.text({key: value})
                self.assertEqual(s.expect(TEXT_RSP).keys(), {key: "Reject"})
        self.assertEqual(s.read(inquiry(36), 36).status, GOOD)

    def test_13_names_are_for_logins(self):
        for key, value in (("InitiatorName", INITIATOR), ("TargetName", Options.target),
                           ("SessionType", "Normal")):
            with self.subTest(key=key):
                s = self.session()
                s.text({key: value})
                self.assertIn(self.assert_broken(s, key), ("reject", "closed"))


if __name__ == "__main__":
    main()
