/* What --verify writes, and how what is read is judged.
 *
 * Each sector of 512 bytes names its place, the run and the write it is from, and is
 * filled with bytes that follow from those. Stateless. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STAMP_SECTOR_BYTES = 512 };

/* @generation 0 stands for "not known": see stamp_check. */
struct stamp {
	uint64_t run;	     /* a number that no other run has */
	uint64_t off_bytes;  /* of the first sector */
	uint32_t generation; /* of the write, from 1 */
};

enum stamp_verdict {
	STAMP_OK,
	STAMP_NONE,    /* nothing was ever stamped there */
	STAMP_BROKEN,  /* bytes in it are not what was written */
	STAMP_MOVED,   /* a whole sector of another place */
	STAMP_STALE,   /* what was there before, or what came later */
	STAMP_MISSING, /* no stamp where one was written */
};

struct stamp_report {
	uint64_t good_bytes;	      /* of sectors found STAMP_OK */
	unsigned bad;		      /* sectors found neither OK nor NONE */
	uint64_t first_bad_off_bytes; /* of the first of them */
	enum stamp_verdict first_bad; /* what it is */
	struct stamp found;	      /* what it says, where MOVED or STALE */
};

/* @len is a multiple of 512. */
void stamp_fill(uint8_t *data, size_t len, const struct stamp *stamp);

/* With a generation every sector must be exactly what stamp_fill made. Without,
 * a sector may hold no stamp, or one of any run and generation, but a whole one and
 * for its place. */
void stamp_check(const uint8_t *data, size_t len, const struct stamp *stamp,
		 struct stamp_report *report);

/* "is broken", "holds what was written before" ... */
const char *stamp_verdict_text(enum stamp_verdict verdict);
