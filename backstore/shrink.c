/* One number, which only falls: where the file was seen to end. See shrink.h.
 *
 * It is an upper bound. A write that came between the cut and its discovery may have
 * moved the end, and what it left behind it reads as zeros: nothing can tell that from
 * a hole that was there before. */
#include "backstore/shrink.h"

#include "backstore/base/compiler.h"
#include "backstore/base/log.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

void shrink_init(struct shrink *s, const char *name, uint64_t size_bytes, int fd,
		 shrink_size_fn *size_now)
{
	*s = (struct shrink){ .name = name, .fd = fd, .size_now = size_now };
	atomic_init(&s->size_bytes, size_bytes);
	atomic_init(&s->end_bytes, UINT64_MAX);
}

void shrink_seen(struct shrink *s, uint64_t end_bytes)
{
	uint64_t was = atomic_load(&s->end_bytes);

	do
		if (was <= end_bytes)
			return;
	while (!atomic_compare_exchange_weak(&s->end_bytes, &was, end_bytes));
	if (was != UINT64_MAX)
		return;
	log_error("%s was made smaller while it is served: it ends at byte %llu or before, the "
		  "volume at %llu. Nothing more is written to it, and what is missing gives "
		  "errors; what was written since it was cut may have left zeros before the end. "
		  "Stop the server, bring the data back from a copy, and start again",
		  s->name, (unsigned long long)end_bytes, (unsigned long long)s->size_bytes);
}

void shrink_grown(struct shrink *s, uint64_t size_bytes)
{
	uint64_t was = atomic_load(&s->size_bytes);

	while (was < size_bytes && !atomic_compare_exchange_weak(&s->size_bytes, &was, size_bytes))
		;
}

bool shrink_look(struct shrink *s)
{
	/* first: while it grows, the file may be asked before and compared after */
	uint64_t size_bytes = atomic_load(&s->size_bytes);
	int64_t now = s->size_now ? s->size_now(s->fd) : -EOPNOTSUPP;

	if (now >= 0 && (uint64_t)now < size_bytes)
		shrink_seen(s, (uint64_t)now);
	return shrink_is_seen(s);
}

int64_t shrink_file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : st.st_size;
}

int64_t shrink_device_size(int fd)
{
	uint64_t size;

	return ioctl(fd, BLKGETSIZE64, &size) ? -errno : (int64_t)size;
}
