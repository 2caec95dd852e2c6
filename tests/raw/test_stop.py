#!/usr/bin/python3
"""SIGTERM: each session is asked to log out (11.9, AsyncEvent 1) and has as long as it is told.

Against a server of its own: the one that runs must go on running."""

import os
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import ringlun  # noqa: E402
from iscsi_raw import (ASYNC, GOOD, LOGOUT_RSP, NO_TAG, TEXT_RSP, Closed, Session)  # noqa: E402
from rawtest import INITIATOR, Options, RawTest, main  # noqa: E402

REQUEST_LOGOUT = 1


class Stop(RawTest):
    def setUp(self):
        super().setUp()
        if not Options.own:
            self.skipTest("the server is somebody else's")
        self.server = ringlun.Server("raw-stop", {"v": "path=memory:,size=16M"})
        self.server.start()
        self.addCleanup(self.server.cleanup)

    def login(self, target="v"):
        s = Session(("127.0.0.1", self.server.port), INITIATOR)
        self.open.append(s)
        rsp = s.login(ringlun.IQN + target if target else None, discovery=not target)
        self.assertEqual(rsp.login_status, 0)
        if target:
            self.assertEqual(s.settle(), GOOD)
        return s

    def asked(self, s):
        """The seconds that the request gives."""
        before = s.exp_stat_sn
        pdu = s.expect(ASYNC)
        event, vcode, one, two, three = struct.unpack_from(">BBHHH", pdu.bhs, 36)
        self.assertEqual((event, pdu.itt, pdu.stat_sn), (REQUEST_LOGOUT, NO_TAG, before))
        self.assertEqual((vcode, one, two, pdu.lun, pdu.data), (0, 0, 0, bytes(8), b""))
        self.assertIn(three, range(1, 61))
        return three

    def test_11_9_1_who_is_asked_logs_out(self):
        sessions = [self.login() for _ in range(5)] + [self.login(None)]
        self.server.process.terminate()
        for s in sessions:
            self.asked(s)
        begin = time.monotonic()
        for s in sessions[:-1]:
            self.assertEqual(s.command(bytes(6)).status, GOOD)  # until then it goes on
        sessions[-1].text({"SendTargets": "All"})
        self.assertIn("TargetName", sessions[-1].expect(TEXT_RSP).keys())
        for s in sessions:
            s.logout()
            self.assertEqual(s.expect(LOGOUT_RSP).response, 0)
            s.close()
        self.server.stop()
        self.assertLess(time.monotonic() - begin, 4, "it waited for who has logged out")

    def test_11_9_1_who_does_not_is_dropped_after_that_time(self):
        s = self.login()
        begin = time.monotonic()
        self.server.process.terminate()
        seconds = self.asked(s)
        with self.assertRaises(Closed):
            while True:
                s.next(seconds + 10)
        self.assertGreater(time.monotonic() - begin, seconds - 1, "sooner than it was told")
        self.server.stop()


if __name__ == "__main__":
    main()
