/* A small text file that is there whole or not at all, also after a power cut.
 *
 * Blocking: for opening. */
#pragma once

#include "backstore/base/compiler.h"

enum { SIDECAR_MAX_BYTES = 4096 };

/* Its text, with a final NUL. Returns 0 or -errno; -EBADMSG: too long, or no text. */
int sidecar_read(const char *path, char text[static SIDECAR_MAX_BYTES + 1]) MUST_CHECK;
/* -EEXIST: somebody else was first. */
int sidecar_create(const char *path, const char *text) MUST_CHECK;
/* Puts @text in the place of what is there (of what a link leads to); mode and owner
 * are kept. */
int sidecar_replace(const char *path, const char *text) MUST_CHECK;
