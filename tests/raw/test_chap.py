#!/usr/bin/python3
"""CHAP: RFC 7143 12.1.3, 9.2.1; RFC 1994. Against a server of its own, with users."""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import chap  # noqa: E402
import ringlun  # noqa: E402
from api import Api  # noqa: E402
from chap import Handshake, base_64, binary, hexadecimal  # noqa: E402
from iscsi_raw import (CONTINUE, FULL_FEATURE, GOOD, OPERATIONAL, SECURITY, TRANSIT,  # noqa: E402
                       Closed, Session)
from rawtest import INITIATOR, Options, RawTest, main  # noqa: E402

INITIATOR_ERROR, AUTH, MISSING = 0x0200, 0x0201, 0x0207
MALFORMED = (INITIATOR_ERROR, AUTH, MISSING)    # the RFC leaves open which
ALICE, BOB = ("alice", "alices-secret-1"), ("bob", "bobs-own-secret2")
EVE = ("eve", "whatever-it-is-3")
HOST, SCOUT = ("the-target", "targets-secret-4"), ("scout", "scouts-secret-5")
ONE_WAY, BOTH, NOBODY = (ringlun.IQN + name for name in ("oneway", "both", "nobody"))


def users(*pairs):
    return [{"user": user, "secret": secret} for user, secret in pairs]


