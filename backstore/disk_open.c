/* From an open, locked descriptor to a backstore: what files and devices share. */
#include "backstore/direct.h"
#include "backstore/disk.h"
#include "backstore/kinds.h"
#include "backstore/nowait.h"
#include "backstore/why.h"

#include "backstore/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void direct_choose(struct direct *direct, const struct bs_spec *spec, int fd)
{
	*direct = (struct direct){ .offset_align = 1, .memory_align = 1 };
	if (spec->cache == BS_CACHE_BUFFERED)
		return;
	direct_enable(direct, fd);
	if (!direct->on)
		log_info("%s: no direct I/O here, using the page cache", spec->path);
}

/* Where a sync has failed in this boot, the volume comes up unable to write. */
static int latch_find(struct disk_params *p, const struct bs_spec *spec, char *why, size_t why_cap)
{
	bool was_set;
	int rc;

	p->latch = LATCH_NONE;
	if (spec->read_only || !spec->runtime_dir || !spec->uuid)
		return 0;
	rc = latch_open(&p->latch, spec->runtime_dir, spec->uuid, spec->recover, &was_set, why,
			why_cap);
	if (rc || !was_set)
		return rc;
	p->latched = !spec->recover;
	if (p->latched) {
		log_error("%s: making data durable failed earlier in this boot, so what was "
			  "written then may be lost. Reads work, writes are refused until the "
			  "volume is started once with recover (which accepts the loss) or the "
			  "machine reboots",
			  spec->path);
		return 0;
	}
	/* what the cache shows may be on no disk: look at the disk from now on */
	(void)posix_fadvise(p->fd, 0, 0, POSIX_FADV_DONTNEED);
	log_warn("%s: recovered; what was written before the failed sync may be lost", spec->path);
	return 0;
}

int disk_finish(struct backstore **out, const struct bs_spec *spec, const struct disk_found *found,
		char *why, size_t why_cap)
{
	struct direct direct;
	struct disk_params p = {
		.type = found->type,
		.name = spec->path,
		.fd = found->fd,
		.keeps_nowait = nowait_is_kept(found->fd),
		.keeps_nowait_writes = nowait_is_kept_for_writes(found->fd),
		.keeps_dsync = dsync_is_kept(found->fd),
		.size_bytes = found->size_bytes,
		.physical_bytes = found->physical_bytes,
		.discard_bytes = found->discard_bytes,
		.punch_bytes = found->punch_bytes,
		.writethrough = spec->writethrough,
		.read_only = spec->read_only,
		.rotational = found->rotational,
		.reactors = spec->reactors,
	};
	int rc;

	if (nowait_prepare(p.fd) && p.keeps_nowait)
		log_info("%s: each reading counts as an access, as the file is another user's; "
			 "own it, or mount its file system with noatime, else a disk that stalls "
			 "may hold up other volumes",
			 spec->path);
	if (p.keeps_nowait)
		p.size_now = !strcmp(p.type, "block") ? shrink_device_size : shrink_file_size;
	direct_choose(&direct, spec, p.fd);
	p.buffered = !direct.on;
	p.align_bytes = direct.memory_align;
	p.block_bytes = MAX(spec->block_bytes, direct.offset_align);
	if (direct.on)
		p.block_bytes = MAX(p.block_bytes, found->sector_bytes);
	if (p.size_bytes % p.block_bytes) {
		rc = why_say(why, why_cap, -EINVAL,
			     "%s has %llu bytes, which is no multiple of %u, the smallest unit of "
			     "direct I/O here; change its size, or use cache=buffered",
			     spec->path, (unsigned long long)p.size_bytes, p.block_bytes);
		goto err_close;
	}
	rc = latch_find(&p, spec, why, why_cap);
	if (rc)
		goto err_close;
	rc = disk_new(out, &p);
	if (!rc)
		return 0;
	why_say(why, why_cap, rc, "%s: no memory", spec->path);
	latch_close(&p.latch, p.latched);
err_close:
	close(found->fd);
	return rc;
}
