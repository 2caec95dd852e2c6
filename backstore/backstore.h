/* A backstore is bytes at an offset: read, write, flush, discard, write zeroes.
 *
 * It knows no CDB and no volume. Shared by all reactors: each request runs on,
 * and completes on, the reactor (struct io) that submits it. */
#pragma once

#include "backstore/base/compiler.h"
#include "backstore/base/io.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum bs_kind {
	BS_READ,
	BS_WRITE,
	BS_FLUSH,	 /* all writes completed before it, on any reactor, are durable */
	BS_DISCARD,	 /* reads zeros afterwards; space is given back where it can be */
	BS_WRITE_ZEROES, /* reads zeros afterwards */
};

enum {
	BS_FUA = 1 << 0,       /* durable before done() */
	BS_MAY_UNMAP = 1 << 1, /* BS_WRITE_ZEROES: may give the space back */
};

enum {
	BS_MAX_IOV = 32, /* pieces of one request */
};

/* One request, embedded in its requester, who keeps it alive until done() has
 * run. done() runs exactly once, on the thread of io, never from inside
 * bs_submit. res: 0 = all of it, or -errno = count on none of it (a failed write
 * may have landed in part). -ENOSPC: no room; -EIO: the medium; -ENODEV: gone;
 * -EROFS, -ERANGE, -EINVAL: refused by the checks. */
struct bs_req {
	struct io *io;
	enum bs_kind kind;
	unsigned flags;
	uint64_t off_bytes, len_bytes; /* multiples of block_bytes; flush: both 0 */
	const struct iovec *iov;       /* borrowed until done(); read and write only */
	int iovcnt;		       /* at most BS_MAX_IOV */
	void (*done)(struct bs_req *req, int res);

	/* the backstore's own, from submit to done() */
	struct {
		struct io_op op;
		struct io_msg msg;
		struct list link;
		struct backstore *bs;
		uint64_t progress;
		unsigned state;
		int res;
		void *ptr;
		struct iovec iov[BS_MAX_IOV];
	} priv;
};

struct backstore;

/* Submit never fails and never calls done() itself. Range, alignment and
 * read-only are checked before it is called (bs_submit). */
struct bs_ops {
	const char *type; /* "file", "block", "memory", "null", "bounce" */
	void (*submit)(struct backstore *bs, struct bs_req *req);
	/* No request is under way. Frees all. */
	void (*close)(struct backstore *bs);
	/* See bs_grow; NULL: its size never changes. */
	int (*grow)(struct backstore *bs, char *why, size_t why_cap);
};

struct backstore {
	const struct bs_ops *ops;
	_Atomic uint64_t size_bytes; /* only grows: bs_grow */
	uint32_t block_bytes;	     /* smallest unit of a request: 512 or 4096 */
	uint32_t physical_bytes;     /* unit without read-modify-write, >= block_bytes */
	uint32_t align_bytes;	     /* of the memory behind iovecs, 1 = any */
	uint32_t discard_bytes;	     /* granularity of giving space back, 0 = it cannot */
	bool read_only;
	bool write_cache; /* a completed write may be lost at power loss until flushed */
	bool rotational;
};

/* The one gate: checks the request, then hands it on. Errors arrive in done(). */
void bs_submit(struct backstore *bs, struct bs_req *req);
void bs_close(struct backstore *bs);
/* The file or device has become larger: takes the new size, as far as it goes in whole blocks.
 * Never a smaller one. Blocking; any thread, while reactors submit. 0 also where nothing has
 * changed; else -errno with a sentence in @why, and the size is as it was. */
int bs_grow(struct backstore *bs, char *why, size_t why_cap) MUST_CHECK;

enum bs_cache { BS_CACHE_DIRECT, BS_CACHE_BUFFERED };

/* How an operator names a backstore; strings are borrowed for the call. */
struct bs_spec {
	const char *path;     /* "memory:", "null:", a file or a device */
	uint64_t size_bytes;  /* 0 = as large as what is there */
	uint32_t block_bytes; /* 512 or 4096 */
	enum bs_cache cache;
	bool writethrough; /* every write is durable before done(); write_cache is false */
	bool read_only;
	unsigned reactors;	 /* how many reactors will submit: io->index < this */
	const char *runtime_dir; /* for what must outlive the process but not a boot; NULL = none */
	const uint8_t *uuid;	 /* 16 bytes; names the latch in runtime_dir; NULL = none */
	bool recover;		 /* accepts what a failed sync may have lost: clears the latch */
};

/* Opens (a file that is absent is made sparse where a size is given), locks it
 * against a second server on the description that does the I/O, waiting up to
 * 10 s for a dead process's last I/O, and puts a bounce in between where blocks
 * are smaller than direct I/O can do. On failure returns -errno and writes to
 * @why one sentence that names the path, the value and the way out. */
int backstore_open(struct backstore **out, const struct bs_spec *spec, char *why,
		   size_t why_cap) MUST_CHECK;
