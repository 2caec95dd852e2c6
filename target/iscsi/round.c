/* Rounds: a message to each reactor, the last of which wakes up who waits. */
#include "target/iscsi/round.h"

struct round;

struct round_part {
	struct io_msg msg;
	struct round *round;
	struct iscsi_reactor *where;
};

struct round {
	round_fn *run;
	void *arg;
	_Atomic unsigned left;
	sem_t done;
	struct round_part parts[ISCSI_MAX_REACTORS];
};

static void run_here(struct io_msg *m)
{
	const struct round_part *part = container_of(m, struct round_part, msg);
	struct round *round = part->round;

	round->run(part->where, round->arg);
	/* Once it has counted, the waiter may be gone, and the round with it. */
	if (atomic_fetch_sub(&round->left, 1) == 1)
		sem_post(&round->done);
}

static void go(struct iscsi_node *node, struct iscsi_reactor *const *reactors, unsigned n,
	       round_fn *run, void *arg)
{
	struct round round = { .run = run, .arg = arg, .left = n };

	if (!node->running)
		return;
	sem_init(&round.done, 0, 0);
	for (unsigned i = 0; i < n; i++) {
		struct round_part *part = &round.parts[i];

		part->msg.run = run_here;
		part->round = &round;
		part->where = reactors[i];
		io_post(part->where->io, &part->msg);
	}
	while (!node->wait(node, &round.done, UINT64_MAX))
		; /* it would be in use behind us */
	sem_destroy(&round.done);
}

void round_all(struct iscsi_node *node, round_fn *run, void *arg)
{
	go(node, node->reactors, node->nreactors, run, arg);
}

void round_one(struct iscsi_node *node, struct iscsi_reactor *r, round_fn *run, void *arg)
{
	go(node, &r, 1, run, arg);
}
