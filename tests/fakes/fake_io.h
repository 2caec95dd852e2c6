/* The third engine of the waist: clock, disks and sockets in memory, in virtual
 * time, every choice taken from a seed.
 *
 * A world holds what several reactors share: the clock, the files and the
 * sockets. Its reactors run one after another on the calling thread, in an order
 * that the seed chooses. Time moves only when nothing is left to do now.
 *
 * What it makes worse than a real machine does on a good day: latencies differ, so
 * that operations overtake each other; streams arrive cut anywhere; overlapping
 * transfers are torn in the middle; on request, transfers are short, IO_NOWAIT is
 * refused, the n-th operation fails, a file stalls, is full, or the power goes.
 *
 * What it asserts: an operation is not started twice, lent bytes are not changed or
 * freed, a callback comes once, nothing is under way when an io is freed. */
#pragma once

#include "backstore/base/io.h"

struct fake_world;
struct fake_sock;

struct fake_knobs {
	uint64_t latency_min_ns, latency_max_ns; /* of every operation; 1 µs to 1 ms at first */
	unsigned short_permille;		 /* disk transfers that move less than asked for */
	unsigned eagain_permille;		 /* IO_NOWAIT operations answered -EAGAIN */
	/* turns before which a reactor sleeps for a latency, whatever waits for it: so
	 * messages take time, and overtake nothing but other reactors' work */
	unsigned nap_permille;
	/* Operations without IO_NOWAIT, fdatasyncs and space operations hold one of
	 * this many workers of their io, as in the kernel: the next one waits. 64. */
	unsigned workers;
	/* This operation from now (0 = the next; disk operations, sends, deliveries
	 * and accepts count) fails once; UINT64_MAX = none. */
	uint64_t fail_at;
	int fail_errno; /* positive; EIO at first */
	bool fired;	/* it has */
	/* At this start or end of a disk operation from now the world crashes by
	 * itself, as by fake_world_crash (or _kill); UINT64_MAX = never. */
	uint64_t crash_at;
	bool crash_is_kill;
	/* Called when it happens, however caused, before anything is torn down: what the
	 * process has left behind elsewhere is still as it is. May be NULL. */
	void (*on_end)(void *arg);
	void *on_end_arg;
};

enum fake_nowait {
	FAKE_NOWAIT_YES,	 /* IO_NOWAIT works */
	FAKE_NOWAIT_EAGAIN,	 /* always -EAGAIN */
	FAKE_NOWAIT_EOPNOTSUPP,	 /* always -EOPNOTSUPP */
	FAKE_NOWAIT_HOLES_EAGAIN /* writes that allocate: -EAGAIN (as ext4 and xfs) */
};

/* A file or device; belongs to the world. Blocks of 4 KiB are holes until written. */
struct fake_file {
	/* the test's to set at any time */
	uint64_t size_bytes;
	bool full;		/* writes that need a new block: -ENOSPC */
	bool no_punch, no_zero; /* these space operations: -EOPNOTSUPP */
	uint32_t dio_align;	/* offsets, lengths, memory: other ones are -EINVAL; 0 = any
				 * (offsets and lengths are always multiples of 512) */
	enum fake_nowait nowait;
	int sync_errno, write_errno; /* every fdatasync, or write, fails with it; 0 = none */

	/* counters, the test's to read and reset */
	uint64_t reads, writes, syncs, punches, zeroes;
	uint64_t inline_tries; /* reads and writes with neither IO_NOWAIT nor IO_BLOCKS: the real
				* engine tries them on the loop's own thread first */
	unsigned punted, punted_max; /* without IO_NOWAIT, under way: now, at most */
	unsigned syncing, syncing_max;
};

struct fake_world *fake_world_new(uint64_t seed);
/* All ios must have been freed. Frees files and sockets, the test's ends too. */
void fake_world_free(struct fake_world *w);
struct fake_knobs *fake_world_knobs(struct fake_world *w);
uint64_t fake_world_now_ns(const struct fake_world *w);
/* A number in [0, n) from the world's seed. */
uint64_t fake_world_random(struct fake_world *w, uint64_t n);
/* Operations counted so far, as by fail_at. */
uint64_t fake_world_ops(const struct fake_world *w);

/* Reactor @index of the world; freed by io_free. */
struct io *fake_io_new(struct fake_world *w, unsigned index);

/* Runs until no operation, message or deferred call is left but stalled ones. Timers
 * fire when their time comes meanwhile, but are not waited for. */
void fake_world_run(struct fake_world *w);
/* Runs all that happens up to @at_ns, timers too; then the clock shows @at_ns. */
void fake_world_run_until(struct fake_world *w, uint64_t at_ns);
/* One turn of one reactor. False: nothing to do (as fake_world_run sees it). */
bool fake_world_step(struct fake_world *w);

/* ── files ── */
struct fake_file *fake_file_new(struct fake_world *w, uint64_t size_bytes);
/* A descriptor for it, to be closed by close(2): a real one, of no use in itself. */
int fake_file_open(struct fake_file *f);
/* While stalled its operations do not complete; when released they do, soon. */
void fake_file_stall(struct fake_file *f);
void fake_file_release(struct fake_file *f);
/* What a read would see now; and: contents that are there and durable. */
void fake_file_peek(struct fake_file *f, uint64_t off_bytes, void *buf, size_t len);
void fake_file_poke(struct fake_file *f, uint64_t off_bytes, const void *buf, size_t len);
uint64_t fake_file_allocated_bytes(struct fake_file *f);

/* ── the end of the process, or of the power ──
 *
 * The files become what they are afterwards: power loss drops, keeps or tears (by
 * sectors of 512 bytes) each write and punch that no sync has made durable, under
 * way or completed; a process's death keeps what has completed, and of what is under
 * way all, a part or nothing. From then on the world is dead: what is under way and
 * what is still started ends with -ECANCELED and changes nothing, so that the test
 * can tear down what it has built. */
void fake_world_crash(struct fake_world *w);
void fake_world_kill(struct fake_world *w);
bool fake_world_is_dead(const struct fake_world *w);
/* The machine comes up again. All ios must have been freed. */
void fake_world_restart(struct fake_world *w);

/* ── sockets ──
 *
 * The server's end is a descriptor (a real one of a socket pair, so that close,
 * shutdown and getpeername work); the test holds the other end. */
struct fake_sock *fake_sock_new(struct fake_world *w, int *server_fd);
/* A listening descriptor, the caller's to close; and a connection to it: accepted later. */
int fake_listener_new(struct fake_world *w);
struct fake_sock *fake_connect(struct fake_world *w, int listener_fd);
/* Bytes for the server, delivered cut at random. */
void fake_sock_write(struct fake_sock *s, const void *data, size_t len);
/* Takes up to @cap of the bytes that the server has sent. */
size_t fake_sock_read(struct fake_sock *s, void *buf, size_t cap);
size_t fake_sock_readable(const struct fake_sock *s);
/* At most this many sent bytes wait to be read, then the server's send waits. */
void fake_sock_set_window(struct fake_sock *s, size_t bytes);
/* The test's end closes: the server gets the rest, then on_end(0). Sends fail: -EPIPE. */
void fake_sock_close(struct fake_sock *s);
/* The connection breaks: on_end(-ECONNRESET) next, sends fail. */
void fake_sock_reset(struct fake_sock *s);
/* The server has closed (or shut down) its end. */
bool fake_sock_is_closed_by_server(struct fake_sock *s);
