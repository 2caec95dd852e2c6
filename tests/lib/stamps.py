"""What may be on a disk: blocks whose every 32 bytes say which write they are from.

A write has a number, higher than all before it; writes under way at one time do not
overlap. floor[block] is the oldest write that may still be seen there: the newest one
that cannot be lost any more. Each sector is judged by itself, so a torn write that
was not safe yet is no error."""

import struct

BLOCK, SECTOR = 4096, 512
STAMP = struct.Struct("<8sQQQ")
MAGIC = b"ringlun\x02"


def sector(number, index):
    return STAMP.pack(MAGIC, number, index, ~number & 0xffffffffffffffff) * (SECTOR // STAMP.size)


def data(number, first, count):
    """What write @number puts on @count blocks from @first."""
    begin = first * (BLOCK // SECTOR)
    return b"".join(sector(number, begin + i) for i in range(count * (BLOCK // SECTOR)))


class Stamps:
    def __init__(self, blocks):
        self.events = [[(0, True)] for _ in range(blocks)]   # (number, wrote zeros?)
        self.number = 0

    def issue(self, first, count, zero=False):
        """A write is about to be sent; its number."""
        self.number += 1
        for block in range(first, first + count):
            self.events[block].append((self.number, zero))
        return self.number

    def wrong(self, block, content, floor):
        """None, or what is wrong with a block of which writes before @floor must be gone."""
        may = [event for event in self.events[block] if event[0] >= floor]
        zero_ok = any(zero for _, zero in may)
        numbers = {number for number, zero in may if not zero}
        for i in range(BLOCK // SECTOR):
            part = content[i * SECTOR:(i + 1) * SECTOR]
            if part == bytes(SECTOR):
                if not zero_ok:
                    return f"block {block}: zeros, but write {floor} is safe there"
                continue
            magic, number, _, _ = STAMP.unpack_from(part)
            if magic != MAGIC or part != sector(number, block * (BLOCK // SECTOR) + i):
                return f"block {block} sector {i}: garbage: {part[:32].hex()}"
            if number not in numbers:
                return f"block {block} sector {i}: write {number}, but write {floor} is safe there"
        return None
