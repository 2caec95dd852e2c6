/* The alignment of direct I/O: statx tells it since Linux 6.1, where the file system
 * knows; otherwise reads of growing size find out. */
#include "backstore/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGN_MIN = 512, ALIGN_MAX = 4096 };

/* 0: it must be tried; -EINVAL: the file system says that it cannot. */
static int align_told(struct direct *d, int fd)
{
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) < 0 ||
	    !(stx.stx_mask & STATX_DIOALIGN))
		return 0;
	if (!stx.stx_dio_offset_align || stx.stx_dio_offset_align > ALIGN_MAX ||
	    stx.stx_dio_mem_align > ALIGN_MAX)
		return -EINVAL;
	/* Memory may ask for more than offsets (DASD: 512 and 4096). A piece of a smaller block
	 * would begin in between: then only what suits both goes straight. */
	d->offset_align = MAX(stx.stx_dio_offset_align, stx.stx_dio_mem_align);
	d->offset_align = d->memory_align = MAX(d->offset_align, ALIGN_MIN);
	return 1;
#else
	(void)d;
	(void)fd;
	return 0;
#endif
}

static int align_tried(struct direct *d, int fd)
{
	void *buf = aligned_alloc(ALIGN_MAX, ALIGN_MAX);
	uint32_t align = ALIGN_MIN;

	if (!buf)
		return -ENOMEM;
	while (align <= ALIGN_MAX && pread(fd, buf, align, 0) < 0 && errno == EINVAL)
		align *= 2;
	free(buf);
	if (align > ALIGN_MAX)
		return -EINVAL;
	d->offset_align = d->memory_align = align;
	return 1;
}

void direct_enable(struct direct *d, int fd)
{
	int flags = fcntl(fd, F_GETFL), rc;

	*d = (struct direct){ .on = false, .offset_align = 1, .memory_align = 1 };
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
		return;
	rc = align_told(d, fd);
	if (!rc)
		rc = align_tried(d, fd);
	d->on = rc > 0;
	if (!d->on)
		(void)fcntl(fd, F_SETFL, flags); /* it was so before */
}
