/* The identity of a volume: a random UUID, made once and kept beside the data.
 *
 * Never derived from a name or a path: two hosts that follow the same instructions
 * must not look like one disk to multipath. Blocking: for opening. */
#pragma once

#include "backstore/base/compiler.h"

#include <stddef.h>
#include <stdint.h>

/* Reads the UUID from the sidecar at @path ("PATH.ringlun" beside a file,
 * "<state dir>/<volume>.ringlun" for a device). Where there is none, @given (or, if NULL,
 * a random one) is stored there first, durably. Where there is one, @given must agree
 * with it. Returns 0, or -errno with a sentence in @why: -EEXIST = they differ,
 * -EBADMSG = the sidecar is damaged, and is left alone. */
int identity_load(const char *path, const uint8_t *given_or_null, uint8_t out[static 16], char *why,
		  size_t why_cap) MUST_CHECK;
