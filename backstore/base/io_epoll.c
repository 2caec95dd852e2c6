/* The engine for hosts that refuse io_uring: epoll for sockets, libaio for disk requests
 * that need not wait, helper threads for those that do.
 *
 *                  ┌─ sockets: tried at once or when epoll says so     io_epoll_net.c
 *     callbacks ───┼─ disk, may not block ─▶ one io_submit per turn ─┐ io_epoll_disk.c
 *         ▲        └─ disk, may block ─▶ helper threads ─┐ workers.c │
 *         │                                              │ mailbox   │ eventfd
 *         └────────────── one epoll_wait per turn ◀──────┴───────────┘
 *
 * Sockets are level-triggered: each turn takes a bounded part from each ready one,
 * and the kernel goes round. They may be blocking ones: the calls say MSG_DONTWAIT. The kernel
 * is given descriptors, not addresses, and looked up in a table, so that news of a socket that
 * has just been closed finds nobody, or its successor, for whom a try too many is harmless.
 * The eventfds of the mailbox and of libaio are edge-triggered and never read. */
#include "backstore/base/io.h"
#include "backstore/base/io_epoll_parts.h"
#include "backstore/base/io_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS = 256, /* taken per turn */
	FIRST_SLOTS = 64,
};

/* what the kernel says with an event: a descriptor, or this */
static const uint64_t bell_data = UINT64_MAX;

/* ── who waits on which descriptor ────────────────────────────────────── */

static int grow_slots(struct epoll_engine *e, unsigned need)
{
	unsigned n = MAX(e->nslots, FIRST_SLOTS);
	struct epoll_slot *slots;

	while (n < need)
		n *= 2;
	slots = realloc(e->slots, n * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots + e->nslots, 0, (n - e->nslots) * sizeof(*slots));
	e->slots = slots;
	e->nslots = n;
	return 0;
}

struct epoll_slot *epoll_slot(struct epoll_engine *e, int fd, int *rc)
{
	*rc = 0;
	if (fd < 0)
		*rc = -EBADF;
	else if ((unsigned)fd >= e->nslots)
		*rc = grow_slots(e, (unsigned)fd + 1);
	return *rc ? NULL : &e->slots[fd];
}

int epoll_slot_update(struct epoll_engine *e, int fd)
{
	struct epoll_slot *s = &e->slots[fd];
	struct epoll_event ev = { .data.u64 = (uint64_t)fd };
	int how = EPOLL_CTL_MOD;

	if (s->stream || s->listener)
		ev.events |= EPOLLIN;
	if (s->send)
		ev.events |= EPOLLOUT;
	if (ev.events == s->events)
		return 0;
	if (!s->events)
		how = EPOLL_CTL_ADD;
	else if (!ev.events)
		how = EPOLL_CTL_DEL; /* or an error on it would be told again and again */
	if (epoll_ctl(e->epoll_fd, how, fd, &ev) < 0 && ev.events)
		return -errno;
	s->events = ev.events;
	return 0;
}

/* ── turns ────────────────────────────────────────────────────────────── */

/* Longer than it should by less than a millisecond where the kernel counts in those. */
static int wait_ms(struct epoll_engine *e, struct epoll_event *ev, uint64_t rest_ns)
{
	int ms = rest_ns == UINT64_MAX ? -1 : (int)MIN((rest_ns + 999999) / 1000000, INT32_MAX);

	return epoll_wait(e->epoll_fd, ev, EVENTS, ms);
}

/* Returns the number of events, or -errno. */
static int wait_events(struct epoll_engine *e, struct epoll_event *ev, uint64_t rest_ns)
{
	struct timespec ts = { (time_t)(rest_ns / 1000000000), (long)(rest_ns % 1000000000) };
	int n;

	if (!rest_ns || rest_ns == UINT64_MAX || e->ms_only) {
		n = wait_ms(e, ev, rest_ns);
	} else {
		n = epoll_pwait2(e->epoll_fd, ev, EVENTS, &ts, NULL);
		if (n < 0 && (errno == ENOSYS || errno == EPERM)) { /* Linux 5.11; seccomp */
			e->ms_only = true;
			n = wait_ms(e, ev, rest_ns);
		}
	}
	return n < 0 ? -errno : n;
}

