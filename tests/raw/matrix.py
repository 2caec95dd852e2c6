#!/usr/bin/python3
"""Every way that login keys and data can meet: each cell of the product of AXES is a login, its
result held to the functions of RFC 7143 section 13, then writes whose lengths cross each limit,
read back and compared, with the blocks beside them.

    tests/raw/matrix.py [--corners | --full] [--portal HOST:PORT --target IQN]

--corners: the cells whose keys have their first or last value, and as many as it takes for each
two values of two keys to meet; --full: more values."""

import argparse
import itertools
import multiprocessing
import os
import random
import select
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import iscsi_raw as raw  # noqa: E402
import report  # noqa: E402
import ringlun  # noqa: E402

AXES = {
    "InitialR2T": ("Yes", "No"),
    "ImmediateData": ("Yes", "No"),
    "FirstBurstLength": (512, 4097, 65536, 262144),     # ours are multiples of nothing, too
    "MaxBurstLength": (512, 8191, 262144, 16776192),
    "MaxRecvDataSegmentLength": (512, 5001, 262144),
    "HeaderDigest": ("None", "CRC32C"),
    "DataDigest": ("None", "CRC32C"),
    "MaxOutstandingR2T": (1, 3, 16),
}
MORE = {
    "FirstBurstLength": (513, 4096, 8192, 16777215),
    "MaxBurstLength": (1023, 8192, 65536, 1048576),
    "MaxRecvDataSegmentLength": (513, 4096, 8192, 16777215),
    "MaxOutstandingR2T": (2, 8, 65535),
}
BY = ("InitialR2T", "ImmediateData", "HeaderDigest", "DataDigest")  # a verdict for each of these
BLOCK = 512
ROOM_BLOCKS = 4096      # of the volume: what the model knows
MANY_BURSTS = 40        # no longer than so many of the smallest sequences
NAME = "iqn.2026-11.io.ringlun.test:matrix"
NOISE = random.Random(7143).randbytes(4 << 20)


