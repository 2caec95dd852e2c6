"""The volumes that the storm is over, and who has what of them."""

from model import BLOCK

IQN = "iqn.2026-11.io.ringlun:"
NAME = "iqn.2026-11.io.ringlun.test:storm"
PART_BLOCKS = 64
JUNK_BLOCKS = 1024      # at the volume's end, for all: nobody knows what is there
SECTORS = BLOCK // 512


class Volume:
    """@resets: others may reset it at any time, and answers be lost to that. @closes: and
    sessions, too. @one_name: it takes one initiator name at a time."""

    def __init__(self, name, slots, resets=False, closes=False, one_name=False):
        self.name, self.resets, self.closes, self.one_name = name, resets, closes, one_name
        self.junk_lba = slots * PART_BLOCKS * SECTORS

    @property
    def mib(self):
        return (self.junk_lba // SECTORS + JUNK_BLOCKS) * BLOCK >> 20


def volumes(slots):
    return [
        Volume("calm-memory", slots), Volume("calm-file", slots),
        Volume("one", slots, one_name=True),
        Volume("rough-memory", slots, resets=True), Volume("rough-file", slots, resets=True),
        Volume("cold", slots, resets=True, closes=True),
        Volume("stuck", slots, resets=True),    # its disk stalls now and then
    ]
