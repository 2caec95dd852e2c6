/* The file systems whose direct I/O was seen to keep both promises, and all devices. */
#include "backstore/nowait.h"

#include "backstore/base/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

static bool is_known(int fd)
{
	static const unsigned long kept[] = {
		EXT4_SUPER_MAGIC,
		XFS_SUPER_MAGIC,
		BTRFS_SUPER_MAGIC,
	};
	struct statfs fs;
	struct stat st;

	if (!fstat(fd, &st) && S_ISBLK(st.st_mode))
		return true;
	if (fstatfs(fd, &fs))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if ((unsigned long)fs.f_type == kept[i])
			return true;
	return false;
}

bool nowait_is_kept(int fd)
{
	return is_known(fd);
}

static bool is_ext4_file(int fd)
{
	struct statfs fs;
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && !fstatfs(fd, &fs) &&
	       (unsigned long)fs.f_type == EXT4_SUPER_MAGIC;
}

bool nowait_is_kept_for_writes(int fd)
{
	return is_known(fd) && !is_ext4_file(fd);
}

bool dsync_is_kept(int fd)
{
	return is_known(fd);
}

int nowait_prepare(int fd)
{
	struct fiemap whole_map = { .fm_length = 1, .fm_flags = FIEMAP_FLAG_CACHE };
	int flags = fcntl(fd, F_GETFL);

	if (is_ext4_file(fd))
		(void)ioctl(fd, FS_IOC_FIEMAP, &whole_map);
	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NOATIME) < 0 ? -errno : 0;
}
