#!/usr/bin/python3
"""What changes while sessions are there, as initiators see it: rules and portals (11.13.5),
redirection (11.13.5, 13.8), who is told of what (appendix C), the request to log out (11.9.1), LUNs
that come and go, units that grow (SPC-4, SAM-5).

Against a server of its own, changed by its API."""

import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import ringlun  # noqa: E402
from api import Api, part  # noqa: E402
from iscsi_raw import (ASYNC, CHECK_CONDITION, GOOD, LOGOUT_RSP, OPERATIONAL,  # noqa: E402
                       READ_CAPACITY10, SECURITY, TEXT_RSP, TRANSIT, Session)
from rawtest import INITIATOR, OTHER, Options, RawTest, main  # noqa: E402

MOVED, MOVED_FOREVER, FORBIDDEN, NOT_FOUND = 0x0101, 0x0102, 0x0202, 0x0203
LUNS_CHANGED, CAPACITY, POWER_ON, NO_LUN = (0x3f, 0x0e), (0x2a, 0x09), (0x29, 0), (0x25, 0)
TEST_UNIT_READY, REPORT_LUNS = bytes(6), b"\xa0" + bytes(5) + b"\0\0\x10\0" + bytes(2)
REQUEST_LOGOUT = 1


class Access(RawTest):
    server = None

    @classmethod
    def setUpClass(cls):
        if not Options.own:
            return
        cls.server = ringlun.Server("raw-access", {}).start()
        cls.api = Api(cls.server.api)
        for name in ("one", "two"):
            cls.api.job("POST", "/v1/volumes", {"name": name, "size": 16 << 20})

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

    def change(self, target="one", **fields):
        self.api.job("PATCH", "/v1/targets/" + target, fields)
        self.addCleanup(self.api.job, "PATCH", "/v1/targets/" + target,
                        {"allow": None, "redirect": None, "portals": []})

    def hand(self, initiator=INITIATOR, source="127.0.0.1", port=None):
        s = Session(("127.0.0.1", port or self.server.port), initiator, source=source)
        self.open.append(s)
        return s

    def login(self, target="one", **kw):
        s = self.hand(**kw)
        rsp = s.login(ringlun.IQN + target)
        self.assertEqual(rsp.login_status, 0, "%04x" % rsp.login_status)
        self.assertEqual(s.settle(), GOOD)
        return s

    def assert_refused(self, status, target="one", **kw):
        s = self.hand(**kw)
        rsp = s.login(ringlun.IQN + target)
        self.assert_login_fails(s, rsp, status)
        self.assertEqual(rsp.data, b"")

    def targets(self, **kw):
        """{name: [addresses]} as SendTargets tells them."""
        s = self.hand(**kw)
        self.assertEqual(s.login(None, discovery=True).login_status, 0)
        s.text({"SendTargets": "All"})
        found, name = {}, None
        for pair in s.expect(TEXT_RSP).data.decode().split("\0"):
            key, _, value = pair.partition("=")
            if key == "TargetName":
                name = value.removeprefix(ringlun.IQN)
                found[name] = []
            elif key == "TargetAddress":
                found[name].append(value)
        s.close()
        return found

    def session_id(self, s):
        host, port = s.sock.getsockname()
        return next(i["id"] for i in self.api.ok("GET", "/v1/sessions")["sessions"]
                    if i["address"] == "%s:%d" % (host, port))

    def sense(self, s, lun=0, cdb=TEST_UNIT_READY):
        r = s.finish(s.scsi(cdb, lun=lun))
        return r.asc() if r.status == CHECK_CONDITION else r.status

    # --- rules and portals ----------------------------------------------------------------

    def test_11_13_5_rules_by_name(self):
        self.change(allow=[{"initiator": OTHER.rsplit(":", 1)[0] + ":O*"}])
        self.assert_refused(FORBIDDEN)
        self.login(initiator=OTHER).close()

    def test_11_13_5_rules_by_address(self):
        self.change(allow=[{"address": "127.0.0.8/29"}])
        self.assert_refused(FORBIDDEN)
        self.assert_refused(FORBIDDEN, source="127.0.0.16")
        self.login(source="127.0.0.15").close()

    def test_11_13_5_rules_by_both(self):
        self.change(allow=[{"address": "127.0.0.2", "initiator": OTHER}])
        self.assert_refused(FORBIDDEN, source="127.0.0.2")
        self.assert_refused(FORBIDDEN, initiator=OTHER)
        self.login(source="127.0.0.2", initiator=OTHER).close()

    def test_11_13_5_no_rules_is_nobody_and_sessions_stay(self):
        s = self.login()
        self.change(allow=[])
        self.assert_refused(FORBIDDEN)
        s.ping()
        self.assertEqual(self.sense(s), GOOD)
        line = [at for at in self.server.log().splitlines() if "login refused (0202)" in at][-1]
        for part in ("127.0.0.1:", INITIATOR, ringlun.IQN + "one", "no rules"):
            self.assertIn(part, line)

    def test_11_13_5_target_is_not_at_this_address(self):
        port = ringlun.free_port()
        self.api.job("POST", "/v1/portals", {"address": "127.0.0.1:%d" % port})
        try:
            self.change(portals=["127.0.0.1:%d" % port])
            self.assert_refused(NOT_FOUND)
            self.login(port=port).close()
            self.login("two").close()
        finally:
            self.api.job("DELETE", "/v1/portals/127.0.0.1:%d" % port)
        with self.assertRaises(ConnectionRefusedError):
            self.hand(port=port)

    def test_c_who_may_not_is_not_told(self):
        here = "127.0.0.1:%d,1" % self.server.port
        self.assertEqual(self.targets(), {"one": [here], "two": [here]})
        self.change(allow=[{"address": "127.0.0.2"}])
        self.assertEqual(self.targets(), {"two": [here]})
        self.assertEqual(self.targets(source="127.0.0.2"), {"one": [here], "two": [here]})

    def test_c_only_the_portals_that_it_could_use(self):
        here, port = "127.0.0.1:%d,1" % self.server.port, ringlun.free_port()
        self.api.job("POST", "/v1/portals", {"address": "127.0.0.1:%d" % port})
        try:
            there = "127.0.0.1:%d,1" % port
            self.assertEqual(self.targets(), {"one": [here, there], "two": [here, there]})
            self.change(portals=["127.0.0.1:%d" % port])
            self.assertEqual(self.targets(), {"one": [there], "two": [here, there]})
        finally:
            self.api.job("DELETE", "/v1/portals/127.0.0.1:%d" % port)

    def test_c_a_wildcard_is_of_one_family(self):
        """[::] is no place for who has come by IPv4."""
        here, port = "127.0.0.1:%d,1" % self.server.port, ringlun.free_port()
        for any_, told in (("[::]", [here]), ("0.0.0.0", [here, "127.0.0.1:%d,1" % port])):
            self.api.job("POST", "/v1/portals", {"address": "%s:%d" % (any_, port)})
            try:
                self.assertEqual(self.targets(), {"one": told, "two": told})
            finally:
                self.api.job("DELETE", "/v1/portals/" + part("%s:%d" % (any_, port)))

    # --- redirection --------------------------------------------------------------------------

    def test_11_13_5_redirected(self):
        for permanent in (False, True):
            for stage in (SECURITY, OPERATIONAL):
                with self.subTest(permanent=permanent, stage=stage):
                    self.change(redirect={"address": "[2001:db8::1]:3261",
                                          "permanent": permanent})
                    s = self.hand()
                    rsp = s.login_step(s.who(ringlun.IQN + "one"), stage, 3)
                    self.assertEqual(rsp.login_status, MOVED_FOREVER if permanent else MOVED)
                    self.assertEqual(rsp.flags & TRANSIT, 0)
                    # 13.8: without a portal group
                    self.assertEqual(rsp.keys(), {"TargetAddress": "[2001:db8::1]:3261"})
                    self.assertTrue(s.is_closed())
                    self.assertIn("one", self.targets())   # it is still here to be asked for

    def test_11_13_5_who_may_not_is_not_redirected(self):
        self.change(redirect={"address": "192.0.2.1:3260", "permanent": False}, allow=[])
        self.assert_refused(FORBIDDEN)

    def test_11_13_5_redirection_is_lifted(self):
        s = self.login()
        self.change(redirect={"address": "192.0.2.1:3260", "permanent": True})
        s.ping()
        s.close()
        self.change(redirect=None)
        self.login().close()

    # --- sessions ---------------------------------------------------------------------------

    def asked(self, s):
        pdu = s.expect(ASYNC)
        event, = struct.unpack_from(">B", pdu.bhs, 36)
        seconds, = struct.unpack_from(">H", pdu.bhs, 42)
        self.assertEqual(event, REQUEST_LOGOUT)
        return seconds

    def test_11_9_1_asked_to_log_out(self):
        s, other = self.login(), self.login("two")
        self.api.ok("DELETE", "/v1/sessions/%s" % self.session_id(s), ask=True)
        self.assertIn(self.asked(s), range(1, 61))
        self.assertEqual(self.sense(s), GOOD)
        s.logout()
        self.assertEqual(s.expect(LOGOUT_RSP).response, 0)
        self.login().close()    # it may come again
        other.ping()

    def test_11_9_1_who_does_not_is_dropped(self):
        s = self.login()
        self.api.ok("DELETE", "/v1/sessions/%s" % self.session_id(s), ask=True)
        seconds, begin = self.asked(s), time.monotonic()
        s.ping()
        self.assertTrue(s.is_closed(seconds + 10))
        self.assertGreater(time.monotonic() - begin, seconds - 1)

    def test_dropped(self):
        s, other = self.login(), self.login("two")
        self.api.ok("DELETE", "/v1/sessions/%s" % self.session_id(s))
        self.assertTrue(s.is_closed())
        other.ping()
        self.login().close()

    # --- LUNs and units -----------------------------------------------------------------------

    def test_luns_come_and_go(self):
        s, other = self.login(), self.login("two")
        self.api.job("POST", "/v1/volumes/two/expose", {"target": "one", "lun": 300})
        self.assertEqual(self.sense(s), LUNS_CHANGED)
        self.assertEqual(self.sense(s), GOOD)
        r = s.read(REPORT_LUNS, 4096)
        self.assertEqual((r.status, r.data[3], r.data[16:18]), (GOOD, 16, b"\x41\x2c"))
        self.assertEqual(self.sense(s, lun=0x4000 | 300), POWER_ON)
        self.assertEqual(self.sense(s, lun=0x4000 | 300), GOOD)
        self.api.job("POST", "/v1/volumes/two/unexpose", {"target": "one"}, force=True)
        self.assertEqual(self.sense(s, lun=0x4000 | 300), NO_LUN)
        self.assertEqual(self.sense(s), LUNS_CHANGED)
        self.assertEqual(self.sense(s), GOOD)
        self.assertEqual(self.sense(other), GOOD)   # none of its business

    def test_a_number_that_was_left_is_not_the_next_ones(self):
        """Nor its data: what a host has yet to write would go to another disk."""
        def expose(name):
            return self.api.job("POST", "/v1/volumes/%s/expose" % name,
                                {"target": ringlun.IQN + "passing"})["volume"]["exposed"]

        def at(lun):
            return [{"target": ringlun.IQN + "passing", "lun": lun}]

        for name in ("p", "q"):
            self.api.job("POST", "/v1/volumes", {"name": name, "size": 1 << 20, "expose": False})
        try:
            self.api.job("POST", "/v1/targets", {"name": ringlun.IQN + "passing", "luns": []})
            self.assertEqual(expose("p"), at(0))
            s = self.login("passing")
            self.api.job("POST", "/v1/volumes/p/unexpose", {"target": ringlun.IQN + "passing"},
                         force=True)
            self.assertEqual(self.sense(s), NO_LUN)
            self.assertEqual(expose("q"), at(1))
            self.assertEqual(self.sense(s), NO_LUN)
            self.assertEqual(expose("p"), at(0))  # the same one
            for name in ("p", "q"):
                self.api.job("POST", "/v1/volumes/%s/unexpose" % name,
                             {"target": ringlun.IQN + "passing"}, force=True)
            s.logout()
            s.close()
            self.assertEqual(expose("q"), at(0))
        finally:
            for name in ("p", "q"):
                self.api.job("DELETE", "/v1/volumes/" + name, force=True)
            self.api.call("DELETE", "/v1/targets/passing", query={"force": True})

    def test_a_unit_grows(self):
        s, other = self.login(), self.login("two")
        before = s.read(READ_CAPACITY10, 8).data
        self.api.job("PATCH", "/v1/volumes/one", {"size": 32 << 20})
        self.assertEqual(self.sense(s), CAPACITY)
        self.assertEqual(self.sense(s), GOOD)
        after = s.read(READ_CAPACITY10, 8).data
        self.assertEqual((int.from_bytes(after[:4], "big") + 1) * int.from_bytes(after[4:], "big"),
                         32 << 20)
        self.assertNotEqual(before, after)
        self.assertEqual(self.sense(other), GOOD)

    def test_a_target_goes(self):
        self.api.job("POST", "/v1/targets", {"name": ringlun.IQN + "passing",
                                             "luns": [{"lun": 0, "volume": "two"}]})
        s, other = self.login("passing"), self.login("two")
        self.api.job("DELETE", "/v1/targets/passing", force=True)
        self.assertTrue(s.is_closed())
        self.assert_refused(NOT_FOUND, "passing")
        self.assertEqual(self.sense(other), GOOD)


if __name__ == "__main__":
    sys.exit(main())
