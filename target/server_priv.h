/* The server, as server.c, which begins it, and server_stop.c, which ends it, see it. */
#pragma once

#include "target/server.h"

#include "target/iscsi/reactor.h"
#include "target/placement.h"
#include "target/portals.h"
#include "target/volumes.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct reactor_thread {
	struct server *server;
	unsigned index;
	pthread_t thread;
	bool started;
	struct io *io;
	struct iscsi_reactor *iscsi;
	int error; /* of its start */
	atomic_bool stop;
	struct io_msg drain_msg, stop_msg;
};

struct server {
	struct config cfg_view; /* shallow copy: strings stay the caller's */
	engine_new_fn *engine_new;
	struct iscsi_node node;
	struct volumes volumes;
	struct portals portals;
	unsigned nthreads;
	struct reactor_thread *threads;
	sem_t event; /* posted by reactors to the main thread */
	sem_t gate;  /* posted for each reactor when all are open, or one has failed */
	bool serves; /* set before the gate opens */
	atomic_bool failed;

	/* of the first reactor */
	struct placement placement;
	struct io_msg flush_msg;
	unsigned flushing;
	atomic_int flush_error;
};

/* All that were started have been told to stop, or were never let go. */
void server_join(struct server *s);
