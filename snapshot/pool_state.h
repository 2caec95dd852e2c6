/* What a pool has, in memory: what the records of its log make, one operation after the other. */
#pragma once

#include "snapshot/pool_format.h"

#include "backstore/base/list.h"

struct pool_layer {
	uint64_t number, size_bytes;
	enum vpool_kind kind;
	char *path, *device;	    /* never NULL */
	struct pool_volume *volume; /* whose top it is; NULL: none yet */
	struct list link;
};

struct pool_volume {
	uint8_t uuid[16];
	char name[VPOOL_NAME_BYTES];
	struct pool_layer *top;
	uint64_t size_bytes, made_s;
	uint32_t block_bytes, flags; /* VOLUME_... */
	struct list link;
	bool busy; /* somebody changes it; not of the log */
};

struct pool_state {
	struct list layers, volumes;	     /* in the order of making */
	void *by_number, *by_name, *by_uuid; /* tsearch(3) */
	unsigned nvolumes;
	uint64_t next;	      /* number of a layer, never used */
	size_t encoded_bytes; /* of a checkpoint, but for its padding */
};

void pool_state_init(struct pool_state *s);
void pool_state_fini(struct pool_state *s);

/* -EBADMSG: does not fit what is there; -EPROTONOSUPPORT: from a newer version; -ENOMEM. On
 * failure the state is good for pool_state_fini only. */
int pool_state_apply(struct pool_state *s, const struct pool_op *op, char *why,
		     size_t why_cap) MUST_CHECK;
/* All of it but OPEN. */
void pool_state_write(const struct pool_state *s, struct record *r);

struct pool_volume *pool_state_find_name(const struct pool_state *s, const char *name);
struct pool_volume *pool_state_find_uuid(const struct pool_state *s, const uint8_t uuid[static 16]);
struct pool_layer *pool_state_find_layer(const struct pool_state *s, uint64_t number);

/* The operations that would put them as they are; texts are borrowed. */
struct pool_op pool_op_of_layer(const struct pool_layer *l);
struct pool_op pool_op_of_volume(const struct pool_volume *v);
