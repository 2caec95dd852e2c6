/* One reactor's half of the iSCSI server: its connections, its buffers, its tasks.
 *
 * All of it belongs to the reactor's thread, but for the counters marked atomic. */
#pragma once

#include "backstore/base/io.h"
#include "backstore/base/pool.h"
#include "target/iscsi/node.h"

#include <stdatomic.h>

struct task;

struct iscsi_reactor {
	struct iscsi_node *node; /* borrowed */
	struct io *io;		 /* borrowed; io->index is our place in node->reactors */
	struct pool *pool;	 /* owned */
	struct list conns;
	struct list dirty;     /* connections with something to send in this turn */
	struct task *answered; /* those whose status was queued in this turn */
	struct list free_tasks;
	struct list task_blocks;   /* the memory of tasks */
	_Atomic unsigned nzombies; /* tasks that nobody waits for but the disk still has */
	unsigned nrunning;	   /* tasks that the device server has, zombies among them */
	size_t queued_bytes;	   /* of answers that are copies: pings, texts (conn_pdu) */
	size_t parked_bytes;	   /* of PDUs before their turn */
	size_t staged_bytes;	   /* of texts and pings that are being received */
	struct list busy_units;	   /* those whose disks have writes of ours (scsi_cmd.busy) */
	struct io_timer tick;	   /* looks for slow writes while anything runs */
	bool draining, drain_ended;
	struct io_timer drain_limit;
	struct io_op drain_op;
	void (*drained)(
		struct iscsi_reactor *r); /* called once no connection and no zombie is left */

	_Atomic uint32_t nconns; /* written here, read by whoever places a connection */
	_Atomic uint64_t ncommands;
};

/* @io is borrowed, @buffer_bytes is this reactor's share of the budget. On the reactor's thread. */
int iscsi_reactor_new(struct iscsi_reactor **out, struct iscsi_node *node, struct io *io,
		      uint64_t buffer_bytes) MUST_CHECK;
/* No connection and no zombie is left. */
void iscsi_reactor_free(struct iscsi_reactor *r);

/* Takes an accepted socket over. */
void iscsi_reactor_adopt(struct iscsi_reactor *r, int fd);

/* Asks every session to log out (RFC 7143 11.9.1, event 1), drops who is not logged in, and after
 * the node's logout time drops the rest. drained() follows, never from inside; zombies are not
 * waited for longer than
 * @bound_ns. */
void iscsi_reactor_drain(struct iscsi_reactor *r, uint64_t bound_ns,
			 void (*drained)(struct iscsi_reactor *r));

/* Something that drain waits for is gone: a connection or a zombie. */
void iscsi_reactor_settle(struct iscsi_reactor *r);
