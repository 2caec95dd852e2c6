/* A connection under load: keeps @depth commands under way until the run ends.
 *
 *     ready ──issue──▶ under way ──good──▶ ready
 *       ▲                  │ ──busy──▶ retry ──tick──▶ ready
 *       └──── linger ◀─────┘ (its data is still being sent)
 *
 * What the commands look like is the protocol's: iscsi.h, tcp.c. Belongs to one worker;
 * opened and logged in, blocking, before that begins. */
#pragma once

#include "bench/src/batch.h"
#include "bench/src/load.h"
#include "bench/src/picker.h"

enum conn_phase {
	CONN_RUN,
	CONN_DRAIN,    /* the time is up: only answers are waited for */
	CONN_READBACK, /* all that was written is read once more */
	CONN_FINISH,   /* the session ends */
	CONN_DONE,
};

/* A command. What a protocol needs for it is here, too: there is one place less to look. */
struct task {
	struct list link; /* conn.ready, .retry, .linger, or the protocol's */
	struct pick pick;
	uint64_t start_ns;
	uint8_t *data;	   /* block_bytes */
	uint32_t batch_no; /* the last batch that has bytes of data */
	bool again;	   /* the pick is to be issued once more */
	/* iSCSI */
	bool under_way;
	uint32_t itt;
	uint32_t got_bytes;   /* of a read */
	uint32_t asked_bytes; /* of a write: up to where it was sent or asked for */
	uint32_t burst_off, burst_end, burst_ttt, data_sn; /* being sent; empty: equal */
	uint32_t r2t_off, r2t_end, r2t_ttt;		   /* to be sent after that */
};

struct conn;

struct proto {
	/* Another command may be issued now. */
	bool (*may_issue)(struct conn *c);
	/* Adds @t to c->batch, which has room. */
	void (*issue)(struct conn *c, struct task *t);
	/* Adds what goes before commands, as far as there is room. */
	void (*pump)(struct conn *c);
	/* @len bytes came. 0, or -errno after conn_fail. */
	int (*feed)(struct conn *c, const uint8_t *data, size_t len);
	/* The last: to be answered by conn_done, now or later. */
	void (*finish)(struct conn *c);
	void (*free)(struct conn *c);
};

struct conn {
	const struct proto *proto;
	struct worker *worker;
	struct run *run;
	unsigned index;
	int fd;
	enum conn_phase phase;
	struct list worker_link, dirty_link;
	struct list ready, retry, linger;
	unsigned outstanding;
	uint64_t heard_ns;
	struct task *tasks; /* opt->depth */
	uint8_t *buffers;   /* theirs, when verifying */
	struct picker picker;
	struct ring_op rx_op, tx_op;
	bool rx_armed, tx_busy;
	struct batch batch;
	uint32_t batch_no, batches_sent; /* numbers of the present one, and of the last sent */
};

/* Connect, log in, make ready for commands. @disk_bytes: what the peer can store, its
 * block size divides @block_bytes. Returns 0 or -errno after saying why. */
int tcp_open(struct conn **out, struct run *run, unsigned index) MUST_CHECK;
int iscsi_open(struct conn **out, struct run *run, unsigned index, uint64_t *disk_bytes) MUST_CHECK;

/* For them. */
int conn_connect(const struct options *o);
int conn_init(struct conn *c, const struct proto *proto, struct run *run, unsigned index, int fd);
void conn_fini(struct conn *c);

/* The part of the disk that is its own, or that it shares. */
int conn_set_range(struct conn *c);

/* For the worker. */
void conn_start(struct conn *c);
void conn_flush(struct conn *c);
void conn_tick(struct conn *c);

/* For the protocol: how a command ended. */
void conn_task_good(struct conn *c, struct task *t);
void conn_task_busy(struct conn *c, struct task *t);
void conn_task_failed(struct conn *c, struct task *t, enum load_error error);

/* Something is to be sent. */
static inline void conn_dirty(struct conn *c)
{
	if (list_empty(&c->dirty_link))
		list_add_tail(&c->worker->dirty, &c->dirty_link);
}

/* It ended well. */
void conn_done(struct conn *c);
/* It did not: says so, counts it, and ends the run. */
void conn_fail(struct conn *c, enum load_error error, const char *fmt, ...) PRINTF(3, 4);
