"""What may be in a part of a volume that one host alone writes to, when its writes are cut
short: a block holds the last write that was answered, or one that was sent after it and never
answered; whole; and once a read has shown which, or a later write was answered, it stays."""

import stamps

BLOCK = stamps.BLOCK
ZERO = 0


class Part:
    """@blocks from @first on; numbers of writes begin at @base."""

    def __init__(self, first, blocks, base):
        self.first, self.blocks, self.number = first, blocks, base
        self.may = [[ZERO] for _ in range(blocks)]
        self.busy = [0] * blocks    # a write is under way here: neither read nor write again
        self.readers = [0] * blocks

    def free(self, at, count, for_write):
        """No two writes to a block at one time, and no write under a read that is checked."""
        return not any(self.busy[at:at + count]) and \
            not (for_write and any(self.readers[at:at + count]))

    def issue(self, at, count, zero=False):
        """A write is about to be sent. Returns (number, bytes)."""
        self.number += 1
        number = ZERO if zero else self.number
        for block in range(at, at + count):
            self.busy[block] += 1
            self.may[block].append(number)
        return number, None if zero else stamps.data(number, self.first + at, count)

    def end(self, at, count, number, how):
        """@how: "good", "refused" (it was not begun), or "unknown"."""
        for block in range(at, at + count):
            self.busy[block] -= 1
            if how == "good":
                self.may[block] = [number]
            elif how == "refused":
                self.may[block].reverse()
                self.may[block].remove(number)
                self.may[block].reverse()

    def begin_read(self, at, count):
        for block in range(at, at + count):
            self.readers[block] += 1

    def end_read(self, at, count):
        for block in range(at, at + count):
            self.readers[block] -= 1

    def wrong(self, at, data):
        """None, or what is wrong with what was read; it is what stays."""
        for i in range(len(data) // BLOCK):
            block, content = at + i, data[i * BLOCK:(i + 1) * BLOCK]
            for number in self.may[block]:
                if content == (stamps.data(number, self.first + block, 1) if number else
                               bytes(BLOCK)):
                    self.may[block] = [number]
                    break
            else:
                return f"block {self.first + block}: {describe(content)}, but only " \
                    f"{[hex(number) for number in self.may[block]]} may be there"
        return None


def describe(content):
    """The writes that a block's sectors are from."""
    out = []
    for i in range(0, BLOCK, stamps.SECTOR):
        magic, number, sector, _ = stamps.STAMP.unpack_from(content, i)
        if content[i:i + stamps.SECTOR] == bytes(stamps.SECTOR):
            word = "zeros"
        elif magic == stamps.MAGIC:
            word = f"{number:#x}@{sector // 8}"
        else:
            word = "garbage"
        if word not in out:
            out.append(word)
    return "+".join(out)
