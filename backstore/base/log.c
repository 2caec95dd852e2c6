/* What a line looks like, and which ones pass.
 *
 * A line is put together on the stack and handed to the writer (log_writer.c), or leaves in one
 * write(2). Bytes below space, which a peer may have put into a name, become '?': nobody outside
 * can forge a line or drive a terminal.
 *
 * Under journald (which says so in JOURNAL_STREAM) a line starts with "<3>" and
 * the like, which the journal takes for its priority, and goes without a time;
 * elsewhere it starts with the time in UTC. */
#include "backstore/base/log.h"

#include "backstore/base/log_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINES_PER_SECOND = 20 /* of one call site */ };

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* The one setting of the process, and what it has said: passing them down to every call site would
 * cost more than this exception to "nothing mutable at file scope". */
static _Atomic int level_now = LOG_INFO;
static _Atomic uint64_t passed[LOG_LEVELS], flood, lost;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

enum log_level log_level(void)
{
	return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

int log_level_parse(const char *name, enum log_level *out)
{
	for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strcmp(name, level_names[i]) != 0)
			continue;
		*out = (enum log_level)i;
		return 0;
	}
	return -EINVAL;
}

static void count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

void log_count_lost(uint64_t n)
{
	count(&lost, n);
}

void log_get_counts(struct log_counts *out)
{
	for (unsigned i = 0; i < LOG_LEVELS; i++)
		out->lines[i] = atomic_load_explicit(&passed[i], memory_order_relaxed);
	out->flood = atomic_load_explicit(&flood, memory_order_relaxed);
	out->lost = atomic_load_explicit(&lost, memory_order_relaxed);
}

/* --- the limit of a call site ---------------------------------------------------------- */

/* + 1: a zeroed site has seen no second yet. */
static uint64_t this_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec + 1;
}

enum verdict {
	PASSES,
	PASSES_LAST, /* nothing more passes in this second */
	DROPPED_FIRST,
	DROPPED,
};

/* *dropped = how many before it did not pass and were not told of. Threads that race at the turn of
 * a second may let a line more or less pass. */
static enum verdict site_admits(struct log_site *site, uint32_t *dropped)
{
	uint64_t window_s = atomic_load_explicit(&site->window_s, memory_order_relaxed);
	uint64_t now_s = this_second();
	uint32_t n;

	if (window_s != now_s &&
	    atomic_compare_exchange_strong_explicit(&site->window_s, &window_s, now_s,
						    memory_order_relaxed, memory_order_relaxed))
		atomic_store_explicit(&site->count, 0, memory_order_relaxed);
	n = atomic_fetch_add_explicit(&site->count, 1, memory_order_relaxed);
	if (n >= LINES_PER_SECOND) {
		count(&flood, 1);
		return atomic_fetch_add_explicit(&site->dropped, 1, memory_order_relaxed)
			       ? DROPPED
			       : DROPPED_FIRST;
	}
	*dropped = atomic_exchange_explicit(&site->dropped, 0, memory_order_relaxed);
	return n + 1 == LINES_PER_SECOND ? PASSES_LAST : PASSES;
}

bool log_flood_is_over(const struct log_flood *f, bool now, uint32_t *dropped)
{
	if (!now && atomic_load_explicit(&f->site->window_s, memory_order_relaxed) == this_second())
		return false;
	*dropped = atomic_exchange_explicit(&f->site->dropped, 0, memory_order_relaxed);
	return true;
}

/* --- a line ------------------------------------------------------------------------------ */

static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM"); /* device:inode */
	uintmax_t dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static int put_head(char *line, enum log_level level)
{
	static const char journal_priority[] = { '3', '4', '6', '7' }; /* as in syslog(3) */
	struct timespec now;
	struct tm tm;

	if (stderr_is_journal())
		return snprintf(line, LOG_LINE_CAP, "<%c>ringlund: %s: ", journal_priority[level],
				level_names[level]);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	return snprintf(line, LOG_LINE_CAP,
			"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ringlund: %s: ", tm.tm_year + 1900,
			tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			(int)(now.tv_nsec / 1000000), level_names[level]);
}

/* Adds to the line at @at, cut where it is full; room for the newline remains. */
static size_t put(char *line, size_t at, const char *fmt, va_list args) PRINTF(3, 0);

static size_t put(char *line, size_t at, const char *fmt, va_list args)
{
	int n = vsnprintf(line + at, LOG_LINE_CAP - 1 - at, fmt, args);

	return n < 0 ? at : MIN(at + (size_t)n, (size_t)LOG_LINE_CAP - 2);
}

static size_t putf(char *line, size_t at, const char *fmt, ...) PRINTF(3, 4);

static size_t putf(char *line, size_t at, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	at = put(line, at, fmt, args);
	va_end(args);
	return at;
}

static void clean(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = '?';
}

static size_t finish(char *line, size_t head, size_t len)
{
	clean(line + head, len - head);
	line[len++] = '\n';
	return len;
}

size_t log_format(char line[static LOG_LINE_CAP], enum log_level level, const char *fmt, ...)
{
	size_t head = (size_t)put_head(line, level), len;
	va_list args;

	va_start(args, fmt);
	len = put(line, head, fmt, args);
	va_end(args);
	return finish(line, head, len);
}

static void begin_flood(struct log_site *site, enum log_level level, const char *fmt, va_list args)
	PRINTF(3, 0);

static void begin_flood(struct log_site *site, enum log_level level, const char *fmt, va_list args)
{
	struct log_flood f = { .site = site, .level = level };

	vsnprintf(f.text, sizeof(f.text), fmt, args);
	clean(f.text, strlen(f.text));
	(void)log_writer_flood(&f); /* else the next line of this site says how many */
}

void log_line(struct log_site *site, enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[LOG_LINE_CAP];
	uint32_t dropped = 0;
	enum verdict verdict = site ? site_admits(site, &dropped) : PASSES;
	size_t len, head;
	va_list args;

	va_start(args, fmt);
	if (verdict == DROPPED_FIRST)
		begin_flood(site, level, fmt, args);
	if (verdict == DROPPED_FIRST || verdict == DROPPED)
		goto out;
	count(&passed[level], 1);
	head = (size_t)put_head(line, level);
	len = put(line, head, fmt, args);
	if (dropped)
		len = putf(line, len, " [%" PRIu32 " more like this not shown]", dropped);
	if (verdict == PASSES_LAST) /* said now: the count comes later */
		len = putf(line, len, " [no more like this in this second]");
	len = finish(line, head, len);
	if (!log_writer_put(level, line, len) && write(STDERR_FILENO, line, len) < 0)
		count(&lost, 1); /* there is nobody left to tell */
out:
	va_end(args);
	errno = saved_errno;
}
