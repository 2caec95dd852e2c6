/* What the files of the fake engine share with each other, and with nobody else. */
#pragma once

#include "tests/fakes/fake_alloc.h"
#include "tests/fakes/fake_io.h"

#include <stddef.h>

/* in all of the fake engine */
#define malloc(len)	  fake_malloc(len)
#define calloc(n, len)	  fake_calloc(n, len)
#define realloc(old, len) fake_realloc(old, len)

struct fake_io;

/* Something that happens on one io at one time. Embedded at the start of what it is
 * about; @fire owns it from the call on. */
struct event {
	uint64_t due_ns, tie;
	struct fake_io *io;
	void (*fire)(struct event *e);
};

struct fake_io {
	struct io io;
	struct fake_world *w;
	struct list link;    /* in world.ios */
	struct event **heap; /* by due_ns, then tie */
	size_t heap_n, heap_cap;
	struct list deferred; /* io_op.link */
	struct io_msg *msgs, **msgs_end;
	struct list for_worker; /* disk operations that wait for a worker */
	unsigned workers_busy;
	unsigned streams, listeners; /* under way */
	bool in_turn, wants_turn;
	uint64_t asleep_until_ns;
};

enum fake_fd_kind { FAKE_FD_NONE, FAKE_FD_FILE, FAKE_FD_SOCK, FAKE_FD_LISTENER };

struct fake_fd {
	enum fake_fd_kind kind;
	void *what;
};

struct fake_world {
	struct fake_knobs knobs;
	uint64_t rng, now_ns, ops;
	uint64_t effects; /* sectors written so far: an order of all effects on disks */
	uint64_t ends;	  /* disk operations completed so far */
	bool dead;
	struct list ios, files, socks, listeners, disk_ops;
	struct fake_fd *fds; /* by number */
	size_t fds_n;
};

uint64_t fake_random(struct fake_world *w);
/* True in @permille of 1000 cases. */
bool fake_chance(struct fake_world *w, unsigned permille);
uint64_t fake_latency_ns(struct fake_world *w);
void fake_event_add(struct fake_io *f, struct event *e, uint64_t after_ns);
/* Counts an operation; the errno it shall fail with, or 0. */
int fake_count_op(struct fake_world *w);
void fake_fd_set(struct fake_world *w, int fd, enum fake_fd_kind kind, void *what);
void *fake_fd_get(const struct fake_world *w, int fd, enum fake_fd_kind kind);

static inline struct fake_io *fake_of(struct io *io)
{
	return container_of(io, struct fake_io, io);
}

/* fake_disk.c */
void fake_disk_read(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		    uint64_t off_bytes, unsigned flags);
void fake_disk_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		     uint64_t off_bytes, unsigned flags);
void fake_disk_fdatasync(struct io *io, struct io_op *op, int fd);
void fake_disk_space(struct io *io, struct io_op *op, int fd, enum io_space how, uint64_t off_bytes,
		     uint64_t len_bytes);
void fake_disk_cancel(struct io *io, struct io_op *op);
bool fake_disk_is_under_way(struct fake_world *w, const struct io_op *op);
void fake_disk_free_all(struct fake_world *w);
/* @w is dead: what waits for a worker or a release ends, too. */
void fake_disk_end_all(struct fake_world *w);

/* fake_files.c: contents, and what becomes of them */
struct record;
/* A write (or, with @iov NULL, zeros; @dealloc: blocks become holes) that begins. */
struct record *fake_record_new(struct fake_file *f, uint64_t off_bytes, uint64_t len_bytes,
			       const struct iovec *iov, bool dealloc);
/* Its effect up to @len_bytes of it becomes visible to reads. */
void fake_record_apply(struct record *r, uint64_t len_bytes);
/* It has taken place, in its first @len_bytes. */
void fake_record_end(struct record *r, uint64_t len_bytes);
void fake_record_harden(struct record *r);
/* The bytes at @iov are still those that were lent. */
bool fake_record_matches(const struct record *r, const struct iovec *iov, int iovcnt);
/* An fdatasync that began when @ends operations had ended succeeds, or fails. */
void fake_file_sync(struct fake_file *f, uint64_t ends, bool ok);
bool fake_file_has_holes(struct fake_file *f, uint64_t off_bytes, uint64_t len_bytes);
uint64_t fake_file_capacity_bytes(struct fake_file *f);
struct list *fake_file_stalled(struct fake_file *f, bool *is);
struct fake_world *fake_file_world(struct fake_file *f);
void fake_files_free_all(struct fake_world *w);
/* Takes place after a release: operations of @f that were stalled. */
void fake_disk_release(struct list *stalled);

/* fake_sock.c */
void fake_stream_start(struct io *io, struct io_stream *s);
void fake_stream_exact(struct io *io, struct io_stream *s);
void fake_stream_stop(struct io *io, struct io_stream *s);
void fake_send(struct io *io, struct io_send *s);
void fake_listen_start(struct io *io, struct io_listener *l);
void fake_listen_stop(struct io *io, struct io_listener *l);
void fake_socks_free_all(struct fake_world *w);
/* @w is dead: connections break. */
void fake_socks_reset_all(struct fake_world *w);
