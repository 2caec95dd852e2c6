/* A sector is eight-byte words in the machine's order; a stamp is read where it was made:
 *
 *      0  magic
 *      8  run
 *     16  offset     where it was written
 *     24  generation
 *     32  fill       480 bytes, a sequence that begins with a mix of the above
 *
 * The fill is the checksum, too: a sector is judged by making what its head says it is
 * once more. It costs a multiplication a word. */
#include "bench/src/stamp.h"

#include "backstore/base/compiler.h"

#include <string.h>

enum { WORDS = STAMP_SECTOR_BYTES / 8, HEAD_WORDS = 4 };

static const uint64_t magic = 0x317473206e6c7267;

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185;
	x ^= x >> 27;
	x *= 0x81dadef4bc2dd44d;
	return x ^ x >> 33;
}

static void make_sector(uint64_t words[WORDS], uint64_t run, uint64_t off, uint32_t generation)
{
	uint64_t x = mix(run ^ mix(off ^ mix(generation)));

	words[0] = magic;
	words[1] = run;
	words[2] = off;
	words[3] = generation;
	for (unsigned i = HEAD_WORDS; i < WORDS; i++) {
		x = x * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
		words[i] = x;
	}
}

void stamp_fill(uint8_t *data, size_t len, const struct stamp *stamp)
{
	uint64_t words[WORDS];

	for (size_t at = 0; at < len; at += STAMP_SECTOR_BYTES) {
		make_sector(words, stamp->run, stamp->off_bytes + at, stamp->generation);
		memcpy(data + at, words, sizeof(words));
	}
}

/* What a sector is that is not known to be right. */
static enum stamp_verdict judge(const uint8_t *data, const struct stamp *want, uint64_t off,
				struct stamp *found)
{
	uint64_t words[WORDS], made[WORDS];

	memcpy(words, data, sizeof(words));
	if (words[0] != magic)
		return want->generation ? STAMP_MISSING : STAMP_NONE;
	*found = (struct stamp){ words[1], words[2], (uint32_t)words[3] };
	make_sector(made, found->run, found->off_bytes, found->generation);
	if (memcmp(words, made, sizeof(words)) != 0)
		return STAMP_BROKEN;
	if (found->off_bytes != off)
		return STAMP_MOVED;
	if (want->generation && (found->run != want->run || found->generation != want->generation))
		return STAMP_STALE;
	return STAMP_OK;
}

void stamp_check(const uint8_t *data, size_t len, const struct stamp *stamp,
		 struct stamp_report *report)
{
	*report = (struct stamp_report){ .first_bad = STAMP_OK };
	for (size_t at = 0; at < len; at += STAMP_SECTOR_BYTES) {
		struct stamp found = { 0, 0, 0 };
		enum stamp_verdict verdict = judge(data + at, stamp, stamp->off_bytes + at, &found);

		if (verdict == STAMP_OK) {
			report->good_bytes += STAMP_SECTOR_BYTES;
		} else if (verdict != STAMP_NONE && report->bad++ == 0) {
			report->first_bad = verdict;
			report->first_bad_off_bytes = stamp->off_bytes + at;
			report->found = found;
		}
	}
}

const char *stamp_verdict_text(enum stamp_verdict verdict)
{
	static const char *const texts[] = {
		[STAMP_OK] = "is what was written",
		[STAMP_NONE] = "was never written",
		[STAMP_BROKEN] = "is damaged",
		[STAMP_MOVED] = "holds what was written elsewhere",
		[STAMP_STALE] = "holds another write than the last one",
		[STAMP_MISSING] = "holds nothing that was written",
	};

	return (unsigned)verdict < ARRAY_SIZE(texts) ? texts[verdict] : "is unknown";
}
