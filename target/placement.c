/* Placing: a connection goes to the reactor that had the fewest commands in the last second
 * (ties: the fewest connections), whatever its target, so that one busy volume with several
 * sessions uses all cores; and stays there. */
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

/* Commands per interval of a second or more; old enough to be true, young enough to matter. */
static void update_rates(struct placement *p, uint64_t now_ns)
{
	if (now_ns - p->rated_ns < UINT64_C(1000000000))
		return;
	p->rated_ns = now_ns;
	for (unsigned i = 0; i < p->node->nreactors; i++) {
		const struct iscsi_reactor *r = p->node->reactors[i];
		uint64_t n = atomic_load_explicit(&r->ncommands, memory_order_relaxed);

		p->load[i].rate = n - p->load[i].seen_commands;
		p->load[i].seen_commands = n;
	}
}

static struct iscsi_reactor *choose(const struct placement *p)
{
	unsigned best = 0, least = 0;

	for (unsigned i = 0; i < p->node->nreactors; i++) {
		unsigned conns =
			atomic_load_explicit(&p->node->reactors[i]->nconns, memory_order_relaxed);

		if (i && (p->load[i].rate > p->load[best].rate ||
			  (p->load[i].rate == p->load[best].rate && conns >= least)))
			continue;
		best = i;
		least = conns;
	}
	return p->node->reactors[best];
}

void placement_take(struct placement *p, uint64_t now_ns, int fd)
{
	struct arrival *a = malloc(sizeof(*a));

	if (!a) {
		log_error("cannot accept a connection: out of memory");
		close(fd);
		return;
	}
	update_rates(p, now_ns);
	*a = (struct arrival){ .msg.run = arrived, .where = choose(p), .fd = fd };
	/* counted here, so that a burst of logins spreads before any of them runs */
	atomic_fetch_add_explicit(&a->where->nconns, 1, memory_order_relaxed);
	io_post(a->where->io, &a->msg);
}