class Chap(RawTest):
    server = None

    @classmethod
    def setUpClass(cls):
        if not Options.own:
            return
        cls.server = ringlun.Server("raw-chap", {}).start()
        cls.api = Api(cls.server.api)
        for name in ("oneway", "both", "nobody"):
            cls.api.job("POST", "/v1/volumes", {"name": name, "size": 16 << 20})
        cls.api.job("PUT", "/v1/targets/oneway/chap", {"users": users(ALICE, BOB)})
        cls.api.job("PUT", "/v1/targets/both/chap",
                    {"users": users(ALICE), "mutual": users(HOST)[0]})

    @classmethod
    def tearDownClass(cls):
        if cls.server:
            try:
                cls.server.stop()
            finally:
                cls.server.cleanup()

    def setUp(self):
        super().setUp()
        if not self.server:
            self.skipTest("the server is somebody else's")

    def hand(self, target=ONE_WAY, who=ALICE, initiator=INITIATOR):
        s = Session(("127.0.0.1", self.server.port), initiator)
        self.open.append(s)
        return Handshake(s, target, *who)

    def close(self, h):
        h.session.close()

    def assert_in(self, h, rsp):
        """Out of the security stage, and all the way to a disk that answers."""
        self.assertEqual(rsp.login_status, 0, "%04x" % rsp.login_status)
        self.assertEqual(rsp.flags, TRANSIT | SECURITY << 2 | OPERATIONAL)
        s = h.session
        rsp = s.login_step(s.RFC_DEFAULTS if h.target else b"", OPERATIONAL, FULL_FEATURE)
        while rsp.login_status == 0 and not rsp.flags & TRANSIT:
            rsp = s.login_step(b"", OPERATIONAL, FULL_FEATURE)
        self.assertEqual(rsp.login_status, 0)
        if h.target:
            s.agreed = dict(s.RFC_DEFAULTS)
            self.assertEqual(s.settle(), GOOD)
        s.close()

    def assert_refused(self, h, rsp, *statuses):
        self.assertNotIn("CHAP_R", rsp.keys())
        self.assert_login_fails(h.session, rsp, *(statuses or (AUTH,)))

    # --- who gets in ------------------------------------------------------------------

    def test_12_1_3_each_algorithm_and_user(self):
        for algorithm in chap.HASHES:
            for who in (ALICE, BOB):
                with self.subTest(algorithm=algorithm, user=who[0]):
                    h = self.hand(who=who).begin(algorithm)
                    self.assertEqual(h.algorithm, algorithm)
                    rsp = h.prove()
                    self.assertEqual({k for k in rsp.keys() if k.startswith("CHAP")}, set())
                    self.assert_in(h, rsp)

    def test_12_1_3_the_strongest_that_is_offered(self):
        for offered, chosen in (("5,6,7,8", 8), ("8,7,6,5", 8), ("5,7", 7), ("6,5", 6),
                                ("5,9,200", 5), ("0x8,5", 8), ("5,99999999999999", 5)):
            with self.subTest(offered=offered):
                h = self.hand().begin(offered)
                self.assertEqual(h.algorithm, chosen)
                self.assert_in(h, h.prove())

    def test_12_1_3_no_algorithm_in_common(self):
        for offered in ("9", "0", "4,9", "MD5", "", "-5", "05"):
            with self.subTest(offered=offered):
                h = self.hand()
                h.method()
                self.assert_refused(h, h.algorithms(offered))

    def test_12_1_chap_is_chosen_where_it_is_required(self):
        for offered in ("CHAP", "CHAP,None", "None,CHAP", "KRB5,None,SRP,CHAP"):
            for transit in (False, True):
                with self.subTest(offered=offered, transit=transit):
                    h = self.hand()
                    rsp = h.method(offered, transit=transit)
                    self.assertEqual((rsp.login_status, rsp.flags), (0, SECURITY << 2))
                    self.assertEqual(rsp.keys(), {"AuthMethod": "CHAP",
                                                  "TargetPortalGroupTag": "1"})
                    self.assertEqual(h.algorithms().login_status, 0)
                    self.assert_in(h, h.prove())

    def test_12_1_without_chap_nobody_gets_in(self):
        for offered in ("None", "KRB5,None", "SRP", "chap", ""):
            with self.subTest(offered=offered):
                h = self.hand()
                self.assert_refused(h, h.method(offered, transit=True))

    def test_12_1_security_stage_skipped(self):
        for target in (ONE_WAY, BOTH):
            s = self.hand(target).session
            self.assert_login_fails(s, s.login(target), AUTH)
        s = self.hand().session
        rsp = s.login_step(s.who(ONE_WAY), OPERATIONAL, FULL_FEATURE, transit=False)
        self.assert_login_fails(s, rsp, AUTH)

    def test_6_3_2_stage_that_says_nothing_cannot_be_left(self):
        for nsg in (OPERATIONAL, FULL_FEATURE):
            s = self.hand().session
            rsp = s.login_step(s.who(ONE_WAY), SECURITY, nsg)
            self.assertEqual((rsp.login_status, rsp.flags), (0, SECURITY << 2))
            rsp = s.login_step(b"", OPERATIONAL, FULL_FEATURE)
            self.assert_login_fails(s, rsp, INITIATOR_ERROR, AUTH, 0x020b)

    def test_12_1_target_without_users_asks_nobody(self):
        h = self.hand(NOBODY)
        rsp = h.method("CHAP,None", transit=True)
        self.assertEqual(rsp.keys()["AuthMethod"], "None")
        self.assert_in(h, rsp)
        h = self.hand(NOBODY)
        self.assert_refused(h, h.method("CHAP", transit=True))
        h = self.hand(NOBODY)
        h.method("CHAP,None")
        self.assert_refused(h, h.algorithms(), INITIATOR_ERROR)

    def test_12_1_3_straight_to_full_feature(self):
        h = self.hand().begin()
        s = h.session
        keys = {"CHAP_N": h.user, "CHAP_R": hexadecimal(h.response())}
        rsp = s.login_step(keys, SECURITY, FULL_FEATURE)
        self.assertEqual((rsp.login_status, rsp.flags & 0x83), (0, TRANSIT | FULL_FEATURE))

    # --- how values are written ------------------------------------------------------------

    def test_6_1_each_encoding(self):
        for encode in (hexadecimal, base_64, lambda b: "0X" + b.hex().upper(),
                       lambda b: base_64(b).replace("0b", "0B", 1)):
            for algorithm in chap.HASHES:
                h = self.hand().begin(algorithm)
                self.assert_in(h, h.prove(encode=encode))

    def test_6_1_values_that_are_none(self):
        right = 16 * b"\0"
        for value in ("", "0", "0x", "0b", "00" * 16, "0x" + "0g" * 16, "0x" + "0" * 31,
                      "0x" + "0" * 33, base_64(right)[:-1], base_64(right)[:-2],
                      base_64(right) + "=", base_64(right)[:-3] + "B==", "0b" + "*" * 24,
                      "0b" + "A" * 24, "0b====", hexadecimal(right[:-1]),
                      hexadecimal(right + b"\0"), base_64(right[:-1]), base_64(right * 64),
                      hexadecimal(right * 64), "0x" + "00" * 1025, "0x" + "00" * 3000):
            with self.subTest(value=value[:40], length=len(value)):
                h = self.hand().begin(chap.MD5)
                self.assert_refused(h, h.prove({"CHAP_R": value}), *MALFORMED)

    def test_12_1_3_longest_user(self):
        h = self.hand(who=("u" * 255, "x")).begin()
        self.assert_refused(h, h.prove(), AUTH)
        h = self.hand(who=("u" * 256, "x")).begin()
        self.assert_refused(h, h.prove(), *MALFORMED)

    def test_6_2_a_text_in_parts(self):
        h = self.hand().begin()
        whole = b"CHAP_N=alice\0CHAP_R=" + hexadecimal(h.response()).encode() + b"\0"
        for part in (whole[:3], whole[3:30]):
            rsp = h.step(part, flags=CONTINUE | SECURITY << 2)
            self.assertEqual((rsp.login_status, rsp.flags, rsp.data), (0, SECURITY << 2, b""))
        self.assert_in(h, h.step(whole[30:], transit=True))

    # --- who does not -----------------------------------------------------------------------

    def test_12_1_3_wrong_proofs(self):
        for algorithm in chap.HASHES:
            for user, secret in ((ALICE[0], EVE[1]), (ALICE[0], BOB[1]), (BOB[0], ALICE[1]),
                                 EVE, (EVE[0], ALICE[1]), ("", ALICE[1]), ("Alice", ALICE[1]),
                                 ("alice ", ALICE[1]), (ALICE[0], ALICE[1][:-1]),
                                 (ALICE[0], ALICE[1] + "x"), (ALICE[0], ""), SCOUT):
                with self.subTest(algorithm=algorithm, user=user):
                    h = self.hand(who=(user, secret)).begin(algorithm)
                    self.assert_refused(h, h.prove())

    def test_12_1_3_unknown_user_and_wrong_secret_look_alike(self):
        answers = []
        for who in (EVE, (ALICE[0], EVE[1])):
            h = self.hand(who=who).begin()
            rsp = h.prove()
            self.assert_refused(h, rsp)
            answers.append((rsp.bhs[:8], rsp.bhs[14:], rsp.data))
        self.assertEqual(*answers)

    def test_12_1_3_one_bit_of_the_response(self):
        for bit in (0, 7, 8, 127, 128, 255):
            h = self.hand().begin(chap.SHA256)
            wrong = bytearray(h.response())
            wrong[bit // 8] ^= 1 << bit % 8
            self.assert_refused(h, h.prove({"CHAP_R": hexadecimal(wrong)}))

    def test_12_1_3_response_to_an_older_challenge(self):
        old = self.hand().begin(chap.SHA256)
        response = hexadecimal(old.response())
        self.assert_in(old, old.prove())
        h = self.hand().begin(chap.SHA256)
        self.assert_refused(h, h.prove({"CHAP_R": response}))

    def test_12_1_3_another_algorithm_than_agreed(self):
        h = self.hand().begin("8,7")
        h.algorithm = chap.SHA256   # as long
        self.assert_refused(h, h.prove())

    def test_1994_each_challenge_is_new(self):
        seen, identifiers = set(), set()
        for algorithm in list(chap.HASHES) * 6:
            h = self.hand().begin(algorithm)
            self.assertEqual(len(h.challenge), len(h.response()))
            seen.add(h.challenge)
            identifiers.add(h.identifier)
            self.close(h)
        self.assertEqual(len(seen), 24)
        self.assertGreater(len(identifiers), 4)

    # --- order -------------------------------------------------------------------------------

    def test_12_1_3_keys_before_their_turn(self):
        proof = {"CHAP_N": "alice", "CHAP_R": "0x" + "00" * 32}
        ours = {"CHAP_I": "1", "CHAP_C": "0x1234"}
        for early in ({"CHAP_A": "7"}, proof, ours, {"CHAP_A": "7", **proof}):
            h = self.hand()
            self.assert_refused(h, h.method(more=early), *MALFORMED)
            h = self.hand()
            keys = h.session.who(ONE_WAY)
            self.assert_refused(h, h.step({**keys, **early}), *MALFORMED)
        for early in (proof, ours, {**proof, "CHAP_A": "7"}):
            h = self.hand()
            h.method()
            self.assert_refused(h, h.step(early), *MALFORMED)

    def test_12_1_3_keys_after_their_turn(self):
        h = self.hand(BOTH).begin()
        self.assertEqual(h.prove(transit=False).login_status, 0)
        self.assert_refused(h, h.step({"CHAP_I": "1", "CHAP_C": "0x1234"}), *MALFORMED)
        h = self.hand().begin()
        self.assertEqual(h.prove().login_status, 0)
        rsp = h.session.login_step({"CHAP_N": "alice"}, OPERATIONAL, FULL_FEATURE)
        self.assert_refused(h, rsp, *MALFORMED)

    def test_6_3_keys_twice(self):
        h = self.hand()
        h.method()
        self.assert_refused(h, h.step([("CHAP_A", "7"), ("CHAP_A", "7")]), *MALFORMED)
        h = self.hand().begin()
        self.assert_refused(h, h.step({"CHAP_A": "7"}), *MALFORMED)
        h = self.hand()
        h.method()
        self.assert_refused(h, h.step({"AuthMethod": "CHAP"}), *MALFORMED)
        for key in ("CHAP_N", "CHAP_R"):
            h = self.hand().begin()
            keys = {"CHAP_N": h.user, "CHAP_R": hexadecimal(h.response())}
            self.assert_refused(h, h.step([*keys.items(), (key, keys[key])]), *MALFORMED)

    def test_12_1_3_keys_that_miss_others(self):
        for keys in ({"CHAP_R": None}, {"CHAP_N": None}, {"CHAP_I": "1"}, {"CHAP_C": "0x1234"},
                     {"CHAP_N": None, "CHAP_R": None, "CHAP_I": "1", "CHAP_C": "0x1234"}):
            with self.subTest(keys=keys):
                h = self.hand(BOTH).begin()
                self.assert_refused(h, h.prove(keys), *MALFORMED)

    def test_12_1_3_stage_cannot_be_left_before_the_proof(self):
        h = self.hand()
        rsp = h.method(transit=True)
        self.assertEqual((rsp.login_status, rsp.flags), (0, SECURITY << 2))
        rsp = h.step({}, transit=True)
        self.assertEqual((rsp.login_status, rsp.flags, rsp.data), (0, SECURITY << 2, b""))
        rsp = h.algorithms(transit=True)
        self.assertEqual((rsp.login_status, rsp.flags), (0, SECURITY << 2))
        rsp = h.step({}, transit=True)
        self.assertEqual((rsp.login_status, rsp.flags, rsp.data), (0, SECURITY << 2, b""))
        rsp = h.prove(transit=False)
        self.assertEqual((rsp.login_status, rsp.flags), (0, SECURITY << 2))
        self.assert_in(h, h.step({}, transit=True))

    def test_12_1_3_other_stage_before_the_proof(self):
        for steps in range(3):
            h = self.hand()
            for step in (h.method, h.algorithms)[:steps]:
                step()
            s = h.session
            keys = {} if steps else s.who(ONE_WAY)
            rsp = s.login_step(keys, OPERATIONAL, FULL_FEATURE)
            self.assert_login_fails(s, rsp, INITIATOR_ERROR, AUTH, 0x020b)

    def test_12_1_3_no_proof_for_ever(self):
        h = self.hand().begin()
        try:
            for n in range(100):
                rsp = h.step({})
                if rsp.login_status:
                    break
        except Closed:
            self.fail("closed without an answer")
        self.assertLess(n, 20)
        self.assert_refused(h, rsp)

    # --- the other direction -----------------------------------------------------------------

    def prove_both(self, h, identifier, challenge, encode=hexadecimal):
        rsp = h.prove({"CHAP_I": str(identifier), "CHAP_C": encode(challenge)})
        self.assertEqual(rsp.login_status, 0, "%04x" % rsp.login_status)
        keys = rsp.keys()
        self.assertEqual(keys["CHAP_N"], HOST[0])
        self.assertEqual(binary(keys["CHAP_R"]),
                         chap.digest(h.algorithm, identifier, HOST[1], challenge))
        self.assert_in(h, rsp)

    def test_12_1_3_target_proves_itself(self):
        for algorithm in chap.HASHES:
            for identifier, challenge in ((0, b"\0"), (255, os.urandom(16)), (1, os.urandom(32)),
                                          (7, os.urandom(1024))):
                for encode in (hexadecimal, base_64):
                    with self.subTest(algorithm=algorithm, length=len(challenge)):
                        h = self.hand(BOTH).begin(algorithm)
                        self.prove_both(h, identifier, challenge, encode)

    def test_12_1_3_target_proves_itself_only_where_it_is_asked(self):
        h = self.hand(BOTH).begin()
        rsp = h.prove()
        self.assertNotIn("CHAP_R", rsp.keys())
        self.assert_in(h, rsp)

    def test_12_1_3_target_proves_itself_only_to_who_has(self):
        for who in (EVE, (ALICE[0], EVE[1]), HOST):
            h = self.hand(BOTH, who).begin()
            rsp = h.prove({"CHAP_I": "1", "CHAP_C": "0x1234"})
            self.assertEqual(rsp.data, b"")
            self.assert_refused(h, rsp)

    def test_12_1_3_target_that_cannot_prove_itself(self):
        h = self.hand(ONE_WAY).begin()
        self.assert_refused(h, h.prove({"CHAP_I": "1", "CHAP_C": "0x1234"}))

    def test_9_2_1_our_challenge_comes_back(self):
        for same in (True, False):
            h = self.hand(BOTH).begin()
            rsp = h.prove({"CHAP_I": str((h.identifier + (not same)) % 256),
                           "CHAP_C": base_64(h.challenge)})
            self.assert_refused(h, rsp)

    def test_9_2_1_reflection_over_two_connections(self):
        """Whoever has no secret wants the target to answer its own challenge elsewhere."""
        wanted = self.hand(BOTH, HOST).begin(chap.SHA256)
        helper = self.hand(BOTH, HOST).begin(chap.SHA256)
        rsp = helper.prove({"CHAP_I": str(wanted.identifier),
                            "CHAP_C": hexadecimal(wanted.challenge),
                            "CHAP_R": hexadecimal(os.urandom(32))})
        self.assert_refused(helper, rsp)
        self.assert_refused(wanted, wanted.prove())     # by the target's own name and secret

    def test_12_1_3_challenges_that_are_none(self):
        for keys in ({"CHAP_I": "256"}, {"CHAP_I": "-1"}, {"CHAP_I": ""}, {"CHAP_I": "x"},
                     {"CHAP_C": ""}, {"CHAP_C": "0x"}, {"CHAP_C": "0x123"}, {"CHAP_C": "1234"},
                     {"CHAP_C": "0bAAA"}, {"CHAP_C": hexadecimal(bytes(1025))},
                     {"CHAP_C": base_64(bytes(1025))}, {"CHAP_C": base_64(bytes(1500))}):
            with self.subTest(keys=keys):
                h = self.hand(BOTH).begin()
                rsp = h.prove({"CHAP_I": "1", "CHAP_C": "0x1234", **keys})
                self.assert_refused(h, rsp, *MALFORMED)

    # --- discovery ---------------------------------------------------------------------------

    def test_12_1_discovery_has_users_of_its_own(self):
        h = self.hand(None)
        self.assert_in(h, h.method("None", transit=True))
        self.api.job("PUT", "/v1/discovery/chap",
                     {"users": users(SCOUT), "mutual": users(HOST)[0]})
        try:
            h = self.hand(None)
            self.assert_refused(h, h.method("None", transit=True))
            s = self.hand(None).session
            self.assert_login_fails(s, s.login(None, discovery=True), AUTH)
            h = self.hand(None, ALICE).begin()
            self.assert_refused(h, h.prove())
            h = self.hand(None, SCOUT).begin()
            self.prove_both(h, 3, b"who are you?")
            h = self.hand(ONE_WAY, SCOUT).begin()
            self.assert_refused(h, h.prove())
            h = self.hand(ONE_WAY, ALICE).begin()
            self.assert_in(h, h.prove())
        finally:
            self.api.job("DELETE", "/v1/discovery/chap")
        s = self.hand(None).session
        self.assertEqual(s.login(None, discovery=True).login_status, 0)

    # --- what it costs ------------------------------------------------------------------------

    def test_log_names_who_failed_and_no_secret(self):
        time.sleep(1.1)     # for what others have logged no line is dropped
        begin = os.path.getsize(self.server.log_path)
        h = self.hand(who=("eve\x1b[31m", EVE[1])).begin()
        response = h.response().hex()
        self.assert_refused(h, h.prove())
        h2 = self.hand(who=(ALICE[0], EVE[1])).begin()
        self.assert_refused(h2, h2.prove())
        h3 = self.hand().begin(chap.MD5)
        odd = "0x" + "5a" * 15
        self.assert_refused(h3, h3.step([("CHAP_R", odd), ("CHAP_R", odd)]), *MALFORMED)
        log = ringlun.wait_for("the lines", lambda: (
            lambda text: text if text.count("login refused") >= 3 else None)(
                self.server.log(begin)))
        lines = [line for line in log.splitlines() if "login refused" in line]
        self.assertEqual(len(lines), 3, log)
        for line, words in zip(lines, (("0201", "eve?[31m"), ("0201", "alice"), ("CHAP_R",))):
            for word in words + ("127.0.0.1", INITIATOR):
                self.assertIn(word, line)
        for line in lines[:2]:
            self.assertIn(ONE_WAY, line)
        for secret in (response, h.challenge.hex(), h2.response().hex(), ALICE[1], EVE[1],
                       "5a5a5a"):
            self.assertNotIn(secret, log)
        self.assertIsNone(re.search(r"[^\x20-\x7e\n]", log))

    def test_failures_harm_nobody(self):
        good = self.hand().begin()
        rsp = good.prove()
        self.assertEqual(rsp.login_status, 0)
        for _ in range(100):
            h = self.hand(who=(ALICE[0], EVE[1]), initiator=INITIATOR + "2").begin(chap.MD5)
            self.assert_refused(h, h.prove())
            self.close(h)
        self.assert_in(good, rsp)


if __name__ == "__main__":
    main()
