"""What the raw tests share: options, a fresh session for each, and the last line."""

import argparse
import os
import sys
import time
import unittest
import zlib

from iscsi_raw import (CHECK_CONDITION, DATA_IN, GOOD, NO_TAG, READ_CAPACITY10, REJECT, SCSI_RSP,
                       Closed, Conn, Quiet, Session, portal_of, read10, write10)

INITIATOR = "iqn.2026-11.io.ringlun.test:raw"
OTHER = "iqn.2026-11.io.ringlun.test:other"
HELD = (0x0202, 0x0208, 0x0200)  # what a target may say while another name has the volume


class Options:
    portal = target = None
    own = False  # the server was started for these tests


class RawTest(unittest.TestCase):
    """Sessions opened through here are closed at the end, however the test ends."""

    def setUp(self):
        self.open = []

    def tearDown(self):
        for c in self.open:
            try:
                c.close()
            except OSError:
                pass

    def conn(self):
        c = Conn(Options.portal)
        self.open.append(c)
        return c

    def new(self, initiator=INITIATOR, **kw):
        """A connection of a session to be; not logged in."""
        s = Session(Options.portal, initiator, **kw)
        self.open.append(s)
        return s

    def session(self, offer=None, bare=False, settle=True, **kw):
        """Logged in. The name that was here before may still be leaving: a closed socket
        takes the target a moment to see."""
        until = time.monotonic() + 3
        while True:
            s = self.new(**kw)
            rsp = s.login(Options.target, offer=offer, bare=bare)
            if rsp.login_status not in HELD or time.monotonic() > until:
                break
            s.close()
            time.sleep(0.02)
        self.assertEqual(rsp.login_status, 0, "login: %04x" % rsp.login_status)
        if settle:
            self.assertEqual(s.settle(), GOOD)
        return s

    def discovery(self, **kw):
        s = self.new(**kw)
        rsp = s.login(None, discovery=True)
        self.assertEqual(rsp.login_status, 0)
        return s

    def block_bytes(self, s):
        r = s.read(READ_CAPACITY10, 8)
        self.assertEqual(r.status, GOOD)
        return int.from_bytes(r.data[4:8], "big")

    def read_blocks(self, s, lba, count, bs):
        r = s.read(read10(lba, count), count * bs)
        self.assertEqual(r.status, GOOD)
        self.assertEqual(len(r.data), count * bs)
        return r.data

    def write_blocks(self, s, lba, data, bs, **kw):
        r = s.write(write10(lba, len(data) // bs), data, **kw)
        self.assertEqual(r.status, GOOD, r.sense)
        return r

    def assert_login_fails(self, s, rsp, *statuses):
        self.assertIn(rsp.login_status, statuses, "%04x" % rsp.login_status)
        self.assertTrue(s.is_closed(), "11.13.5: a failed login ends the connection")

    def assert_broken(self, s, what, may_reject=True):
        """The target noticed: it closed, rejected, or failed the command. Returns which."""
        try:
            while True:
                pdu = s.next()
                if pdu.opcode == REJECT and may_reject:
                    return "reject"
                if pdu.opcode == SCSI_RSP and pdu.status == CHECK_CONDITION:
                    return "check condition"
                self.assertNotIn(pdu.opcode, (SCSI_RSP, DATA_IN), "%s: %r" % (what, pdu))
        except Closed:
            return "closed"
        except Quiet:
            self.fail("%s: nothing happened" % what)

    def assert_alive(self):
        """The server serves somebody new."""
        s = self.session()
        s.ping()
        s.close()


class Provoked(RawTest):
    """While somebody breaks the rules another session is there, and does I/O afterwards."""

    LBA = 90000

    def setUp(self):
        super().setUp()
        self.witness = self.session()

    def tearDown(self):
        try:
            bs = self.block_bytes(self.witness)
            data = pattern(4 * bs, zlib.crc32(self.id().encode()) & 0xffff)
            self.write_blocks(self.witness, self.LBA, data, bs)
            self.assertEqual(self.read_blocks(self.witness, self.LBA, 4, bs), data)
        finally:
            super().tearDown()

    def assert_ends(self, s, what):
        """7.7, 7.13: the session is over; nothing of the PDU was done."""
        try:
            while True:
                pdu = s.next()
                self.assertEqual(pdu.opcode, REJECT, "%s: %r" % (what, pdu))
        except Closed:
            pass
        except Quiet:
            self.fail("%s: the session goes on" % what)

    def assert_rejected(self, s, *reasons):
        """A Reject, and the session lives. Returns the PDU."""
        pdu = s.expect(REJECT)
        self.assertIn(pdu.reason, reasons)
        self.assertEqual((pdu.itt, pdu.final), (NO_TAG, True))
        return pdu


def pattern(n, seed):
    """Bytes that differ at each place and for each seed."""
    block = b"".join((seed * 2654435761 + i * 40503 & 0xffffffff).to_bytes(4, "big")
                     for i in range(min(n, 16384) // 4 + 1))
    out = b"".join(i.to_bytes(4, "big") + block[4:16384] for i in range(n // 16384 + 1))
    return out[:n]


def options(argv):
    p = argparse.ArgumentParser(description="raw PDU tests against a running target")
    p.add_argument("--portal", required=True, type=portal_of, help="HOST:PORT")
    p.add_argument("--target", required=True, help="target name; its LUN 0 is overwritten")
    p.add_argument("-k", metavar="WORD", help="only tests whose name has it")
    args = p.parse_args(argv)
    Options.portal, Options.target = args.portal, args.target
    return args


class Verdicts(unittest.TestResult):
    """One verdict line for each test, as tests/lib/report.py prints them."""

    def __init__(self):
        super().__init__()
        self.passed = 0

    @staticmethod
    def name(test):
        return test.id().split(".", 1)[-1].replace("test_", "", 1)

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()
        self.bad = []

    def addFailure(self, test, err):
        self.bad.append(self._exc_info_to_string(err, test))

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err:
            self.bad.append("%s\n%s" % (subtest, self._exc_info_to_string(err, test)))

    def stopTest(self, test):
        took = time.monotonic() - self.begun
        reason = next((r for t, r in self.skipped if t is test), None)
        if self.bad:
            self.failures.append((test, self.bad))
            print("FAIL  %-60s %5.1f s" % (self.name(test), took), flush=True)
            for line in "\n".join(self.bad[:3]).rstrip().splitlines()[-60:]:
                print("      | " + line, flush=True)
        elif reason is not None:
            print("skip  %s: %s" % (self.name(test), reason), flush=True)
        else:
            self.passed += 1
            print("ok    %-60s %5.1f s" % (self.name(test), took), flush=True)


def run(suites, word=None):
    """Runs them; the last line counts. Returns the exit status."""
    suite = unittest.TestSuite()

    def add(s):
        for t in s:
            if isinstance(t, unittest.TestSuite):
                add(t)
            elif not word or word in t.id():
                suite.addTest(t)

    add(suites)
    result = Verdicts()
    suite.run(result)
    print("%d passed, %d failed, %d skipped" % (result.passed, len(result.failures),
                                                len(result.skipped)))
    return 1 if result.failures or not result.passed else 0


def all_tests():
    here = os.path.dirname(os.path.abspath(__file__))
    return unittest.defaultTestLoader.discover(here, "test_*.py")


def main():
    """For a test file run by itself."""
    args = options(sys.argv[1:])
    tests = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    sys.exit(run(tests, args.k))
