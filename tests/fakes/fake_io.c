/* The fake engine: world, reactors, and the order in which things happen.
 *
 *   io_read …, io_send …  ──▶ event {due_ns} in the heap of its io
 *   io_defer, io_post     ──▶ queues of the io
 *                                 │
 *   fake_world_step: the clock moves to the earliest of all; of the reactors that
 *   have something to do by then, the seed chooses one, and it makes one turn.
 *
 * A turn runs what was due when it began, then before_submit, as the real engine
 * does. What a callback starts is due later, even if the clock stands still. */
#include "tests/fakes/fake_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fake_io *io_at(struct list *n)
{
	return list_entry(n, struct fake_io, link);
}

/* splitmix64 */
uint64_t fake_random(struct fake_world *w)
{
	uint64_t z = w->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t fake_world_random(struct fake_world *w, uint64_t n)
{
	return n ? fake_random(w) % n : 0;
}

bool fake_chance(struct fake_world *w, unsigned permille)
{
	return permille && fake_random(w) % 1000 < permille;
}

uint64_t fake_latency_ns(struct fake_world *w)
{
	uint64_t min = MAX(w->knobs.latency_min_ns, 1), max = MAX(w->knobs.latency_max_ns, min);

	return min + fake_random(w) % (max - min + 1);
}

int fake_count_op(struct fake_world *w)
{
	struct fake_knobs *k = &w->knobs;

	w->ops++;
	if (k->fail_at == UINT64_MAX || k->fail_at-- > 0)
		return 0;
	k->fail_at = UINT64_MAX;
	k->fired = true;
	return -k->fail_errno;
}

/* ── the heap of one io ── */

static bool before(const struct event *a, const struct event *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->tie < b->tie;
}

void fake_event_add(struct fake_io *f, struct event *e, uint64_t after_ns)
{
	size_t i = f->heap_n++;

	if (f->heap_n > f->heap_cap) {
		f->heap_cap = f->heap_cap ? f->heap_cap * 2 : 64;
		f->heap = realloc(f->heap, f->heap_cap * sizeof(struct event *));
		assert(f->heap);
	}
	e->io = f;
	e->due_ns = f->w->now_ns + after_ns;
	e->tie = fake_random(f->w);
	for (; i && before(e, f->heap[(i - 1) / 2]); i = (i - 1) / 2)
		f->heap[i] = f->heap[(i - 1) / 2];
	f->heap[i] = e;
}

static struct event *event_pop(struct fake_io *f)
{
	struct event *first = f->heap[0], *last = f->heap[--f->heap_n];
	size_t i = 0, child;

	for (; (child = 2 * i + 1) < f->heap_n; i = child) {
		if (child + 1 < f->heap_n && before(f->heap[child + 1], f->heap[child]))
			child++;
		if (!before(f->heap[child], last))
			break;
		f->heap[i] = f->heap[child];
	}
	f->heap[i] = last;
	return first;
}

/* ── one turn ── */

static void run_messages(struct fake_io *f)
{
	struct io_msg *m = f->msgs;

	f->msgs = NULL;
	f->msgs_end = &f->msgs;
	while (m) {
		struct io_msg *next = m->next;

		m->run(m);
		m = next;
	}
}

static void run_deferred(struct fake_io *f)
{
	struct list now;
	struct list *n;

	list_init(&now);
	list_splice_tail(&now, &f->deferred);
	while ((n = list_pop(&now))) {
		struct io_op *op = list_entry(n, struct io_op, link);

		op->done(op, op->res);
	}
}

static void run_events(struct fake_io *f)
{
	/* what they start is due later: at least 1 ns after now */
	while (f->heap_n && f->heap[0]->due_ns <= f->w->now_ns) {
		struct event *e = event_pop(f);

		e->fire(e);
	}
}

static void run_turn(struct fake_io *f)
{
	assert(!f->in_turn && "a turn within a turn");
	f->in_turn = true;
	f->wants_turn = false;
	switch (fake_random(f->w) % 3) {
	case 0:
		run_messages(f);
		run_deferred(f);
		run_events(f);
		break;
	case 1:
		run_events(f);
		run_messages(f);
		run_deferred(f);
		break;
	default:
		run_deferred(f);
		run_events(f);
		run_messages(f);
		break;
	}
	timers_run(&f->io.timers, f->w->now_ns);
	if (f->io.before_submit)
		f->io.before_submit(&f->io, f->io.before_submit_arg);
	f->in_turn = false;
}

/* When this io has something to do, timers aside. */
static uint64_t next_ns(const struct fake_io *f)
{
	if (f->wants_turn || f->msgs || !list_empty(&f->deferred))
		return f->w->now_ns;
	return f->heap_n ? MAX(f->heap[0]->due_ns, f->w->now_ns) : UINT64_MAX;
}

static uint64_t next_with_timers_ns(const struct fake_io *f)
{
	uint64_t at_ns = MIN(next_ns(f), MAX(timers_next_ns(&f->io.timers), f->w->now_ns));

	return at_ns == UINT64_MAX ? at_ns : MAX(at_ns, f->asleep_until_ns);
}

/* One turn of one of the reactors that have something to do at the earliest time
 * when one has, if that is not after @until_ns. */
static bool step(struct fake_world *w, uint64_t until_ns)
{
	uint64_t at_ns = UINT64_MAX, ready = 0, chosen;

	list_for_each (n, &w->ios)
		at_ns = MIN(at_ns, next_with_timers_ns(io_at(n)));
	if (at_ns == UINT64_MAX || at_ns > until_ns)
		return false;
	w->now_ns = MAX(w->now_ns, at_ns);
	list_for_each (n, &w->ios)
		ready += next_with_timers_ns(io_at(n)) <= w->now_ns;
	chosen = fake_random(w) % ready;
	list_for_each (n, &w->ios) {
		if (next_with_timers_ns(io_at(n)) > w->now_ns || chosen-- > 0)
			continue;
		if (fake_chance(w, w->knobs.nap_permille))
			io_at(n)->asleep_until_ns = w->now_ns + fake_latency_ns(w);
		else
			run_turn(io_at(n));
		return true;
	}
	return false;
}

static bool is_idle(const struct fake_world *w)
{
	list_for_each (n, &w->ios)
		if (next_ns(io_at(n)) != UINT64_MAX ||
		    timers_next_ns(&io_at(n)->io.timers) <= w->now_ns)
			return false;
	return true;
}

bool fake_world_step(struct fake_world *w)
{
	return !is_idle(w) && step(w, UINT64_MAX);
}

/* The test may have started things that count on a before_submit. */
static void want_turns(struct fake_world *w)
{
	list_for_each (n, &w->ios)
		io_at(n)->wants_turn = true;
}

void fake_world_run(struct fake_world *w)
{
	uint64_t steps = 0;

	want_turns(w);
	while (fake_world_step(w))
		assert(++steps < 50000000 && "the world never gets idle");
}

void fake_world_run_until(struct fake_world *w, uint64_t at_ns)
{
	uint64_t steps = 0;

	want_turns(w);
	while (step(w, at_ns))
		assert(++steps < 50000000 && "time stands still");
	w->now_ns = MAX(w->now_ns, at_ns);
}

/* ── the engine ── */

static int turn(struct io *io, bool wait)
{
	struct fake_io *f = fake_of(io);
	uint64_t at_ns = next_with_timers_ns(f);

	if (wait && at_ns != UINT64_MAX)
		f->w->now_ns = MAX(f->w->now_ns, at_ns);
	run_turn(f);
	return 0;
}

static void defer(struct io *io, struct io_op *op, int res)
{
	struct fake_io *f = fake_of(io);

	list_for_each (n, &f->deferred)
		assert(n != &op->link && "an operation that is under way is started again");
	op->res = res;
	list_add_tail(&f->deferred, &op->link);
}

static void post(struct io *io, struct io_msg *m)
{
	struct fake_io *f = fake_of(io);

	for (struct io_msg *other = f->msgs; other; other = other->next)
		assert(other != m && "a message that is under way is posted again");
	m->next = NULL;
	*f->msgs_end = m;
	f->msgs_end = &m->next;
}

static uint64_t now_ns(struct io *io)
{
	return fake_of(io)->w->now_ns;
}

static void io_end(struct io *io)
{
	struct fake_io *f = fake_of(io);

	assert(!f->in_turn && !f->heap_n && !f->msgs && "something is under way");
	assert(list_empty(&f->deferred) && !f->streams && !f->listeners && "… under way");
	assert(list_empty(&f->for_worker) && !f->workers_busy && "… under way, or stalled");
	list_del(&f->link);
	free(f->heap);
	free(f);
}

static const struct io_ops fake_ops = {
	.name = "fake",
	.read = fake_disk_read,
	.write = fake_disk_write,
	.fdatasync = fake_disk_fdatasync,
	.space = fake_disk_space,
	.cancel = fake_disk_cancel,
	.defer = defer,
	.stream_start = fake_stream_start,
	.stream_exact = fake_stream_exact,
	.stream_stop = fake_stream_stop,
	.send = fake_send,
	.listen_start = fake_listen_start,
	.listen_stop = fake_listen_stop,
	.now_ns = now_ns,
	.post = post,
	.turn = turn,
	.free = io_end,
};

struct io *fake_io_new(struct fake_world *w, unsigned index)
{
	struct fake_io *f = calloc(1, sizeof(*f));

	assert(f);
	f->io.ops = &fake_ops;
	f->io.index = index;
	f->w = w;
	f->msgs_end = &f->msgs;
	list_init(&f->deferred);
	list_init(&f->for_worker);
	list_add_tail(&w->ios, &f->link);
	return &f->io;
}

/* ── the world ── */

struct fake_world *fake_world_new(uint64_t seed)
{
	struct fake_world *w = calloc(1, sizeof(*w));

	assert(w);
	w->rng = seed * 0xd1342543de82ef95u + 1;
	w->now_ns = 1000000000;
	w->knobs = (struct fake_knobs){
		.latency_min_ns = 1000,
		.latency_max_ns = 1000000,
		.workers = 64,
		.fail_at = UINT64_MAX,
		.fail_errno = EIO,
		.crash_at = UINT64_MAX,
	};
	list_init(&w->ios);
	list_init(&w->files);
	list_init(&w->socks);
	list_init(&w->listeners);
	list_init(&w->disk_ops);
	return w;
}

void fake_world_free(struct fake_world *w)
{
	assert(list_empty(&w->ios) && "free the ios first");
	fake_socks_free_all(w);
	fake_files_free_all(w);
	free(w->fds);
	free(w);
}

struct fake_knobs *fake_world_knobs(struct fake_world *w)
{
	return &w->knobs;
}

uint64_t fake_world_now_ns(const struct fake_world *w)
{
	return w->now_ns;
}

uint64_t fake_world_ops(const struct fake_world *w)
{
	return w->ops;
}

bool fake_world_is_dead(const struct fake_world *w)
{
	return w->dead;
}

void fake_world_restart(struct fake_world *w)
{
	assert(list_empty(&w->ios) && "free the ios first");
	w->dead = false;
}

/* Descriptors are real ones, so a number comes back after its close(2): then the
 * new owner is the right one. */
void fake_fd_set(struct fake_world *w, int fd, enum fake_fd_kind kind, void *what)
{
	size_t n = (size_t)fd;

	assert(fd >= 0);
	if (n >= w->fds_n) {
		w->fds = realloc(w->fds, (n + 16) * sizeof(*w->fds));
		assert(w->fds);
		memset(w->fds + w->fds_n, 0, (n + 16 - w->fds_n) * sizeof(*w->fds));
		w->fds_n = n + 16;
	}
	w->fds[n] = (struct fake_fd){ kind, what };
}

void *fake_fd_get(const struct fake_world *w, int fd, enum fake_fd_kind kind)
{
	if (fd < 0 || (size_t)fd >= w->fds_n || w->fds[fd].kind != kind)
		return NULL;
	return w->fds[fd].what;
}
