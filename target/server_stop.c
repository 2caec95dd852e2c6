/* The server's end.
 *
 *   server_stop ──▶ listeners close ──▶ drain on every reactor ──▶ flush of every volume ──▶ join
 *
 * Listeners close first: whoever connects then is refused at once and tries another portal, and
 * nobody reaches a reactor that has drained already. */
#include "target/server_priv.h"

#include "backstore/backstore.h"
#include "backstore/base/log.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum {
	DRAIN_BOUND_S = 10, /* sessions and disks have that long */
	STOP_BOUND_S = 25,  /* all of stopping: draining, then flushing */
};

static void drained(struct iscsi_reactor *r)
{
	struct server *s = container_of(r->node, struct server, node);

	sem_post(&s->event);
}

static void drain_here(struct io_msg *m)
{
	struct reactor_thread *t = container_of(m, struct reactor_thread, drain_msg);

	iscsi_reactor_drain(t->iscsi, DRAIN_BOUND_S * UINT64_C(1000000000), drained);
}

static void stop_here(struct io_msg *m)
{
	struct reactor_thread *t = container_of(m, struct reactor_thread, stop_msg);

	atomic_store_explicit(&t->stop, true, memory_order_relaxed);
}

static void flushed(struct bs_req *req, int res)
{
	struct volume *v = container_of(req, struct volume, flush);
	struct server *s = container_of(v->set, struct server, volumes);

	if (res) {
		log_error("volume %s: the last flush failed: %s; what was not flushed may be lost",
			  v->name, strerror(-res));
		atomic_store(&s->flush_error, res);
	}
	if (--s->flushing == 0)
		sem_post(&s->event);
}

static void flush_all(struct io_msg *m)
{
	struct server *s = container_of(m, struct server, flush_msg);

	s->flushing = 1;
	/* nobody adds or removes any more: control has stopped */
	list_for_each (l, &s->volumes.all) {
		struct volume *v = list_entry(l, struct volume, link);
		struct backstore *bs = scsi_lu_backstore(v->lu);

		if (bs->read_only)
			continue;
		v->flush = (struct bs_req){
			.io = s->threads[0].io,
			.kind = BS_FLUSH,
			.done = flushed,
		};
		s->flushing++;
		bs_submit(bs, &v->flush);
	}
	if (--s->flushing == 0)
		sem_post(&s->event);
}

/* @count events, or -ETIMEDOUT. */
static int await(struct server *s, unsigned count, const struct timespec *until)
{
	while (count)
		if (!sem_clockwait(&s->event, CLOCK_MONOTONIC, until))
			count--;
		else if (errno != EINTR)
			return -errno;
	return 0;
}

/* What a stuck disk still holds after draining: memory that must not be freed. */
static unsigned zombies(const struct server *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->nthreads; i++)
		n += s->threads[i].iscsi->nzombies;
	return n;
}

static int drain(struct server *s, const struct timespec *until)
{
	int rc;

	portals_stop(&s->portals, s->threads[0].io, &s->event);
	rc = await(s, 1, until);
	if (rc)
		return rc;
	for (unsigned i = 0; i < s->nthreads; i++) {
		s->threads[i].drain_msg.run = drain_here;
		io_post(s->threads[i].io, &s->threads[i].drain_msg);
	}
	return await(s, s->nthreads, until);
}

int server_stop(struct server *s)
{
	struct timespec until;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_BOUND_S;
	log_info("stopping: asking sessions to log out");
	rc = drain(s, &until);
	if (!rc) {
		s->flush_msg.run = flush_all;
		io_post(s->threads[0].io, &s->flush_msg);
		rc = await(s, 1, &until);
	}
	if (!rc && zombies(s))
		rc = -ETIMEDOUT;
	if (rc) {
		log_error("stopping: a disk did not answer within %d s; what was not flushed may "
			  "be lost",
			  STOP_BOUND_S);
		return rc;
	}
	iscsi_node_run(&s->node, false);
	for (unsigned i = 0; i < s->nthreads; i++) {
		s->threads[i].stop_msg.run = stop_here;
		io_post(s->threads[i].io, &s->threads[i].stop_msg);
	}
	server_join(s);
	return atomic_load(&s->flush_error) ? -EIO : 0;
}
