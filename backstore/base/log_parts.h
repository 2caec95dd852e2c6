/* What log.c and log_writer.c share; nobody else includes it. */
#pragma once

#include "backstore/base/log.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	LOG_LINE_CAP = 1536,
	LOG_SAMPLE_CAP = 320,
};

/* A call site that says too much, with the first of the lines that were left out. */
struct log_flood {
	struct log_site *site;
	enum log_level level;
	char text[LOG_SAMPLE_CAP];
};

/* --- log.c -------------------------------------------------------------------------- */

/* One whole line, cleaned. Returns its length. */
size_t log_format(char line[static LOG_LINE_CAP], enum log_level level, const char *fmt, ...)
	PRINTF(3, 4);
/* How many lines its site has left out and not told of, if it is over (or @now): then they count as
 * told. False: it goes on. */
bool log_flood_is_over(const struct log_flood *f, bool now, uint32_t *dropped);
/* @n lines that passed will never be seen. */
void log_count_lost(uint64_t n);

/* --- log_writer.c ------------------------------------------------------------------- */

/* False: there is no writer, write it yourself. */
bool log_writer_put(enum log_level level, const char *line, size_t len);
/* To be told of when it is over; false: nobody will. */
bool log_writer_flood(const struct log_flood *f);
