/* Copies of what is counted.
 *
 * Locks are held for the copying alone: of the list of volumes for a name and some hundred numbers
 * each, of the node for its sessions. What reactors count is read while they count. */
#include "target/control/control.h"
#include "target/control/metrics.h"

#include "backstore/base/log.h"
#include "target/iscsi/node.h"
#include "target/iscsi/reactor.h"
#include "target/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t load(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

/* --- volumes ------------------------------------------------------------------------- */

struct copying {
	struct metrics *m;
	unsigned room;
	bool failed;
};

static bool make_room(struct copying *to)
{
	unsigned room = to->room ? 2 * to->room : 16;
	struct metrics_volume *more;

	if (to->m->nvolumes < to->room)
		return true;
	more = realloc(to->m->volumes, room * sizeof(*more));
	if (!more)
		return false;
	to->m->volumes = more;
	to->room = room;
	return true;
}

static void copy_volume(void *arg, const struct control_volume *from)
{
	struct copying *to = arg;
	struct metrics_volume *v;

	if (to->failed || !make_room(to)) {
		to->failed = true;
		return;
	}
	v = &to->m->volumes[to->m->nvolumes++];
	*v = (struct metrics_volume){
		.name = strdup(from->name),
		.pool = strdup(from->pool ? from->pool : ""),
		.state = from->state,
		.size_bytes = from->size_bytes,
	};
	to->failed = !v->name || !v->pool;
	memcpy(v->id, from->uuid, sizeof(v->id));
	if (from->lu)
		scsi_lu_stats(from->lu, &v->stats);
}

/* --- the rest ------------------------------------------------------------------------- */

static int copy_reactors(struct metrics *m, const struct iscsi_node *node)
{
	m->reactors = calloc(node->nreactors, sizeof(*m->reactors));
	if (!m->reactors)
		return -ENOMEM;
	m->nreactors = node->nreactors;
	for (unsigned i = 0; i < m->nreactors; i++) {
		struct iscsi_reactor *r = node->reactors[i];

		m->reactors[i] = (struct metrics_reactor){
			.connections = atomic_load_explicit(&r->nconns, memory_order_relaxed),
			.commands = load(&r->ncommands),
			.zombies = atomic_load_explicit(&r->nzombies, memory_order_relaxed),
		};
	}
	return 0;
}

static void copy_logins(struct metrics *m, const struct login_counters *from)
{
	m->logins = load(&from->done);
	m->redirected = load(&from->redirected);
	for (unsigned i = 0; i < LOGIN_REFUSALS; i++)
		m->refused[i] = load(&from->refused[i]);
}

static void copy_log(struct metrics *m)
{
	struct log_counts counts;

	static_assert(ARRAY_SIZE(m->log_lines) == ARRAY_SIZE(counts.lines), "one for each level");
	log_get_counts(&counts);
	memcpy(m->log_lines, counts.lines, sizeof(m->log_lines));
	m->log_flood = counts.flood;
	m->log_lost = counts.lost;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int copy_volumes(struct metrics *m, struct control *c)
{
	struct copying to = { .m = m };

	m->at_ns = now_ns();
	control_each_volume(c, copy_volume, &to);
	return to.failed ? -ENOMEM : 0;
}

int metrics_collect_volumes(struct metrics *m, struct control *c)
{
	int rc;

	*m = (struct metrics){ .engine = "" };
	rc = copy_volumes(m, c);
	if (rc)
		metrics_fini(m);
	return rc;
}

int metrics_collect(struct metrics *m, struct control *c)
{
	struct iscsi_node *node = control_node(c);
	int rc;

	*m = (struct metrics){ .engine = server_engine(control_server(c)) };
	rc = copy_volumes(m, c);
	if (!rc)
		rc = iscsi_node_sessions(node, &m->sessions, &m->nsessions);
	if (!rc)
		rc = copy_reactors(m, node);
	if (rc) {
		metrics_fini(m);
		return rc;
	}
	copy_logins(m, &node->logins.counts);
	copy_log(m);
	metrics_read_process(&m->process);
	return 0;
}
