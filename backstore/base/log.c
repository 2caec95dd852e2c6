/* A line is put together on the stack and leaves in one write(2), so that lines
 * of several threads do not mix. Bytes below space, which a peer may have put
 * into a name, become '?': nobody outside can forge a line or drive a terminal.
 *
 * Under journald (which says so in JOURNAL_STREAM) a line starts with "<3>" and
 * the like, which the journal takes for its priority, and goes without a time;
 * elsewhere it starts with the time in UTC. */
#include "backstore/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	LINES_PER_SECOND = 20, /* of one call site */
	LINE_CAP = 1024,
};

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

/* The one setting of the process: passing it down to every call site would
 * cost more than this exception to "nothing mutable at file scope". */
static _Atomic int level_now = LOG_INFO;

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

enum log_level log_level(void)
{
	return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
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

/* True where the line may pass; *dropped = how many before it did not, *last = nothing
 * more passes in this second. Threads that race at the turn of a second may let a line
 * more or less pass. */
static bool site_admits(struct log_site *site, uint64_t now_s, uint32_t *dropped, bool *last)
{
	uint32_t count;
	uint64_t window_s = atomic_load_explicit(&site->window_s, memory_order_relaxed);

	*dropped = 0;
	if (window_s != now_s &&
	    atomic_compare_exchange_strong_explicit(&site->window_s, &window_s, now_s,
						    memory_order_relaxed, memory_order_relaxed))
		atomic_store_explicit(&site->count, 0, memory_order_relaxed);
	count = atomic_fetch_add_explicit(&site->count, 1, memory_order_relaxed);
	*last = count + 1 == LINES_PER_SECOND;
	if (count >= LINES_PER_SECOND) {
		atomic_fetch_add_explicit(&site->dropped, 1, memory_order_relaxed);
		return false;
	}
	*dropped = atomic_exchange_explicit(&site->dropped, 0, memory_order_relaxed);
	return true;
}

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
		return snprintf(line, LINE_CAP, "<%c>ringlund: %s: ", journal_priority[level],
				level_names[level]);
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	return snprintf(line, LINE_CAP,
			"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ringlund: %s: ", tm.tm_year + 1900,
			tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
			(int)(now.tv_nsec / 1000000), level_names[level]);
}

/* Adds to the line at @at, cut where it is full; room for the newline remains. */
static size_t put(char *line, size_t at, const char *fmt, va_list args) PRINTF(3, 0);

static size_t put(char *line, size_t at, const char *fmt, va_list args)
{
	int n = vsnprintf(line + at, LINE_CAP - 1 - at, fmt, args);

	return n < 0 ? at : MIN(at + (size_t)n, (size_t)LINE_CAP - 2);
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

void log_line(struct log_site *site, enum log_level level, const char *fmt, ...)
{
	int saved_errno = errno;
	char line[LINE_CAP];
	struct timespec now;
	uint32_t dropped;
	bool last;
	va_list args;
	size_t len, head;

	clock_gettime(CLOCK_MONOTONIC, &now);
	/* + 1: a zeroed site has seen no second yet */
	if (!site_admits(site, (uint64_t)now.tv_sec + 1, &dropped, &last))
		return;
	head = (size_t)put_head(line, level);
	va_start(args, fmt);
	len = put(line, head, fmt, args);
	va_end(args);
	if (dropped)
		len = putf(line, len, " [%" PRIu32 " more like this not shown]", dropped);
	if (last) /* said now: the count comes with the next line, which may be hours later */
		len = putf(line, len, " [no more like this in this second]");
	for (size_t i = head; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[len++] = '\n';
	/* Where this fails there is nobody left to tell. */
	if (write(STDERR_FILENO, line, len) < 0)
		errno = saved_errno;
	errno = saved_errno;
}
