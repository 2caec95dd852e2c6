/* What disk.c and disk_space.c share. */
#pragma once

#include "backstore/disk.h"
#include "backstore/lane.h"
#include "backstore/syncer.h"

/* priv.state of a request */
enum {
	REQ_IN_LANE = 1 << 0,
	REQ_READS = 1 << 1,    /* which lane */
	REQ_NO_PUNCH = 1 << 2, /* refused for this request: do without */
	REQ_NO_ZERO = 1 << 3,
	REQ_PUNCHES = 1 << 4, /* what is under way: a punch, */
	REQ_ZEROES = 1 << 5,  /* a zero range, or neither: a write */
};

struct disk_lanes {
	struct lane writes, reads;
};

struct disk {
	struct backstore base;
	int fd;
	char *name;
	bool buffered, writethrough;
	bool writes_block; /* whatever IO_NOWAIT says */
	bool dsyncs;	   /* IO_DSYNC makes a write durable */
	uint32_t punch_bytes;
	/* learned from refusals, written by any reactor: */
	atomic_bool no_nowait, no_punch, no_zero;
	struct syncer syncer;
	struct shrink shrink;
	unsigned reactors;
	struct disk_lanes lanes[]; /* by io->index */
};

static inline struct disk *disk_of(struct backstore *bs)
{
	return container_of(bs, struct disk, base);
}

/* Goes on once the request has a place in its lane, now or later. */
void disk_enter_lane(struct disk *d, struct bs_req *req);
/* Ends the request: res 0, or -errno as the medium gave it. */
void disk_end(struct bs_req *req, int res);
/* Its data has been written: makes it durable where that was asked for, then ends. */
void disk_written(struct disk *d, struct bs_req *req);

/* disk_space.c: goes on with a discard or a write of zeros; it is in its lane. */
void disk_space_go(struct disk *d, struct bs_req *req);
