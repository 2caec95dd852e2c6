"""CHAP as an initiator does it (RFC 1994, RFC 7143 12.1.3), by Python's hashlib."""

import base64
import hashlib

from iscsi_raw import OPERATIONAL, SECURITY

MD5, SHA1, SHA256, SHA3_256 = 5, 6, 7, 8
HASHES = {MD5: "md5", SHA1: "sha1", SHA256: "sha256", SHA3_256: "sha3_256"}


def digest(algorithm, identifier, secret, challenge):
    data = bytes([identifier]) + secret.encode() + challenge
    return hashlib.new(HASHES[algorithm], data, usedforsecurity=False).digest()


def hexadecimal(data):
    return "0x" + data.hex()


def base_64(data):
    return "0b" + base64.b64encode(data).decode()


def binary(value):
    """What a target sent."""
    if value[:2] in ("0b", "0B"):
        return base64.b64decode(value[2:], validate=True)
    assert value[:2] in ("0x", "0X"), value
    return bytes.fromhex(value[2:])


class Handshake:
    """The security stage of @session, step by step; each returns the Login Response. What
    @more says is added to the keys of a step, or replaces them."""

    def __init__(self, session, target, user, secret):
        self.session, self.target, self.user, self.secret = session, target, user, secret
        self.algorithm = self.identifier = self.challenge = None

    def step(self, keys, more=None, transit=False, **kw):
        keys = {**keys, **(more or {})} if isinstance(keys, dict) else keys
        if isinstance(keys, dict):
            keys = {k: v for k, v in keys.items() if v is not None}
        return self.session.login_step(keys, SECURITY, OPERATIONAL, transit=transit, **kw)

    def method(self, methods="CHAP,None", more=None, **kw):
        keys = self.session.who(self.target, discovery=self.target is None)
        return self.step({**keys, "AuthMethod": methods}, more, **kw)

    def algorithms(self, algorithms="8,7,6,5", more=None, **kw):
        rsp = self.step({"CHAP_A": str(algorithms)}, more, **kw)
        if rsp.login_status == 0 and "CHAP_C" in rsp.keys():
            keys = rsp.keys()
            self.algorithm, self.identifier = int(keys["CHAP_A"]), int(keys["CHAP_I"])
            self.challenge = binary(keys["CHAP_C"])
        return rsp

    def response(self):
        return digest(self.algorithm, self.identifier, self.secret, self.challenge)

    def prove(self, more=None, encode=hexadecimal, transit=True, **kw):
        keys = {"CHAP_N": self.user, "CHAP_R": encode(self.response())}
        return self.step(keys, more, transit=transit, **kw)

    def begin(self, algorithms="8,7,6,5"):
        """Up to the target's challenge."""
        for rsp in (self.method(), self.algorithms(algorithms)):
            assert rsp.login_status == 0, "%04x" % rsp.login_status
        assert self.challenge is not None, "no challenge"
        return self
