/* The operations on files that a pool needs: the real ones, or a test's, which fail, tear and
 * forget.
 *
 * Blocking. Paths are absolute. Failures are -errno. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct pool_fs {
	int (*open)(struct pool_fs *fs, const char *path, int flags); /* O_CLOEXEC, 0600 */
	void (*close)(struct pool_fs *fs, int fd);
	ssize_t (*pread)(struct pool_fs *fs, int fd, void *buf, size_t len, uint64_t off);
	ssize_t (*pwrite)(struct pool_fs *fs, int fd, const void *buf, size_t len, uint64_t off);
	int (*sync)(struct pool_fs *fs, int fd);     /* fsync; of a directory, too */
	int (*datasync)(struct pool_fs *fs, int fd); /* fdatasync: no journal for times */
	int (*truncate)(struct pool_fs *fs, int fd, uint64_t size_bytes);
	int (*allocate)(struct pool_fs *fs, int fd, uint64_t off, uint64_t len);
	int64_t (*size)(struct pool_fs *fs, int fd);
	/* 1: some of it is more than holes; 0: nothing is */
	int (*has_data)(struct pool_fs *fs, int fd);
	int (*stat)(struct pool_fs *fs, const char *path, struct stat *st);
	int (*mkdir)(struct pool_fs *fs, const char *path);
	int (*unlink)(struct pool_fs *fs, const char *path);
	int (*rename)(struct pool_fs *fs, const char *from, const char *to);
	/* Calls @each with every name; what it returns, if not 0, ends it. */
	int (*list)(struct pool_fs *fs, const char *path, int (*each)(void *arg, const char *name),
		    void *arg);
	/* flock, waiting up to @wait_ms; @shared: beside other readers */
	int (*lock)(struct pool_fs *fs, int fd, const char *path, bool shared, unsigned wait_ms,
		    char *why, size_t why_cap);
};

struct pool_fs *pool_fs_real(void);

/* All of it; -EBADMSG where the file ends before. */
int pool_fs_read_all(struct pool_fs *fs, int fd, void *buf, size_t len, uint64_t off) MUST_CHECK;
int pool_fs_write_all(struct pool_fs *fs, int fd, const void *buf, size_t len,
		      uint64_t off) MUST_CHECK;
int pool_fs_zero(struct pool_fs *fs, int fd, uint64_t off, uint64_t len) MUST_CHECK;
int pool_fs_sync_dir(struct pool_fs *fs, const char *path) MUST_CHECK;
