/* Notices that a file or device has become smaller than the volume that is in it.
 *
 * Whoever cuts a file off behind our back takes blocks from the volume. A later write
 * behind the new end would make the file long again, and what was lost would read as
 * zeros, with GOOD. So whoever meets the end says so here, and it stays said: nothing
 * is written any more, and nothing at or behind the end is read, until the server is
 * started anew. In memory only: what outlives that is the size in the identity. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The size in bytes of what @fd is, or -errno. Must not block: it is asked on reactors. */
typedef int64_t shrink_size_fn(int fd);

struct shrink {
	const char *name;	     /* borrowed; for the log */
	_Atomic uint64_t size_bytes; /* of the volume; only grows */
	int fd;			     /* borrowed */
	shrink_size_fn *size_now;    /* NULL: nobody can be asked without blocking */
	_Atomic uint64_t end_bytes;
};

void shrink_init(struct shrink *s, const char *name, uint64_t size_bytes, int fd,
		 shrink_size_fn *size_now);

/* It ends at @end_bytes, or before. Any thread. */
void shrink_seen(struct shrink *s, uint64_t end_bytes);
/* The volume is larger now; the file was made so before. */
void shrink_grown(struct shrink *s, uint64_t size_bytes);
/* Asks for the size, where that is possible. True: it has shrunk, now or earlier. */
bool shrink_look(struct shrink *s);

static inline bool shrink_is_seen(struct shrink *s)
{
	return atomic_load_explicit(&s->end_bytes, memory_order_acquire) != UINT64_MAX;
}

/* Whether a transfer up to @to_bytes touches what is lost. */
static inline bool shrink_has_lost(struct shrink *s, uint64_t to_bytes)
{
	return to_bytes > atomic_load_explicit(&s->end_bytes, memory_order_acquire);
}

/* For regular files on file systems that tell it from memory, and for block devices. */
shrink_size_fn shrink_file_size, shrink_device_size;
