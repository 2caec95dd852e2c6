/* The listening sockets: those of --listen, and those that come and go while the server runs. */
#pragma once

#include "backstore/base/list.h"
#include "target/config.h"
#include "target/iscsi/node.h"

#include <pthread.h>
#include <semaphore.h>

struct portals {
	struct iscsi_node *node;
	void (*on_accept)(struct io_listener *l, int fd);
	void *owner; /* of the listeners */
	pthread_mutex_t lock;
	struct list all; /* under the lock, as the next */
	struct io *io;	 /* where they are listened to; NULL: not yet */
	bool stopping;

	/* of that reactor */
	struct io_msg stop_msg;
	unsigned nlistening;
	sem_t *stopped, *stop_event; /* NULL: it is not to stop; what the message brings */
};

int portals_init(struct portals *ps, struct iscsi_node *node,
		 void (*on_accept)(struct io_listener *l, int fd), void *owner) MUST_CHECK;
/* Closes what is not listened to. */
void portals_fini(struct portals *ps);

/* Binds those of the command line, waiting up to 10 s for a port that a dead process still holds,
 * and tells the node where. On failure @why has the sentence. */
int portals_open(struct portals *ps, const struct config *cfg, char *why,
		 size_t why_cap) MUST_CHECK;
/* On the reactor: begins with all that are there. */
void portals_listen(struct portals *ps, struct io *io);
/* Ends all; @stopped is posted then, and nobody comes any more. From any thread, also before
 * portals_listen, with the io that it is going to be called with. */
void portals_stop(struct portals *ps, struct io *io, sem_t *stopped);

/* From any thread that is no reactor's. @text: "ADDR[:PORT]"; 0 as the port: any that is free; the
 * address as it turned out is in @sa. -EINVAL, -EADDRINUSE, -EEXIST ... with @why. */
int portals_add(struct portals *ps, const char *text, struct sockaddr_storage *sa, char *why,
		size_t why_cap) MUST_CHECK;
/* Who has connected by it stays. -ENOENT. */
int portals_remove(struct portals *ps, const char *text, char *why, size_t why_cap) MUST_CHECK;
