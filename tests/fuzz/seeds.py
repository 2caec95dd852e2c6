#!/usr/bin/python3
"""Writes the committed corpora of fuzz_pdu, fuzz_keys, fuzz_chap and fuzz_structure: small, each with a reason.

Run it in this folder after a change of an input's form; what the fuzzer finds
worth keeping is added by hand, under a name that says why."""

import os
import struct


def bhs(opcode, data_len=0, ahs_words=0, flags=0x80, rest=b""):
    head = struct.pack(">BB2xI", opcode, flags, ahs_words << 24 | data_len) + rest
    return head.ljust(48, b"\0")


def pdu(opcode, data=b"", ahs=b"", **kw):
    assert len(ahs) % 4 == 0
    return bhs(opcode, len(data), len(ahs) // 4, **kw) + ahs + data + bytes(-len(data) % 4)


def write(folder, name, content):
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", folder)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(content)


HEADER_DIGEST, DATA_DIGEST, SIGN = 0x8000, 0x4000, 0x2000
SIGNED = HEADER_DIGEST | DATA_DIGEST | SIGN


def choice(max_data=4095, how=0, cuts=1, digests=0):
    return struct.pack(">HBB", max_data | digests, how, cuts)


EXT_CDB = struct.pack(">HBx", 17, 1) + bytes(16)
TEXT = b"InitiatorName=iqn.2005-03.org.open-iscsi:4f2a\0SessionType=Normal\0"

PDU = {
    "nop": choice() + pdu(0x40),
    "nop-ping-3-bytes": choice() + pdu(0x40, b"abc"),
    "login": choice() + pdu(0x43, TEXT),
    "all-lengths-mod-4": choice(cuts=9) + b"".join(pdu(0x00, bytes(n)) for n in range(9)),
    "immediate-write": choice(how=4, cuts=77) + pdu(0x01, b"w" * 512, flags=0xa1),
    "extended-cdb": choice(cuts=3) + pdu(0x01, b"", EXT_CDB, flags=0xc1),
    "longest-ahs": choice(cuts=5) + pdu(0x01, b"xy", bytes(1020)),
    "data-out-burst": choice(how=4, cuts=33) + b"".join(
        pdu(0x05, bytes([n]) * 100, flags=0x80 if n == 3 else 0) for n in range(4)),
    "half-placed": choice(how=1, cuts=21) + pdu(0x05, b"d" * 99) + pdu(0x40),
    "nothing-placed": choice(how=2) + pdu(0x05, b"d" * 99) + pdu(0x40),
    "longest-allowed": choice(max_data=512, cuts=200) + pdu(0x05, b"m" * 512),
    "one-too-long": choice(max_data=512) + pdu(0x05, b"m" * 513),
    "length-all-ones": choice() + bhs(0x05, 0xffffff, 255) + bytes(100),
    "header-refused": choice(how=0x80) + pdu(0x40) * 10,
    "pdu-refused": choice(how=0x40) + pdu(0x40, b"1") * 10,
    "ends-in-header": choice() + pdu(0x40, b"full") + bhs(0x40)[:20],
    "ends-in-padding": choice() + pdu(0x40, b"12345")[:-1],
    "digests-all-lengths": choice(how=4, cuts=9, digests=SIGNED) + b"".join(
        pdu(0x00, bytes(n)) for n in range(9)),
    "digests-ahs-half-placed": choice(how=1, cuts=21, digests=SIGNED) + pdu(
        0x05, b"d" * 999, EXT_CDB) + pdu(0x40),
    "header-digest-only": choice(digests=HEADER_DIGEST | SIGN) + pdu(0x40, b"1") * 3,
    "data-digest-only": choice(how=2, digests=DATA_DIGEST | SIGN) + pdu(0x40, b"12") * 3,
    "header-digest-wrong": choice(digests=HEADER_DIGEST) + pdu(0x40) * 2,
    "data-digest-wrong": choice(cuts=3, digests=DATA_DIGEST) + pdu(0x40, b"12345678") * 4,
}


def keys(*texts, how=0):
    """texts: (phase, "Key=Value|Key=Value|"); phase + 0x10: then we declare."""
    return bytes([how]) + b"\xff".join(
        bytes([phase]) + text.replace("|", "\0").encode() for phase, text in texts)


SEC, OPER, FULL, DECLARE = 0, 1, 2, 0x10
WHO = "InitiatorName=iqn.2005-03.org.open-iscsi:4f2a|InitiatorAlias=host|"
TO = "TargetName=iqn.2026-11.io.ringlun:disk|SessionType=Normal|"
OFFER = ("HeaderDigest=None|DataDigest=None|DefaultTime2Wait=2|DefaultTime2Retain=0|IFMarker=No|"
         "OFMarker=No|ErrorRecoveryLevel=0|InitialR2T=No|ImmediateData=Yes|MaxBurstLength=16776192|"
         "FirstBurstLength=262144|MaxOutstandingR2T=1|MaxConnections=1|DataPDUInOrder=Yes|"
         "DataSequenceInOrder=Yes|MaxRecvDataSegmentLength=262144|")

KEYS = {
    "open-iscsi": keys((OPER | DECLARE, WHO + TO + OFFER)),
    "libiscsi-says-it-twice": keys((SEC, WHO + TO + "AuthMethod=CHAP,None|"),
                                   (OPER | DECLARE, WHO + TO + OFFER)),
    "discovery": keys((SEC, WHO + "SessionType=Discovery|AuthMethod=None|"),
                      (OPER | DECLARE, "MaxRecvDataSegmentLength=32768|MaxBurstLength=512|"),
                      (FULL, "SendTargets=All|")),
    "send-targets-normal": keys((OPER, WHO + TO), (FULL, "SendTargets=|"),
                                (FULL, "SendTargets=iqn.2026-11.io.ringlun:disk|")),
    "we-offer": keys((OPER | DECLARE, WHO), (OPER, "MaxBurstLength=8192|ImmediateData=No|"
                                                   "FirstBurstLength=Irrelevant|"), how=1),
    "answers-too-much": keys((OPER | DECLARE, WHO), (OPER, "MaxBurstLength=65536|"), how=1),
    "no-unsolicited-data": keys((OPER, "FirstBurstLength=512|InitialR2T=Yes|ImmediateData=No|")),
    "burst-order": keys((OPER, "FirstBurstLength=65536|MaxBurstLength=4096|")),
    "out-of-range": keys((OPER, "MaxBurstLength=4294967296|ErrorRecoveryLevel=3|"
                                "DefaultTime2Wait=0xffffffffff|MaxConnections=-1|")),
    "markers": keys((OPER, "OFMarker=Yes|IFMarker=No|OFMarkInt=2048~8192|IFMarkInt=1~2|")),
    "unknown": keys((SEC, "X-com.example.a=1|"), (OPER, "Y#b=|Z-c=NotUnderstood|"), (FULL, "Q=1|")),
    "newer": keys((OPER, "TaskReporting=FastAbort,RFC3720|iSCSIProtocolLevel=2|"
                         "X#NodeArchitecture=Linux|")),
    "twice": keys((OPER, "MaxBurstLength=4096|MaxBurstLength=4096|")),
    "target-only": keys((SEC, "TargetAlias=x|"), (SEC, "TargetAddress=1.2.3.4:3260,1|")),
    "no-room": keys((OPER, OFFER), how=0x80 | 0x44),
    "no-equals": keys((OPER, "InitialR2T|")),
    "no-nul": keys((OPER, "InitialR2T=Yes")),
    "max-recv-changes": keys((OPER, "MaxRecvDataSegmentLength=8192|"),
                             (FULL, "MaxRecvDataSegmentLength=65536|"),
                             (FULL, "MaxRecvDataSegmentLength=1|")),
    "names": keys((SEC, "InitiatorName=EUI.02004567A425678D|TargetName=naa.52004567ba64678d|"
                        "InitiatorAlias=\u00e4\u20ac\U0001f600|")),
}



def chap(*texts, how=5):
    """'|' for NUL, \x01 for the right response, \x02 for our challenge."""
    return bytes([how]) + b"\xff".join(t.replace("|", "\0").encode() for t in texts)


METHOD, PROOF = "AuthMethod=CHAP,None|", "CHAP_N=alice|CHAP_R=\x01|"
CHAP = {
    "one-way": chap(WHO + TO + METHOD, "CHAP_A=5|", PROOF, "", how=1),
    "sha3": chap(METHOD, "CHAP_A=8,7,6,5|", PROOF),
    "mutual": chap(METHOD, "CHAP_A=6|", PROOF + "CHAP_I=7|CHAP_C=0x" + "ab" * 40 + "|"),
    "mutual-base64": chap(METHOD, "CHAP_A=7|", PROOF + "CHAP_I=0xff|CHAP_C=0bYWJjZGVm|"),
    "mutual-nobody": chap(METHOD, "CHAP_A=7|", PROOF + "CHAP_I=1|CHAP_C=0x11|", how=1),
    "reflected": chap(METHOD, "CHAP_A=7|", PROOF + "CHAP_I=1|CHAP_C=\x02|"),
    "response-is-challenge": chap(METHOD, "CHAP_A=7|", "CHAP_N=alice|CHAP_R=\x02|"),
    "longest-challenge": chap(METHOD, "CHAP_A=7|",
                              PROOF + "CHAP_I=1|CHAP_C=0x" + "5a" * 1024 + "|"),
    "challenge-too-long": chap(METHOD, "CHAP_A=7|",
                               PROOF + "CHAP_I=1|CHAP_C=0x" + "5a" * 1025 + "|"),
    "wrong-secret": chap(METHOD, "CHAP_A=5|", "CHAP_N=alice|CHAP_R=0x" + "00" * 16 + "|"),
    "wrong-user": chap(METHOD, "CHAP_A=5|", "CHAP_N=eve|CHAP_R=\x01|"),
    "of-another-user": chap(METHOD, "CHAP_A=5|", "CHAP_N=bob|CHAP_R=\x01|", how=2),
    "base64-response": chap(METHOD, "CHAP_A=5|", "CHAP_N=alice|CHAP_R=0b" + "A" * 22 + "==|"),
    "no-user": chap(METHOD, "CHAP_A=5|", "CHAP_R=\x01|"),
    "no-algorithm": chap(METHOD, "CHAP_A=9,0x4|"),
    "out-of-turn": chap(METHOD, PROOF),
    "none-is-refused": chap("AuthMethod=None|"),
    "nobody-asks": chap("AuthMethod=None|", "", how=0),
    "nobody-could": chap("AuthMethod=CHAP|", how=0),
    "rounds": chap(METHOD, *[""] * 12),
}



def model(text, kept=False):
    return bytes([kept]) + text.replace("'", '"').encode()


T, V = "'targets':[{'name':'iqn.2026-11.io.ringlun:t'", "'volumes':[{'name':'v','size':4096"
ALL_PARTS = ("{'ringlun':1,'portals':['10.0.0.1'],'discovery':{'chap':{'users':[{'user':'d',"
             "'secret':'dddddddddddd'}]}},'pools':[{'name':'p','path':'/p','volume_group':'g'}],")
ALL_OF_A_TARGET = (",'luns':[{'lun':3,'volume':'v'}],'shared':true,'allow':[{'address':"
                   "'10.0.0.0/8','initiator':'iqn.a*'}],'portals':['[::1]:860'],'redirect':"
                   "{'address':'192.0.2.1','permanent':true},'chap':{'users':[{'user':'u',"
                   "'secret':'uuuuuuuuuuuu'}],'mutual':{'user':'m','secret':'mmmmmmmmmmmm'}}}]")
INTENTS = (",'intents':[{'action':'create','id':'01234567-89ab-4def-8123-456789abcdef','pool':'p',"
           "'volume':'w','target':'iqn.2026-11.io.ringlun:w','lun':0},{'action':'delete',"
           "'id':'01234567-89ab-4def-8123-456789abcdee','pool':'p','volume':'x'}]")
MODEL = {
    "empty": model("{'ringlun':1}"),
    "all-of-it": model(ALL_PARTS + V + ",'pool':'p','block_size':4096,'cache':'buffered','id':"
                       "'01234567-89ab-4def-8123-456789abcdef'}]," + T + ALL_OF_A_TARGET + "}"),
    "kept": model(ALL_PARTS + T + ALL_OF_A_TARGET + INTENTS + "}", kept=True),
    "kept-without-a-secret": model(ALL_PARTS + T + ALL_OF_A_TARGET.replace(
        ",'secret':'mmmmmmmmmmmm'", "") + "}", kept=True),
    "names-alone": model("{'ringlun':1," + V[:-12] + "}]," + T + "}]}"),
    "one-secret-both-ways": model("{'ringlun':1," + T + ALL_OF_A_TARGET.replace("m" * 12, "u" * 12)
                                  + "}"),
    "unknown-key": model("{'ringlun':1,'volums':[]}"),
    "long-key": model("{'ringlun':1,'" + "k" * 200 + "':[]}"),
    "newer": model("{'ringlun':18446744073709551615}"),
    "newer-by-one": model("{'ringlun':2}"),
    "wrong-types": model("{'ringlun':1,'targets':[{'name':[],'luns':{}}]}"),
    "twice": model("{'ringlun':1," + V + "},{'name':'v','size':512}]}"),
    "twice-one-key": model("{'ringlun':1,'ringlun':1}"),
    "lun-twice": model("{'ringlun':1," + T + ",'luns':[{'lun':1,'volume':'a'},{'lun':1,"
                       "'volume':'b'}]}]}"),
    "mapped-address": model("{'ringlun':1," + T + ",'allow':[{'address':'::ffff:10.0.0.0/104'}],"
                            "'portals':['::ffff:10.0.0.1']}]}"),
    "external": model("{'ringlun':1,'volumes':[{'name':'x','path':'/dev//sdb/','size':null}]}"),
    "default-pool": model("{'ringlun':1,'pools':[]," + V + "}]}"),
    "deep": model("{'ringlun':" + "[" * 200 + "]" * 200 + "}"),
    "largest-size": model("{'ringlun':1,'volumes':[{'name':'v','size':9223372036854775296}]}"),
    "utf-8": model("{'ringlun':1,'discovery':{'chap':{'users':[{'user':'\u00e4\u20ac\U0001f600',"
                   "'secret':'\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4'}]}}}"),
}



def operation(kind, body=b"", length=None):
    return struct.pack(">HHI", kind, 0, len(body) if length is None else length) + body


def record(*operations):
    body = b"".join(operations)
    return struct.pack(">BH", len(operations), len(body)) + body


def layer(number, size=4096, kind=1, path=b"", device=b"", parent=0):
    return operation(2, struct.pack(">QQQIHH", number, parent, size, kind, len(path),
                                    len(device)) + path + device)


def volume(number, name=None, size=4096, block=512, flags=0, top=None):
    name = b"v%d" % number if name is None else name
    return operation(4, struct.pack(">QQQQQIIH", 0, number, top or number, size, 1750000000,
                                    block, flags, len(name)) + name)


def gone(number):
    return operation(5, struct.pack(">QQ", 0, number)) + operation(3, struct.pack(">Q", number))


STRUCTURE = {
    "open": record(operation(1, bytes(16) + struct.pack(">QQ", 2, 7))),
    "open-next-too-large": record(operation(1, bytes(16) + b"\xff" * 16)),
    "life": record(layer(1), volume(1)) + record(layer(1, 8192), volume(1, size=8192, flags=7))
            + record(volume(1, size=8192, flags=16)) + b"\2\0\x28" + gone(1),
    "many": b"".join(record(layer(n), volume(n)) for n in range(1, 40)),
    "group": record(*(layer(n) for n in range(1, 9)), *(volume(n) for n in range(1, 9))),
    "elsewhere": record(layer(1, kind=2, path=b"/dev/sdb", device=b"wwid:naa.5000"),
                        volume(1, block=4096)),
    "group-volume": record(layer(3, kind=3, path=b"vg/lv"), volume(3)),
    "renamed": record(layer(1), volume(1)) + record(volume(1, b"other")) + record(
        layer(2), volume(2, b"v1")),
    "moved": record(layer(1), volume(1), layer(2)) + record(volume(1, top=2)),
    "name-twice": record(layer(1), volume(1), layer(2), volume(2, b"v1")),
    "name-with-nul": record(layer(1), volume(1, b"a\0b")),
    "name-too-long": record(layer(1), volume(1, b"n" * 128)),
    "path-too-long": record(layer(1, kind=2, path=b"/" * 4096)),
    "stacked": record(layer(1), layer(2, parent=1)),
    "layer-first": record(layer(1), volume(1)) + b"\1\0\x10" + operation(3, struct.pack(">Q", 1)),
    "unknown-operation": record(operation(6, b"seal")),
    "unknown-flag": record(layer(1), volume(1, flags=32)),
    "unknown-kind": record(layer(1, kind=4)),
    "longer-operation": record(operation(3, bytes(9))),
    "cut-off": record(operation(3, bytes(4), 8)),
    "length-all-ones": record(operation(4, b"", 0xffffffff)),
    "more-behind": b"\1\0\x30" + layer(1) + b"more    ",
}

for seed, data in STRUCTURE.items():
    write("fuzz_structure", seed, data)
for seed, data in CHAP.items():
    write("fuzz_chap", seed, data)
for seed, data in MODEL.items():
    write("fuzz_model", seed, data)
for seed, data in PDU.items():
    write("fuzz_pdu", seed, data)
for seed, data in KEYS.items():
    write("fuzz_keys", seed, data)
