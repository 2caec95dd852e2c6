/* Files in memory for a pool (snapshot/pool_fs.h): what the page cache has, and what the disk has.
 *
 * Any one operation that changes something can be the last: then the process dies, or the power
 * goes and takes any subset of what was not synced with it: sectors of 512 bytes, sizes, names. Or
 * it fails; a sync that fails leaves, as Linux does, what was not written clean in the cache and
 * not on the disk. A cheat says it has done what it has not. One thread. */
#pragma once

#include "snapshot/pool_fs.h"

enum fs_op {
	FS_WRITE,
	FS_SYNC,
	FS_TRUNCATE,
	FS_ALLOCATE,
	FS_CREATE,
	FS_UNLINK,
	FS_RENAME,
	FS_MKDIR,
	FS_OPS
};
enum fs_file { FS_LOG, FS_SLOT, FS_JSON, FS_DATA, FS_TOP, FS_LAYERS, FS_FILES };

struct fs_tree;

struct fake_fs {
	struct pool_fs fs; /* first */
	struct fs_tree *tree;
	uint64_t random;
	unsigned ops;		  /* that change something, so far */
	unsigned die_at, fail_at; /* the n-th of them; 0: none */
	int fail_err;
	bool dead; /* all fails, nothing happens, until fake_fs_restart */
	bool failed;
	bool full;	    /* nothing that needs room succeeds */
	enum fs_op last_op; /* what died or failed */
	enum fs_file last_file;
	/* true: it is left out, and success is told; may be NULL */
	bool (*cheat)(void *arg, enum fs_op op, enum fs_file file);
	void *cheat_arg;
};

/* With the directory "/p". */
struct fake_fs *fake_fs_new(uint64_t seed);
/* As it is, for another run. */
struct fake_fs *fake_fs_copy(const struct fake_fs *f, uint64_t seed);
void fake_fs_free(struct fake_fs *f);

/* The process is gone: its descriptors and locks. @power: and what was not synced. */
void fake_fs_restart(struct fake_fs *f, bool power);

/* Durably, behind the pool's back. */
void fake_fs_put(struct fake_fs *f, const char *path, uint64_t size_bytes);
void fake_fs_stamp(struct fake_fs *f, const char *path, uint8_t stamp);
void fake_fs_remove(struct fake_fs *f, const char *path);
/* Turns over the bits of one byte. */
void fake_fs_damage(struct fake_fs *f, const char *path, uint64_t off);
/* -1: there is no such file. */
int64_t fake_fs_size(const struct fake_fs *f, const char *path);
uint8_t fake_fs_stamp_of(const struct fake_fs *f, const char *path);
uint64_t fake_fs_random(struct fake_fs *f, uint64_t below);
