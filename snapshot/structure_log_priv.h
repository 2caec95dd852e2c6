/* What writing and reading the structure log share. */
#pragma once

#include "snapshot/structure_log.h"

enum { SLOG_LOG = 2, SLOG_FILES };

extern const char *const slog_names[SLOG_FILES];
int slog_path(char out[static POOL_FILE_BYTES], const char *dir, unsigned file) MUST_CHECK;
