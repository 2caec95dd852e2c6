/* A pool: a directory that keeps volumes, and the truth about them: names, sizes, identities, where
 * their bytes lie (FORMAT.md). Every change is one record of the structure log.
 *
 * From any thread; calls may block on the pool's disk, and are one at a time for a pool. Failures
 * are -errno, with a sentence in @why that names the thing and the way out; where a change fails,
 * nothing of it is left. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VPOOL_NAME_BYTES = 128 };

enum vpool_kind {
	VPOOL_FILE,	/* a sparse file of the pool */
	VPOOL_EXTERNAL, /* a device or a file elsewhere: never made, grown or removed by us */
	VPOOL_LV,	/* a logical volume of the pool's volume group */
};

struct vpool_volume {
	uint8_t uuid[16];
	char name[VPOOL_NAME_BYTES];
	enum vpool_kind kind;
	char *path;   /* of its bytes, absolute; owned */
	char *device; /* what it was, of an external one that is a device; "": none; owned */
	uint64_t size_bytes;
	uint32_t block_bytes;
	bool buffered, writethrough, read_only;
	uint64_t made_s; /* seconds since 1970 */
};

struct vpool_spec {
	const char *name;    /* unique in the pool */
	const uint8_t *uuid; /* NULL: a random one */
	const char *path;    /* of an external one; NULL: the pool makes it */
	uint64_t size_bytes; /* of an external one: 0 = as large as it is */
	uint32_t block_bytes;
	bool buffered, writethrough, read_only;
	bool preallocate; /* takes all of its space at once */
};

/* Called now and then during long work; false stops it: -ECANCELED, and nothing is left. */
struct vpool_progress {
	bool (*step)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
	void *arg;
};

struct vpool;

/* Makes an empty pool in @dir, which is absent or empty. @volume_group: volumes become logical
 * volumes of it; NULL: files. -EEXIST: there is one already. */
int vpool_make(const char *dir, const char *volume_group, char *why, size_t why_cap) MUST_CHECK;
/* Locks it against a second server (waiting up to 10 s for a dead one's), replays its log, ends
 * what a crash interrupted. -ENOENT: there is no pool; -EBADMSG: it is damaged, and where. */
int vpool_open(struct vpool **out, const char *dir, char *why, size_t why_cap) MUST_CHECK;
void vpool_close(struct vpool *p);

const uint8_t *vpool_uuid(const struct vpool *p);
const char *vpool_dir(const struct vpool *p);
const char *vpool_volume_group(const struct vpool *p); /* NULL: none */

/* Copies of all, in the order of making. */
int vpool_list(struct vpool *p, struct vpool_volume **out, unsigned *n) MUST_CHECK;
void vpool_list_free(struct vpool_volume *volumes, unsigned n);
void vpool_volume_fini(struct vpool_volume *v);

/* Durable when it returns 0. @out is a copy: vpool_volume_fini. @progress may be NULL. */
int vpool_create(struct vpool *p, const struct vpool_spec *spec, struct vpool_volume *out,
		 const struct vpool_progress *progress, char *why, size_t why_cap) MUST_CHECK;
/* Only grows; the bytes first, the record then. */
int vpool_resize(struct vpool *p, const uint8_t uuid[static 16], uint64_t size_bytes, char *why,
		 size_t why_cap) MUST_CHECK;
/* Its bytes go, but for an external one's. The caller has closed it, or its disk hangs. @progress
 * can stop it before it has begun; later it only hears of it. Where the bytes cannot be removed,
 * the volume is gone nevertheless, with an error, and the next opening of the pool tries again. */
int vpool_delete(struct vpool *p, const uint8_t uuid[static 16],
		 const struct vpool_progress *progress, char *why, size_t why_cap) MUST_CHECK;

/* Whether what lies at its path is what the pool knows: there, of a kind that can be served, as
 * long as it was (-ENODATA), the same device (-EXDEV). Before it is opened. */
int vpool_check_volume(const struct vpool_volume *v, char *why, size_t why_cap) MUST_CHECK;

/* Reads a pool that nobody serves and changes nothing: calls @report with a sentence for each thing
 * that is wrong. Returns how many, or -errno with @why where it cannot be read at all. */
int vpool_check(const char *dir, void (*report)(void *arg, const char *what), void *arg, char *why,
		size_t why_cap) MUST_CHECK;
