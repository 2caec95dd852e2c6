/* Opening a block device: LV, partition, disk or loop device.
 *
 * O_EXCL keeps it from file systems, LVM and MD, and from servers that reach it by
 * another node; flock from servers that do not use O_EXCL, and from udev. Space is
 * given back by fallocate, which the kernel turns into WRITE ZEROES with unmap: it
 * reads zeros afterwards, which a bare discard does not promise. */
#include "backstore/kinds.h"
#include "backstore/lock.h"
#include "backstore/queue_info.h"
#include "backstore/why.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_exclusive(int *fd, const struct bs_spec *spec, uint64_t deadline_ms, char *why,
			  size_t why_cap)
{
	int flags = (spec->read_only ? O_RDONLY : O_RDWR | O_EXCL) | O_CLOEXEC;
	bool said = false;

	while ((*fd = open(spec->path, flags)) < 0) {
		if (errno != EBUSY)
			return why_say(why, why_cap, -errno, "%s cannot be opened: %s", spec->path,
				       strerror(errno));
		if (!lock_pause(deadline_ms, &said, spec->path))
			return why_say(why, why_cap, -EBUSY,
				       "%s is in use (mounted, part of LVM or MD, or served by "
				       "another process); release it, or use another device",
				       spec->path);
	}
	return 0;
}

static int look(struct disk_found *found, const struct bs_spec *spec, char *why, size_t why_cap)
{
	int sector, read_only;
	unsigned physical;
	uint64_t size;
	struct stat st;

	if (fstat(found->fd, &st) < 0 || ioctl(found->fd, BLKGETSIZE64, &size) < 0 ||
	    ioctl(found->fd, BLKSSZGET, &sector) < 0 ||
	    ioctl(found->fd, BLKPBSZGET, &physical) < 0 ||
	    ioctl(found->fd, BLKROGET, &read_only) < 0)
		return why_say(why, why_cap, -errno, "%s does not answer as a block device: %s",
			       spec->path, strerror(errno));
	if (read_only && !spec->read_only)
		return why_say(
			why, why_cap, -EROFS,
			"%s is read-only; give the volume the key readonly, or make it writable "
			"(blockdev --setrw)",
			spec->path);
	if (!size)
		return why_say(why, why_cap, -EINVAL, "%s has no medium: 0 bytes", spec->path);
	if (spec->size_bytes && spec->size_bytes != size)
		return why_say(why, why_cap, -EINVAL,
			       "%s has %llu bytes, %s than the %llu asked for; leave the size out",
			       spec->path, (unsigned long long)size,
			       size < spec->size_bytes ? "less" : "more",
			       (unsigned long long)spec->size_bytes);
	if (size % spec->block_bytes)
		return why_say(why, why_cap, -EINVAL,
			       "%s has %llu bytes, no multiple of the block size %u; use 512",
			       spec->path, (unsigned long long)size, spec->block_bytes);
	found->size_bytes = size;
	found->sector_bytes = found->punch_bytes = (uint32_t)sector;
	found->physical_bytes = physical;
	found->rotational = queue_info_number(st.st_rdev, "rotational", 0);
	if (queue_info_number(st.st_rdev, "write_zeroes_max_bytes", 0) &&
	    queue_info_number(st.st_rdev, "discard_max_bytes", 0))
		found->discard_bytes =
			MAX((uint32_t)sector,
			    (uint32_t)queue_info_number(st.st_rdev, "discard_granularity", 0));
	return 0;
}

int block_open(struct backstore **out, const struct bs_spec *spec, unsigned wait_ms, char *why,
	       size_t why_cap)
{
	uint64_t deadline_ms = lock_deadline_ms(wait_ms);
	struct disk_found found = { .type = "block" };
	int rc = open_exclusive(&found.fd, spec, deadline_ms, why, why_cap);

	if (rc)
		return rc;
	rc = lock_file(found.fd, spec->path, spec->read_only, deadline_ms, why, why_cap);
	if (!rc)
		rc = look(&found, spec, why, why_cap);
	if (rc) {
		close(found.fd);
		return rc;
	}
	return disk_finish(out, spec, &found, why, why_cap);
}
