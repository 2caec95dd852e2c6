/* The whole server in memory: reactors, node, volumes over fake files, and the
 * initiators of a test, in one fake world.
 *
 * Volume n is LUN 0 of target rig_target(n); the first target shows all others, too, as LUN
 * 1, 2 … Time is virtual: rig_turn and what is built on it move it. */
#pragma once

#include "backstore/backstore.h"
#include "target/iscsi/reactor.h"
#include "tests/fakes/initiator.h"
#include "tests/fakes/mutant_bs.h"

enum {
	RIG_MAX_REACTORS = 4,
	RIG_MAX_VOLUMES = 3,
	RIG_MAX_ARRIVALS = 256,
};

#define RIG_MS UINT64_C(1000000)
#define RIG_S  UINT64_C(1000000000)

struct rig_config {
	uint64_t seed;
	unsigned reactors, volumes; /* 0: one */
	uint64_t volume_bytes;	    /* 0: 1 MiB */
	uint64_t memory_bytes;	    /* of a reactor; 0: 16 MiB */
	bool buffered, writethrough, shared;
	bool no_dsync; /* the file system ignores RWF_DSYNC */
	enum rig_mutant mutant;
};

struct rig_volume {
	struct fake_file *file;
	struct scsi_lu *lu;
	struct scsi_target *target;
	char name[64];
};

struct rig {
	struct rig_config cfg;
	struct fake_world *w;
	struct io *io[RIG_MAX_REACTORS];
	struct iscsi_reactor *r[RIG_MAX_REACTORS];
	struct iscsi_node node;
	struct rig_volume v[RIG_MAX_VOLUMES];
	struct list inis;
	struct io_listener listener;
	unsigned arrivals[RIG_MAX_ARRIVALS], first_arrival, last_arrival; /* wanted reactors */
	bool listening, serving;
	unsigned drained; /* reactors that have */
	uint64_t turns;
	/* called before and after the world moves; may be NULL */
	void (*around)(bool before);
};

/* A world, its files, and the server. */
void rig_init(struct rig *g, const struct rig_config *cfg);
/* The server alone, and its end: after a crash, over the same files. rig_shut releases and
 * ends all that is under way and asserts that everything was given back. */
void rig_serve(struct rig *g);
void rig_shut(struct rig *g);
/* rig_shut, then the world. */
void rig_fini(struct rig *g);

/* What a failing server logs is no news where failure is the test; rig_hush returns what
 * rig_unhush wants. With RINGLUN_TEST_LOG in the environment all is logged. */
int rig_hush(void);
void rig_unhush(int keep);

const char *rig_target(const struct rig *g, unsigned volume);
uint64_t rig_now(const struct rig *g);

/* Moves the world a little, and the initiators with it. False: it is @until_ns. */
bool rig_turn(struct rig *g, uint64_t until_ns);
/* Until @cond, at most @max_ns; is @cond in the end. */
#define RIG_WAIT(g, cond, max_ns)                                                                  \
	__extension__({                                                                            \
		uint64_t until_ = rig_now(g) + (max_ns);                                           \
		while (!(cond) && rig_turn((g), until_))                                           \
			;                                                                          \
		(cond);                                                                            \
	})
void rig_pass(struct rig *g, uint64_t ns);

/* A connection of @i to @reactor; the initiator becomes one of the rig's. */
void rig_connect(struct rig *g, struct ini *i, unsigned reactor);
/* Connects, logs in, and takes the unit attentions of LUN 0. False: it did not work. */
bool rig_login(struct rig *g, struct ini *i, unsigned volume, unsigned reactor);
/* Submits, and waits (a minute at most) until it is over. True: DONE. */
bool rig_do(struct rig *g, struct ini *i, struct ini_cmd *c);
/* rig_do, and the status is GOOD. */
bool rig_good(struct rig *g, struct ini *i, struct ini_cmd *c);
/* The initiator is no longer the rig's; frees what it holds. */
void rig_drop(struct ini *i);

/* Asks all reactors to drain; drained counts those that have. */
void rig_drain(struct rig *g, uint64_t bound_ns);
/* Active fences of a volume. */
unsigned rig_fences(const struct rig *g, unsigned volume);
/* As though no abort had ever set one. */
void rig_forget_fences(struct rig *g, unsigned volume);
unsigned rig_zombies(const struct rig *g);
/* Buffer bytes handed out, of all reactors. */
uint64_t rig_used_bytes(const struct rig *g);
