/* The kernel's file operations, as a table. EINTR is nobody's business above. */
#include "snapshot/pool_fs.h"

#include "backstore/lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ZEROS_BYTES = 64 * 1024 };

static int result(int rc)
{
	return rc < 0 ? -errno : rc;
}

static int real_open(struct pool_fs *fs, const char *path, int flags)
{
	(void)fs;
	return result(open(path, flags | O_CLOEXEC | O_NOCTTY, 0600));
}

static void real_close(struct pool_fs *fs, int fd)
{
	(void)fs;
	close(fd); /* whoever needs it durable has synced it */
}

static ssize_t real_pread(struct pool_fs *fs, int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n;

	(void)fs;
	do
		n = pread(fd, buf, len, (off_t)off);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t real_pwrite(struct pool_fs *fs, int fd, const void *buf, size_t len, uint64_t off)
{
	ssize_t n;

	(void)fs;
	do
		n = pwrite(fd, buf, len, (off_t)off);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int real_sync(struct pool_fs *fs, int fd)
{
	(void)fs;
	return result(fsync(fd)); /* never again after a failure, EINTR or not */
}

static int real_datasync(struct pool_fs *fs, int fd)
{
	(void)fs;
	return result(fdatasync(fd));
}

static int real_truncate(struct pool_fs *fs, int fd, uint64_t size_bytes)
{
	int rc;

	(void)fs;
	do
		rc = ftruncate(fd, (off_t)size_bytes);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

static int real_allocate(struct pool_fs *fs, int fd, uint64_t off, uint64_t len)
{
	int rc;

	(void)fs;
	do
		rc = fallocate(fd, 0, (off_t)off, (off_t)len);
	while (rc < 0 && errno == EINTR);
	return result(rc);
}

static int64_t real_size(struct pool_fs *fs, int fd)
{
	struct stat st;

	(void)fs;
	return fstat(fd, &st) ? -errno : st.st_size;
}

static int real_has_data(struct pool_fs *fs, int fd)
{
	(void)fs;
	if (lseek(fd, 0, SEEK_DATA) >= 0)
		return 1;
	return errno == ENXIO ? 0 : -errno;
}

static int real_stat(struct pool_fs *fs, const char *path, struct stat *st)
{
	(void)fs;
	return result(stat(path, st));
}

static int real_mkdir(struct pool_fs *fs, const char *path)
{
	(void)fs;
	return result(mkdir(path, 0700));
}

static int real_unlink(struct pool_fs *fs, const char *path)
{
	(void)fs;
	return result(unlink(path));
}

static int real_rename(struct pool_fs *fs, const char *from, const char *to)
{
	(void)fs;
	return result(rename(from, to));
}

static int real_list(struct pool_fs *fs, const char *path, int (*each)(void *arg, const char *name),
		     void *arg)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int rc = 0;

	(void)fs;
	if (!d)
		return -errno;
	while (!rc) {
		errno = 0;
		e = readdir(d);
		if (!e) {
			rc = -errno;
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = each(arg, e->d_name);
	}
	closedir(d);
	return rc;
}

static int real_lock(struct pool_fs *fs, int fd, const char *path, bool shared, unsigned wait_ms,
		     char *why, size_t why_cap)
{
	(void)fs;
	return lock_file(fd, path, shared, lock_deadline_ms(wait_ms), why, why_cap);
}

struct pool_fs *pool_fs_real(void)
{
	static struct pool_fs real = {
		real_open,     real_close,    real_pread, real_pwrite,	 real_sync, real_datasync,
		real_truncate, real_allocate, real_size,  real_has_data, real_stat, real_mkdir,
		real_unlink,   real_rename,   real_list,  real_lock,
	};

	return &real;
}

int pool_fs_read_all(struct pool_fs *fs, int fd, void *buf, size_t len, uint64_t off)
{
	uint8_t *at = buf;

	while (len) {
		ssize_t n = fs->pread(fs, fd, at, len, off);

		if (n <= 0)
			return n ? (int)n : -EBADMSG;
		at += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int pool_fs_write_all(struct pool_fs *fs, int fd, const void *buf, size_t len, uint64_t off)
{
	const uint8_t *at = buf;

	while (len) {
		ssize_t n = fs->pwrite(fs, fd, at, len, off);

		if (n <= 0)
			return n ? (int)n : -ENOSPC;
		at += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int pool_fs_zero(struct pool_fs *fs, int fd, uint64_t off, uint64_t len)
{
	static const uint8_t zeros[ZEROS_BYTES];
	int rc = 0;

	while (len && !rc) {
		size_t n = (size_t)MIN(len, ZEROS_BYTES);

		rc = pool_fs_write_all(fs, fd, zeros, n, off);
		off += n;
		len -= n;
	}
	return rc;
}

int pool_fs_sync_dir(struct pool_fs *fs, const char *path)
{
	int fd = fs->open(fs, path, O_RDONLY | O_DIRECTORY), rc;

	if (fd < 0)
		return fd;
	rc = fs->sync(fs, fd);
	fs->close(fs, fd);
	return rc;
}
