"""CRC32C and the digests made of it (RFC 7143 13.1)."""

import ctypes
import struct


class BadDigest(Exception):
    """The target sent a digest that does not fit."""


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
        table.append(n)
    return table


def crc32c_library():
    """The same, a thousand times as fast. None: it is not installed."""
    try:
        function = ctypes.CDLL("libisal.so.2").crc32_iscsi
    except OSError:
        return None
    function.argtypes = (ctypes.c_char_p, ctypes.c_int, ctypes.c_uint)
    function.restype = ctypes.c_uint
    return function


CRC32C_TABLE, CRC32C_LIBRARY = crc32c_table(), crc32c_library()


def crc32c(data):
    """13.1, as a number; the digest is its bytes in little-endian order."""
    crc = 0xffffffff
    if CRC32C_LIBRARY:
        return CRC32C_LIBRARY(bytes(data), len(data), crc) ^ crc
    for byte in data:
        crc = crc >> 8 ^ CRC32C_TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def digest(data, spoil=0):
    return struct.pack("<I", crc32c(data) ^ spoil)
