/* Placing: a connection goes to the reactor that had the fewest commands since connections last
 * came, a second ago or more, connections counted in, whatever its target, so that one busy volume
 * with several sessions uses all cores; and stays there. */
#include "target/placement.h"

#include "backstore/base/log.h"
#include "target/iscsi/reactor.h"

#include <stdlib.h>
#include <unistd.h>

struct arrival {
	struct io_msg msg;
	struct iscsi_reactor *where;
	int fd;
};

static void arrived(struct io_msg *m)
{
	struct arrival *a = container_of(m, struct arrival, msg);

	iscsi_reactor_adopt(a->where, a->fd);
	free(a);
}

static unsigned connections(const struct placement *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->node->nreactors; i++)
		n += atomic_load_explicit(&p->node->reactors[i]->nconns, memory_order_relaxed);
	return n;
}

/* Commands per interval of a second or more; old enough to be true, young enough to matter. */
static void update_rates(struct placement *p, uint64_t now_ns)
{
	if (now_ns - p->rated_ns < UINT64_C(1000000000))
		return;
	p->rated_ns = now_ns;
	p->average = 0;
	for (unsigned i = 0; i < p->node->nreactors; i++) {
		const struct iscsi_reactor *r = p->node->reactors[i];
		uint64_t n = atomic_load_explicit(&r->ncommands, memory_order_relaxed);

		p->load[i].rate = n - p->load[i].seen_commands;
		p->load[i].seen_commands = n;
		p->average += p->load[i].rate;
	}
	p->average /= MAX(connections(p), 1u);
}

/* A connection counts as one command: idle reactors get them in turn. */
static uint64_t burden(const struct placement *p, unsigned i)
{
	return p->load[i].rate +
	       atomic_load_explicit(&p->node->reactors[i]->nconns, memory_order_relaxed);
}

static unsigned choose(const struct placement *p)
{
	unsigned best = 0;

	for (unsigned i = 1; i < p->node->nreactors; i++)
		if (burden(p, i) < burden(p, best))
			best = i;
	return best;
}

void placement_take(struct placement *p, uint64_t now_ns, int fd)
{
	struct arrival *a;
	unsigned best;

	if (connections(p) >= p->max_connections) {
		log_warn("a connection is closed: there are %u already (--max-sessions and the "
			 "logins beside them)",
			 p->max_connections);
		login_count_refused(&p->node->logins.counts, REFUSED_TURNED_AWAY);
		close(fd);
		return;
	}
	a = malloc(sizeof(*a));
	if (!a) {
		log_error("cannot accept a connection: out of memory");
		close(fd);
		return;
	}
	update_rates(p, now_ns);
	best = choose(p);
	*a = (struct arrival){ .msg.run = arrived, .where = p->node->reactors[best], .fd = fd };
	/* Counted here, so that a burst of logins spreads before any of them runs: each is taken to
	 * be as busy as all are on average, until a second has shown what it is. */
	atomic_fetch_add_explicit(&a->where->nconns, 1, memory_order_relaxed);
	p->load[best].rate += p->average;
	io_post(a->where->io, &a->msg);
}