static int wait_turn(struct epoll_engine *e, struct epoll_event *ev, bool may_sleep)
{
	uint64_t next_ns = timers_next_ns(&e->io.timers), rest_ns = 0;
	bool sleep = may_sleep && next_ns > e->now_ns && list_empty(&e->deferred) &&
		     mailbox_sleep(&e->box);
	int n;

	if (sleep)
		rest_ns = next_ns == UINT64_MAX ? UINT64_MAX : next_ns - e->now_ns;
	n = wait_events(e, ev, rest_ns);
	if (sleep)
		mailbox_wake(&e->box);
	return n == -EINTR ? 0 : n;
}

static void event(struct epoll_engine *e, const struct epoll_event *ev)
{
	if (ev->data.u64 == bell_data)
		return; /* has done its work: we are awake */
	if (ev->events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		epoll_readable(e, (int)ev->data.u64);
	if (ev->events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		epoll_writable(e, (int)ev->data.u64);
}

static int turn(struct io *io, bool wait)
{
	struct epoll_engine *e = epoll_engine_of(io);
	struct epoll_event ev[EVENTS];
	int n;

	e->now_ns = clock_now_ns();
	if (io->before_submit)
		io->before_submit(io, io->before_submit_arg);
	epoll_disk_submit(e->disk);
	n = wait_turn(e, ev, wait);
	e->now_ns = clock_now_ns();
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++)
		event(e, &ev[i]);
	epoll_disk_reap(e->disk);
	mailbox_run(&e->box);
	deferred_run(&e->deferred);
	timers_run(&io->timers, e->now_ns);
	return 0;
}

static void do_defer(struct io *io, struct io_op *op, int res)
{
	op->res = res;
	list_add_tail(&epoll_engine_of(io)->deferred, &op->link);
}

/* Advice that is not taken: what the disk has got cannot be recalled, and what a helper
 * thread waits for neither. */
static void do_cancel(struct io *io MAYBE_UNUSED, struct io_op *op MAYBE_UNUSED) {}

static uint64_t now_ns(struct io *io)
{
	return epoll_engine_of(io)->now_ns;
}

static void post(struct io *io, struct io_msg *m)
{
	mailbox_post(&epoll_engine_of(io)->box, m);
}

/* ── beginning and end ────────────────────────────────────────────────── */

static void engine_free(struct io *io)
{
	struct epoll_engine *e = epoll_engine_of(io);

	epoll_disk_free(e->disk); /* its threads may still be on their way to the bell */
	mailbox_fini(&e->box);
	close(e->epoll_fd);
	free(e->scratch);
	free(e->slots);
	free(e);
}

static const struct io_ops epoll_ops = {
	.name = "epoll",
	.read = epoll_read,
	.write = epoll_write,
	.fdatasync = epoll_fdatasync,
	.space = epoll_space,
	.cancel = do_cancel,
	.defer = do_defer,
	.stream_start = epoll_stream_start,
	.stream_exact = epoll_stream_exact,
	.stream_stop = epoll_stream_stop,
	.send = epoll_send,
	.listen_start = epoll_listen_start,
	.listen_stop = epoll_listen_stop,
	.now_ns = now_ns,
	.post = post,
	.turn = turn,
	.free = engine_free,
};

static int listen_to_bell(struct epoll_engine *e, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = bell_data };

	return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int disk_init(struct epoll_engine *e)
{
	int bell_fd, rc = epoll_disk_new(&e->disk, &e->io, &bell_fd);

	if (!rc && bell_fd >= 0) {
		rc = listen_to_bell(e, bell_fd);
		if (rc)
			epoll_disk_free(e->disk);
	}
	return rc;
}

int io_epoll_engine_new(struct io **out, unsigned index)
{
	struct epoll_engine *e = calloc(1, sizeof(*e));
	int rc = -ENOMEM;

	if (!e)
		return rc;
	e->io.ops = &epoll_ops;
	e->io.index = index;
	list_init(&e->deferred);
	e->now_ns = clock_now_ns();
	e->scratch = malloc(EPOLL_SCRATCH_BYTES);
	if (!e->scratch)
		goto fail;
	e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rc = -errno;
	if (e->epoll_fd < 0)
		goto fail;
	rc = mailbox_init(&e->box);
	if (rc < 0)
		goto fail_epoll;
	rc = listen_to_bell(e, e->box.wake_fd);
	if (!rc)
		rc = disk_init(e);
	if (rc < 0)
		goto fail_box;
	*out = &e->io;
	return 0;

fail_box:
	mailbox_fini(&e->box);
fail_epoll:
	close(e->epoll_fd);
fail:
	free(e->scratch);
	free(e);
	return rc;
}
