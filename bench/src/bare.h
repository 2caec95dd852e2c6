/* One peer of the bare server: requests in, answers out. Does no I/O itself; what drives
 * it is one of three loops. */
#pragma once

#include "bench/src/bare_wire.h"
#include "bench/src/batch.h"

struct bare_peer {
	int fd;
	struct bare_head head; /* the request that is coming */
	size_t have;	       /* of it */
	uint32_t skip;	       /* data of it still to come */
	uint32_t *waiting;     /* a ring of requests to be answered: see bare.c */
	unsigned first, count;
	uint8_t *payload; /* BARE_MAX_BYTES, shared */
	struct batch batch;
};

/* Takes over @fd. NULL: no memory, and it is closed. */
struct bare_peer *bare_peer_new(int fd, uint8_t *payload);
void bare_peer_free(struct bare_peer *p);

/* Bytes came. Returns 0, or -errno: the peer is not one of ours. */
int bare_peer_feed(struct bare_peer *p, const uint8_t *data, size_t len) MUST_CHECK;

/* Fills the batch, of which all has been sent, with answers. False: there are none. */
bool bare_peer_answer(struct bare_peer *p);

/* Each serves @listener until it fails, and returns -errno. */
int bare_sleep(int listener, uint8_t *payload); /* a thread a peer, blocking */
int bare_spin(int listener, uint8_t *payload);	/* one thread that asks all the time */
int bare_uring(int listener, uint8_t *payload); /* one thread, one ring */
