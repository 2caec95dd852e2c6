/* The thread that writes what others log.
 *
 *    log_line ─▶ ring ─▶ writer ─▶ write(2)        may block for ever: a pager, a stopped terminal,
 *    (a reactor: a short lock and a copy)          a full pipe; nobody else notices
 *
 * Standard error may be shared with other processes, so it cannot be made non-blocking, and asking
 * whether it would block is a guess about what they do next: only a thread that may wait is sure.
 *
 * What finds no room in the ring is lost and counted, and the log says so when it moves on again;
 * the last quarter is kept for errors and warnings. Whoever aborts the process may lose what was
 * logged in the last microseconds. */
#include "backstore/base/log_parts.h"

#include "backstore/base/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	RING_BYTES = 256 << 10,
	RING_KEPT_BYTES = RING_BYTES / 4, /* for errors and warnings */
	MAX_FLOODS = 64, /* that are told of when they are over; others by their next line */
	STOP_S = 1,
};

/* As the log itself: one for the process. */
static struct writer {
	pthread_mutex_t lock;
	pthread_cond_t more, gone;
	pthread_t thread;
	bool running, stopping;
	bool joinable;	 /* of who starts and stops it */
	size_t at, len;	 /* in the ring; whole lines */
	uint64_t untold; /* lines that were lost since the log has said so */
	unsigned nfloods;
	struct log_flood floods[MAX_FLOODS];
	char ring[RING_BYTES];
} writer = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void ring_add(struct writer *w, const char *line, size_t len)
{
	size_t at = (w->at + w->len) % RING_BYTES, first = MIN(len, RING_BYTES - at);

	memcpy(w->ring + at, line, first);
	memcpy(w->ring, line + first, len - first);
	w->len += len;
}

bool log_writer_put(enum log_level level, const char *line, size_t len)
{
	struct writer *w = &writer;
	size_t room;
	bool running;

	pthread_mutex_lock(&w->lock);
	running = w->running;
	room = RING_BYTES - w->len;
	if (running && room < len + (level > LOG_WARN ? RING_KEPT_BYTES : 0)) {
		w->untold++;
		log_count_lost(1);
	} else if (running) {
		ring_add(w, line, len);
		if (w->len == len) /* it may be asleep */
			pthread_cond_signal(&w->more);
	}
	pthread_mutex_unlock(&w->lock);
	return running;
}

bool log_writer_flood(const struct log_flood *f)
{
	struct writer *w = &writer;
	bool taken = false;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->nfloods && !taken; i++)
		taken = w->floods[i].site == f->site;
	if (!taken && w->running && w->nfloods < MAX_FLOODS) {
		taken = true;
		w->floods[w->nfloods++] = *f;
		pthread_cond_signal(&w->more);
	}
	pthread_mutex_unlock(&w->lock);
	return taken;
}

/* --- the thread; with the lock held, but for write_all ----------------------------------- */

/* As many whole lines as go into a pipe at once (PIPE_BUF), so that they do not mix with others'.
 */
static size_t ring_take(struct writer *w, char out[static PIPE_BUF])
{
	size_t n = MIN(w->len, (size_t)PIPE_BUF), first = MIN(n, RING_BYTES - w->at);

	memcpy(out, w->ring + w->at, first);
	memcpy(out + first, w->ring, n - first);
	while (n && out[n - 1] != '\n')
		n--;
	w->at = (w->at + n) % RING_BYTES;
	w->len -= n;
	return n;
}

static void write_all(const char *text, size_t len)
{
	uint64_t lines = 0;

	while (len) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno == EAGAIN) /* somebody made it non-blocking for us all */
			(void)poll(&(struct pollfd){ STDERR_FILENO, POLLOUT, 0 }, 1, -1);
		else if (n < 0 && errno != EINTR)
			break;
		text += MAX(n, 0);
		len -= (size_t)MAX(n, 0);
	}
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	if (lines)
		log_count_lost(lines);
}

static void say_lost(struct writer *w)
{
	char line[LOG_LINE_CAP];
	size_t len = log_format(line, LOG_WARN,
				"%" PRIu64 " lines are missing here: standard error took nothing",
				w->untold);

	w->untold = 0;
	ring_add(w, line, len);
}

/* Those that are over, or all. */
static void say_floods(struct writer *w, bool all)
{
	char line[LOG_LINE_CAP];
	uint32_t dropped;

	for (unsigned i = 0; i < w->nfloods && RING_BYTES - w->len > sizeof(line);) {
		const struct log_flood *f = &w->floods[i];

		if (!log_flood_is_over(f, all, &dropped)) {
			i++;
			continue;
		}
		if (dropped)
			ring_add(w, line,
				 log_format(line, f->level,
					    "[%" PRIu32 " lines like this were left out] %s",
					    dropped, f->text));
		w->floods[i] = w->floods[--w->nfloods];
	}
}

static void rest(struct writer *w)
{
	struct timespec until;

	if (!w->nfloods) {
		pthread_cond_wait(&w->more, &w->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	pthread_cond_timedwait(&w->more, &w->lock, &until);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	char batch[PIPE_BUF];
	size_t n;

	pthread_setname_np(pthread_self(), "log");
	pthread_mutex_lock(&w->lock);
	while (!w->stopping || w->len || w->untold || w->nfloods) {
		if (w->untold && w->len < RING_BYTES / 2)
			say_lost(w);
		say_floods(w, w->stopping);
		if (!w->len && !w->stopping)
			rest(w);
		n = ring_take(w, batch);
		pthread_mutex_unlock(&w->lock);
		write_all(batch, n);
		pthread_mutex_lock(&w->lock);
	}
	w->running = false; /* who logs from now on writes */
	pthread_cond_signal(&w->gone);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static int init_conds(struct writer *w)
{
	pthread_condattr_t attr;
	int rc = -pthread_condattr_init(&attr);

	if (rc)
		return rc;
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	rc = -pthread_cond_init(&w->more, &attr);
	if (!rc)
		rc = -pthread_cond_init(&w->gone, &attr);
	pthread_condattr_destroy(&attr);
	return rc;
}

int log_start(void)
{
	struct writer *w = &writer;
	sigset_t all, before;
	int rc = init_conds(w);

	if (rc)
		return rc;
	w->stopping = false;
	w->running = true;
	signals_of_others(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&w->thread, NULL, writer_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		w->running = false;
	w->joinable = !rc;
	return rc;
}

void log_stop(void)
{
	struct writer *w = &writer;
	struct timespec until;
	bool gone;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_S;
	if (!w->joinable)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_signal(&w->more);
	while (w->running && !pthread_cond_timedwait(&w->gone, &w->lock, &until))
		;
	gone = !w->running;
	pthread_mutex_unlock(&w->lock);
	/* Else it hangs in its write until the process ends. */
	if (gone)
		pthread_join(w->thread, NULL);
	w->joinable = !gone;
}
