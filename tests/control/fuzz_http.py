"""What no client of HTTP sends: bytes for fuzz, as (name, bytes)."""

import random

GET = b"GET /v1 HTTP/1.1\r\nHost: x\r\n\r\n"
HEAD = b"POST /v1/volumes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


def with_length(length, body=b""):
    return HEAD + b"Content-Length: " + length + b"\r\n\r\n" + body


def post(body):
    return with_length(str(len(body)).encode(), body)


def nested(opening, closing, depth, inner=b"1"):
    return opening * depth + inner + closing * depth


HAND_MADE = [
    ("nothing", b""),
    ("a byte", b"G"),
    ("empty lines", b"\r\n" * 1000),
    ("no version", b"GET /v1\r\n\r\n"),
    ("version 9", b"GET /v1 HTTP/9.9\r\nHost: x\r\n\r\n"),
    ("version 1.0", b"GET /v1 HTTP/1.0\r\n\r\n"),
    ("no host", b"GET /v1 HTTP/1.1\r\n\r\n"),
    ("zero bytes", b"GET /v1\0 HTTP/1.1\r\nHost: \0\r\n\r\n"),
    ("only zero bytes", bytes(5000)),
    ("all bytes", bytes(range(256)) * 40),
    ("long method", b"A" * 100000 + b" /v1 HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("long path", b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("path of 30 KiB", b"GET /" + b"a" * 30000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("many parts", b"GET " + b"/a" * 8000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("many parameters", b"GET /v1?" + b"a=1&" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("long header", b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100000 + b"\r\n\r\n"),
    ("many headers", b"GET /v1 HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 10000 + b"\r\n"),
    ("header without colon", b"GET /v1 HTTP/1.1\r\nHost: x\r\nX\r\n\r\n"),
    ("folded header", b"GET /v1 HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n"),
    ("bare LF", b"GET /v1 HTTP/1.1\nHost: x\n\n"),
    ("absolute URL", b"GET http://x/v1 HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("star", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("connect", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)),
    ("length -1", with_length(b"-1", b"{}")),
    ("length +2", with_length(b"+2", b"{}")),
    ("length 0x2", with_length(b"0x2", b"{}")),
    ("length of 30 digits", with_length(b"9" * 30, b"{}")),
    ("length of 2^64", with_length(b"18446744073709551616", b"{}")),
    ("length of 2^64 - 1", with_length(b"18446744073709551615", b"{}")),
    ("two lengths", HEAD + b"Content-Length: 2\r\nContent-Length: 20\r\n\r\n{}"),
    ("length and chunks", HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"2\r\n{}\r\n0\r\n\r\n"),
    ("chunk of -1", HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n"),
    ("chunk of 2^64", HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n{}\r\n"),
    ("chunk without end", HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n"),
    ("chunk extension", HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 50000 +
     b"\r\n{}\r\n0\r\n\r\n"),
    ("unknown encoding", HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}"),
    ("half a body", with_length(b"1000", b'{"name":')),
    ("expect nonsense", HEAD + b"Expect: miracle\r\nContent-Length: 2\r\n\r\n{}"),
    ("expect continue", HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"),
    ("pipelined garbage", GET * 20 + bytes(random.Random(1).randbytes(5000))),
    ("garbage, then a request", b"\x80\x81\r\n\r\n" + GET),
    ("body of a GET", b"GET /v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{\"a\":1}" + GET),
    ("bad percent", b"GET /v1/volumes/%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("half a percent", b"GET /v1/volumes/% HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("percent 00", b"GET /v1/volumes/a%00b HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("percent, no UTF-8", b"GET /v1/volumes/%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("no UTF-8", b"GET /v1/volumes/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("overlong UTF-8", b"GET /v1/volumes/%c0%ae%c0%ae HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("up and away", b"GET /v1/volumes/..%2f..%2fetc HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("parameter, bad percent", b"GET /v1/sessions?target=%zz HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("parameter, percent 00", b"GET /v1/sessions?target=a%00 HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("escape codes", b"DELETE /v1/\x1b[2J\x07\x7f HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("not JSON", post(b"hello")),
    ("JSON of no object", post(b"[]")),
    ("JSON cut short", post(b'{"name":"a","size":')),
    ("JSON and more", post(b"{}{}")),
    ("JSON with a BOM", post(b"\xef\xbb\xbf{}")),
    ("JSON in UTF-16", post('{"name":"a"}'.encode("utf-16"))),
    ("JSON, no UTF-8", post(b'{"name":"\xff\xc0\x80"}')),
    ("JSON, lone surrogate", post(b'{"name":"\\ud800"}')),
    ("JSON, zero byte", post(b'{"name":"a\\u0000b"}')),
    ("JSON, a key twice", post(b'{"name":"a","name":"b"}')),
    ("JSON, number too large", post(b'{"size":' + b"9" * 400 + b"}")),
    ("JSON, 1e400", post(b'{"size":1e400}')),
    ("JSON, NaN", post(b'{"size":NaN}')),
    ("JSON, deep lists", post(nested(b"[", b"]", 200000))),
    ("JSON, deep objects", post(nested(b'{"a":', b"}", 100000))),
    ("JSON, 1,000 deep", post(b'{"expose":' + nested(b'{"a":', b"}", 1000) + b"}")),
    ("JSON, many keys", post(b"{" + b",".join(b'"k%d":%d' % (i, i) for i in range(100000)) + b"}")),
    ("JSON, long key", post(b'{"' + b"k" * 1000000 + b'":1}')),
    ("JSON, long value", post(b'{"name":"' + b"v" * 1000000 + b'"}')),
]


def mutants(seed, count):
    """Good requests with some bytes changed, doubled, cut or moved."""
    rng = random.Random(seed)
    bodies = [b'{"name":"fuzz","size":1048576,"expose":false}',
              b'{"ringlun":1,"volumes":[],"targets":[],"portals":[]}',
              b'{"initiator":"iqn.x:*","address":"10.0.0.0/8"}',
              b'{"users":[{"user":"u","secret":"0123456789abcdef"}]}']
    paths = [b"/v1", b"/v1/volumes", b"/v1/volumes/fuzz", b"/v1/targets/fuzz/allow?wait=1",
             b"/v1/state?dry_run=true", b"/v1/jobs/1?wait=0", b"/v1/discovery/chap", b"/metrics"]
    methods = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"OPTIONS"]
    for i in range(count):
        body = rng.choice(bodies)
        text = bytearray(rng.choice(methods) + b" " + rng.choice(paths) +
                         b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n" % len(body) + body)
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(text))
            kind = rng.randrange(5)
            if kind == 0:
                text[at] = rng.randrange(256)
            elif kind == 1:
                del text[at:at + rng.randint(1, 20)]
            elif kind == 2:
                text[at:at] = rng.randbytes(rng.randint(1, 8))
            elif kind == 3:
                text[at:at] = text[at:at + rng.randint(1, 40)]
            else:
                text[at:at] = rng.choice([b"\r\n", b"%", b"\0", b"\"", b"{", b"[", b"-", b"&", b"/"])
            if not text:
                text = bytearray(b"x")
        yield f"mutant {i} of seed {seed}", bytes(text)
