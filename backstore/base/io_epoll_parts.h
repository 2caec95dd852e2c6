/* Between the parts of the epoll engine: io_epoll.c waits and makes the turns,
 * io_epoll_net.c knows sockets, io_epoll_disk.c disks. For them only. */
#pragma once

#include "backstore/base/io.h"
#include "backstore/base/mailbox.h"

/* Small enough to stay in a core's nearest cache, and for hundreds of commands. */
enum { EPOLL_SCRATCH_BYTES = 16 << 10 };

/* Who waits for what on a descriptor. */
struct epoll_slot {
	struct io_stream *stream;
	struct io_listener *listener;
	struct io_send *send;
	uint32_t events; /* that the kernel has been asked for */
};

struct epoll_disk;

struct epoll_engine {
	struct io io;
	int epoll_fd;
	bool ms_only; /* the kernel has no epoll_pwait2 */
	struct mailbox box;
	struct list deferred;
	uint64_t now_ns;
	struct epoll_slot *slots; /* by descriptor */
	unsigned nslots;
	uint8_t *scratch; /* what is received into and lent, EPOLL_SCRATCH_BYTES */
	struct epoll_disk *disk;
};

static inline struct epoll_engine *epoll_engine_of(struct io *io)
{
	return container_of(io, struct epoll_engine, io);
}

/* io_epoll.c: the slot of @fd, or NULL with *rc = -errno. Valid until the next call. */
struct epoll_slot *epoll_slot(struct epoll_engine *e, int fd, int *rc) MUST_CHECK;
/* Tells the kernel what the slot now wants. 0 or -errno. */
int epoll_slot_update(struct epoll_engine *e, int fd);

/* io_epoll_net.c: @fd is ready. */
void epoll_readable(struct epoll_engine *e, int fd);
void epoll_writable(struct epoll_engine *e, int fd);

/* io_epoll_disk.c. @bell_fd: an eventfd, readable when there may be something to reap; -1 where
 * there is none. 0 or -errno. */
int epoll_disk_new(struct epoll_disk **out, struct io *io, int *bell_fd) MUST_CHECK;
void epoll_disk_free(struct epoll_disk *d);
/* Hands over what was started. What fails at once is deferred. */
void epoll_disk_submit(struct epoll_disk *d);
/* Runs the callbacks of what has ended. */
void epoll_disk_reap(struct epoll_disk *d);

/* For struct io_ops. */
void epoll_read(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		uint64_t off_bytes, unsigned flags);
void epoll_write(struct io *io, struct io_op *op, int fd, const struct iovec *iov, int iovcnt,
		 uint64_t off_bytes, unsigned flags);
void epoll_fdatasync(struct io *io, struct io_op *op, int fd);
void epoll_space(struct io *io, struct io_op *op, int fd, enum io_space how, uint64_t off_bytes,
		 uint64_t len_bytes);
void epoll_stream_start(struct io *io, struct io_stream *s);
void epoll_stream_exact(struct io *io, struct io_stream *s);
void epoll_stream_stop(struct io *io, struct io_stream *s);
void epoll_send(struct io *io, struct io_send *s);
void epoll_listen_start(struct io *io, struct io_listener *l);
void epoll_listen_stop(struct io *io, struct io_listener *l);