def fill(nbytes, seed):
    """Bytes that differ at each place and for each seed."""
    at = seed * 4099 % (len(NOISE) // 2)
    return NOISE[at:at + nbytes]


# --- what must come of an offer -------------------------------------------------------------

class Cell(raw.Session):
    """One session with the offer of a cell, and the checks of each PDU that comes."""

    def __init__(self, portal, offer):
        super().__init__(portal, NAME)
        self.offer_made = offer
        self.most_outstanding = 0

    def check_login(self, target, limits):
        """@limits: what the target answers where everything is offered."""
        offer = self.offer_made
        rsp = self.login(target, offer=offer)
        assert rsp.login_status == 0, "login: %04x" % rsp.login_status
        keys = rsp.keys()
        want = {k: min(offer[k], limits[k]) for k in ("MaxBurstLength", "MaxOutstandingR2T")}
        want["InitialR2T"] = "No" if offer["InitialR2T"] == limits["InitialR2T"] == "No" else "Yes"
        want["ImmediateData"] = \
            "Yes" if offer["ImmediateData"] == limits["ImmediateData"] == "Yes" else "No"
        want["FirstBurstLength"] = "Irrelevant" if self.no_unsolicited(want) else \
            min(offer["FirstBurstLength"], limits["FirstBurstLength"], want["MaxBurstLength"])
        for key in ("HeaderDigest", "DataDigest"):
            want[key] = offer[key]
        for key, value in want.items():
            assert keys[key] == str(value), "13: %s=%s, not %s" % (key, keys[key], value)
        assert self.settle() == raw.GOOD

    @staticmethod
    def no_unsolicited(keys):
        return keys["InitialR2T"] == "Yes" and keys["ImmediateData"] == "No"

    # --- a write --------------------------------------------------------------------------

    def here_already(self):
        """Whether a PDU has come, without waiting for one."""
        return len(self.buf) >= 48 or bool(select.select([self.sock], [], [], 0)[0])

    def take_r2t(self, pdu, itt, r2ts, total, at):
        last = r2ts[-1] if r2ts else None
        assert pdu.opcode == raw.R2T and pdu.itt == itt and pdu.final, pdu
        assert pdu.r2t_sn == (last.r2t_sn + 1 if last else 0), "11.8.2: R2TSN %d" % pdu.r2t_sn
        assert pdu.offset == (last.offset + last.length if last else at), \
            "13.19: R2T for %d" % pdu.offset
        assert 0 < pdu.length <= self.num("MaxBurstLength"), "11.8.4: R2T of %d" % pdu.length
        assert pdu.offset + pdu.length <= total, "11.8.4: R2T beyond the command's data"
        assert pdu.ttt != raw.NO_TAG and pdu.ttt not in [r.ttt for r in r2ts], "11.8.5"
        r2ts.append(pdu)

    def answer_r2ts(self, itt, payload, at, piece):
        """Each R2T in turn; all that have come are counted before one is answered."""
        r2ts, done = [], 0
        while True:
            pdu = self.next()
            if pdu.opcode != raw.R2T:
                return r2ts, pdu
            self.take_r2t(pdu, itt, r2ts, len(payload), at)
            while self.here_already():
                self.take_r2t(self.next(), itt, r2ts, len(payload), at)
            while done < len(r2ts):
                outstanding = len(r2ts) - done
                self.most_outstanding = max(self.most_outstanding, outstanding)
                assert outstanding <= self.num("MaxOutstandingR2T"), \
                    "13.17: %d R2Ts outstanding" % outstanding
                self.burst(itt, r2ts[done].ttt, payload, r2ts[done].offset, r2ts[done].length,
                           piece)
                done += 1
                while done < len(r2ts) and self.here_already():
                    pdu = self.next()
                    self.take_r2t(pdu, itt, r2ts, len(payload), at)

    def check_write(self, lba, payload, how, piece):
        """@how: 0 all unasked that may be, 1 nothing unasked, 2 some with the command, 3 some."""
        most = 0 if self.no_unsolicited(self.agreed) else \
            min(len(payload), self.num("FirstBurstLength"))
        now = min(most, self.target_max_data) if self.yes("ImmediateData") else 0
        unasked = most if not self.yes("InitialR2T") else now
        if how == 1:
            now = unasked = 0
        elif how == 2:
            now = min(now, 300)
            unasked = unasked if not self.yes("InitialR2T") else now
        elif how == 3:
            unasked = max(now, min(unasked, 700))
        flags = raw.CMD_WRITE | raw.SIMPLE | (raw.FINAL if unasked == now else 0)
        itt = self.scsi(raw.write10(lba, len(payload) // BLOCK), len(payload), flags,
                        payload[:now])
        if unasked > now:
            self.burst(itt, raw.NO_TAG, payload, now, unasked - now, piece)
        r2ts, rsp = self.answer_r2ts(itt, payload, unasked, piece)
        assert rsp.opcode == raw.SCSI_RSP and rsp.itt == itt and rsp.status == raw.GOOD, rsp
        assert rsp.flags == raw.FINAL and rsp.residual == 0, "11.4.1: flags %02x" % rsp.flags
        assert rsp.exp_data_sn == len(r2ts), "11.4.8: ExpDataSN %d" % rsp.exp_data_sn
        asked = sum(r.length for r in r2ts)
        assert unasked + asked == len(payload), "%d of %d bytes" % (unasked + asked, len(payload))

    # --- a read ---------------------------------------------------------------------------

    def check_read(self, lba, blocks):
        total, data, in_burst = blocks * BLOCK, [], 0
        itt = self.scsi(raw.read10(lba, blocks), total,
                        raw.FINAL | raw.CMD_READ | raw.SIMPLE)
        at = 0
        while True:
            pdu = self.next()
            assert pdu.opcode == raw.DATA_IN and pdu.itt == itt and pdu.ttt == raw.NO_TAG, pdu
            assert (pdu.data_sn, pdu.offset) == (len(data), at), "11.7.5, 11.7.6"
            assert 0 < len(pdu.data) <= self.offer_made["MaxRecvDataSegmentLength"], \
                "13.12: %d bytes" % len(pdu.data)
            data.append(pdu.data)
            at += len(pdu.data)
            in_burst += len(pdu.data)
            assert in_burst <= self.num("MaxBurstLength"), "13.13: sequence of %d" % in_burst
            assert pdu.final or at < total, "11.7.1: F=%d at %d" % (pdu.final, at)
            if pdu.final:
                in_burst = 0
            assert bool(pdu.flags & 1) == (at == total), "11.7.3: status bit at %d" % at
            assert not pdu.flags & 0x46, "11.7.2, 11.7.3: flags %02x" % pdu.flags
            if pdu.flags & 1:
                assert pdu.status == raw.GOOD and pdu.residual == 0
                return b"".join(data)


def lengths(session):
    """In blocks: beside each limit, and several sequences long."""
    first = session.num("FirstBurstLength") // BLOCK
    most = session.num("MaxBurstLength") // BLOCK
    out = {1, 3}
    for n in (first, most, first + most, 2 * most, 3 * most, 17 * most):
        out |= {n - 1, n, n + 1} if n <= 1024 else set()
    if most > 512:      # long ones are slow, and two say as much as nine
        out = {n for n in out if n < most - 1} | {most - 1, most + 1}
    return sorted(n for n in out if 0 < n <= min(ROOM_BLOCKS - 2, MANY_BURSTS * most))


def run_cell(portal, target, offer, limits, model, number):
    s = Cell(portal, offer)
    try:
        s.check_login(target, limits)
        pieces = (None, 1000, 508, 4096)
        for i, blocks in enumerate(lengths(s)):
            seed = number * 31 + i
            lba = 1 + seed % (ROOM_BLOCKS - blocks - 1)
            payload = fill(blocks * BLOCK, seed)
            piece = pieces[seed % 4] if blocks < 200 else None
            s.check_write(lba, payload, seed // 4 % 4, piece)
            model[lba * BLOCK:(lba + blocks) * BLOCK] = payload
            got = s.check_read(lba - 1, blocks + 2)
            assert got == model[(lba - 1) * BLOCK:(lba + blocks + 1) * BLOCK], \
                "%d blocks from %d on are not what was written" % (blocks, lba)
        s.logout()
        s.expect(raw.LOGOUT_RSP)
        return s.most_outstanding
    except (raw.Closed, raw.Quiet) as e:
        raise AssertionError("%s %s" % (type(e).__name__, e)) from e
    finally:
        s.close()


# --- which cells ------------------------------------------------------------------------------

def product(axes):
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


def pairs_of(cell):
    return set(itertools.combinations(cell.items(), 2))


def corners():
    """The corners, and then whatever brings together most pairs that have not met."""
    cells = product(AXES)
    out = [c for c in cells if all(c[k] in (v[0], v[-1]) for k, v in AXES.items())]
    missing = set().union(*map(pairs_of, cells)).difference(*map(pairs_of, out))
    while missing:
        best = max(cells, key=lambda c: len(pairs_of(c) & missing))
        out.append(best)
        missing -= pairs_of(best)
    return out


def probe(portal, target):
    """The target's own values: its answers where all is offered."""
    most = {"InitialR2T": "No", "ImmediateData": "Yes", "FirstBurstLength": 16777215,
            "MaxBurstLength": 16777215, "MaxOutstandingR2T": 65535}
    s = raw.Session(portal, NAME)
    rsp = s.login(target, offer=most)
    s.close()
    assert rsp.login_status == 0, "login: %04x" % rsp.login_status
    keys = rsp.keys()
    return {k: keys[k] if not keys[k].isdigit() else int(keys[k]) for k in most}


def group(cell):
    return " ".join("%s=%s" % (k, cell[k]) for k in BY)


class Worker:
    """A process with a volume of its own."""

    @classmethod
    def begin(cls, portal, targets, limits):
        cls.portal, cls.target, cls.limits = portal, targets.get(), limits
        cls.model = bytearray(ROOM_BLOCKS * BLOCK)

    @classmethod
    def run(cls, members):
        """Returns what went wrong, and the most R2Ts outstanding by what was offered."""
        seen, begin = {}, time.monotonic()
        for number, cell in members:
            try:
                most = run_cell(cls.portal, cls.target, cell, cls.limits, cls.model, number)
            except Exception:
                return "%s\n%s" % (", ".join("%s=%s" % kv for kv in cell.items()),
                                   traceback.format_exc()), seen, time.monotonic() - begin
            offered = cell["MaxOutstandingR2T"]
            seen[offered] = max(seen.get(offered, 0), most)
        return "", seen, time.monotonic() - begin


def run_all(portal, targets, cells, out):
    limits = probe(portal, targets[0])
    print("the target's own: " + ", ".join("%s=%s" % kv for kv in limits.items()))
    numbered = sorted(enumerate(cells), key=lambda nc: group(nc[1]))
    groups = [(name, list(members)) for name, members in
              itertools.groupby(numbered, key=lambda nc: group(nc[1]))]
    volumes = multiprocessing.SimpleQueue()
    for target in targets:
        volumes.put(target)
    most = {}
    with multiprocessing.Pool(len(targets), Worker.begin, (portal, volumes, limits)) as pool:
        results = pool.imap(Worker.run, [members for _, members in groups])
        for (name, members), (wrong, seen, seconds) in zip(groups, results):
            name = "%s, %d cells" % (name, len(members))
            if wrong:
                out.fail(name, wrong, seconds)
            else:
                out.ok(name, seconds)
            for offered, n in seen.items():
                most[offered] = max(most.get(offered, 0), n)

    def several():
        """A target that only ever sends one R2T would pass all cells."""
        for offered, n in most.items():
            assert n == min(offered, limits["MaxOutstandingR2T"]), \
                "%d were outstanding at most, of %d offered" % (n, offered)

    out.check("as many R2Ts outstanding as agreed", several)


def main():
    parser = argparse.ArgumentParser(description="negotiation matrix")
    parser.add_argument("--corners", action="store_true", help="a part of the product")
    parser.add_argument("--full", action="store_true", help="the product of more values")
    parser.add_argument("--portal", type=raw.portal_of, help="HOST:PORT of a target that runs")
    parser.add_argument("--target", help="its name; LUN 0 is overwritten")
    options = parser.parse_args()
    out = report.Report()
    wide = {k: v + MORE.get(k, ()) for k, v in AXES.items()}
    cells = corners() if options.corners else product(wide if options.full else AXES)
    if options.portal:
        run_all(options.portal, [options.target], cells, out)
    else:
        names = ["m0", "m1"]
        with ringlun.Server("matrix", dict.fromkeys(names, "path=memory:,size=64M")) as server:
            run_all(("127.0.0.1", server.port), [ringlun.IQN + n for n in names], cells, out)
    out.finish()


if __name__ == "__main__":
    main()
