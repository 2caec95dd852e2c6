/* One line per event on standard error, at a level that the operator chose.
 *
 * Any thread may log, and none is held up by whoever reads: after log_start a thread of its own
 * writes. Each line leaves in one piece, so lines do not mix. A call site that floods is cut to
 * some lines per second, and how many were left out is said afterwards, likewise what a reader did
 * not take in time. Secrets are never passed here. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdatomic.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum { LOG_LEVELS = LOG_DEBUG + 1 };

/* State of one call site's rate limit; made by the macros below. */
struct log_site {
	_Atomic uint64_t window_s; /* the second that count belongs to */
	_Atomic uint32_t count, dropped;
};

/* Before threads are started. */
void log_set_level(enum log_level level);
/* Returns 0, or -EINVAL where @name is none of error, warn, info, debug. */
int log_level_parse(const char *name, enum log_level *out) MUST_CHECK;
enum log_level log_level(void);
const char *log_level_name(enum log_level level);

/* From now on nobody waits for standard error but a thread of ours. -errno: whoever logs goes on
 * writing by itself. */
int log_start(void) MUST_CHECK;
/* All is written, or could not be within a second. Harmless without log_start. */
void log_stop(void);

struct log_counts {
	uint64_t lines[LOG_LEVELS]; /* that passed */
	uint64_t flood;		    /* left out by the limit of their call site */
	uint64_t lost;		    /* passed, but standard error did not take them */
};
void log_get_counts(struct log_counts *out);

/* @site NULL: without a limit. */
void log_line(struct log_site *site, enum log_level level, const char *fmt, ...) PRINTF(3, 4);

#define LOG_AT(level, ...)                                                                         \
	do {                                                                                       \
		static struct log_site site_;                                                      \
		if ((level) <= log_level())                                                        \
			log_line(&site_, (level), __VA_ARGS__);                                    \
	} while (0)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  LOG_AT(LOG_WARN, __VA_ARGS__)
#define log_info(...)  LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
/* For what must not be left out, and whoever causes it is bounded otherwise: who changed what. */
#define log_record(...)                                                                            \
	do {                                                                                       \
		if (LOG_INFO <= log_level())                                                       \
			log_line(NULL, LOG_INFO, __VA_ARGS__);                                     \
	} while (0)
