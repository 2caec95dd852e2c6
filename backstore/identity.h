/* The identity of a volume: a random UUID, made once and kept beside the data, with what
 * the data was like, so that a start on other data, or on less of it, is noticed.
 *
 * The UUID is never derived from a name or a path: two hosts that follow the same
 * instructions must not look like one disk to multipath. Blocking: for opening. */
#pragma once

#include "backstore/base/compiler.h"

#include "backstore/device_id.h"

#include <stddef.h>
#include <stdint.h>

struct identity {
	uint8_t uuid[16];
	/* of the volume; 0: not said */
	uint64_t size_bytes;
	uint32_t block_bytes;
	char device[DEVICE_ID_BYTES]; /* what it is on; "": not said, or a file */
};

/* Reads the sidecar at @path ("PATH.ringlun" beside a file, "<state dir>/<volume>.ringlun"
 * for a device). Where there is none, one with @given (or, if NULL, a random UUID) and
 * nothing else is stored there first, durably. Where there is one, @given must agree with
 * it. Returns 0, or -errno with a sentence in @why: -EEXIST = they differ, -EBADMSG =
 * the sidecar is damaged, and is left alone. */
int identity_load(const char *path, const uint8_t *given_or_null, struct identity *out, char *why,
		  size_t why_cap) MUST_CHECK;

/* Whether what is at @data can be what @kept, from the sidecar at @path, speaks of. Each
 * returns 0, also where @kept does not say, or -errno with a sentence in @why. */
/* -ENODATA: it is smaller. @size_bytes 0: it is empty, or not there at all. */
int identity_check_size(const struct identity *kept, const char *path, const char *data,
			uint64_t size_bytes, char *why, size_t why_cap) MUST_CHECK;
/* -EINVAL: file systems and partition tables do not survive another block size. */
int identity_check_block(const struct identity *kept, const char *path, const char *data,
			 uint32_t block_bytes, char *why, size_t why_cap) MUST_CHECK;
/* -EXDEV: another device. */
int identity_check_device(const struct identity *kept, const char *path, const char *data,
			  const char *device, char *why, size_t why_cap) MUST_CHECK;

/* Makes the sidecar at @path, which says @kept, say @now (but for the UUID), durably; comments
 * and keys of others stay. Writes nothing where that is so already. Returns 0 or -errno. */
int identity_keep(const char *path, const struct identity *kept,
		  const struct identity *now) MUST_CHECK;
