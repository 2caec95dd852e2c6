/* Of fake_fs.c (operations) and fake_tree.c (what they change). */
#pragma once

#include "tests/fakes/fake_fs.h"

enum { PAGE = 4096, SECTOR = 512, MAX_FDS = 64, FIRST_FD = 1000, PATH_CAP = 1400 };

/* NULL: zeros */
struct page {
	uint8_t *now, *disk;
	uint8_t dirty; /* a bit for each sector */
};

struct inode {
	bool is_dir, locked, size_dirty;
	uint64_t size, size_disk;
	struct page *pages;
	size_t npages;
	struct inode *copy; /* while a tree is copied */
	struct inode *next; /* all of a tree; freed with it */
	unsigned number;
};

struct name {
	char *path;
	struct inode *now, *disk; /* NULL: not there */
	unsigned tie;		  /* of a rename: both names change, or none */
};

struct fs_tree {
	struct name *names;
	size_t n;
	struct inode *inodes;
	unsigned ties, numbers;
	struct {
		struct inode *inode;
		char path[PATH_CAP];
	} fds[MAX_FDS];
};

struct inode *fs_new_inode(struct fs_tree *t, bool is_dir);
struct name *fs_find(const struct fs_tree *t, const char *path);
struct name *fs_find_or_add(struct fs_tree *t, const char *path);
struct inode *fs_inode_at(const struct fs_tree *t, const char *path);
/* Directly: not in a folder of it. */
bool fs_is_in(const char *path, const char *dir);
struct page *fs_page_at(struct inode *i, size_t n);
void fs_put_bytes(struct inode *i, const uint8_t *buf, size_t len, uint64_t off);
void fs_set_size(struct inode *i, uint64_t size);
void fs_sync_inode(struct fs_tree *t, struct inode *i, const char *path);
/* What Linux does when a sync has failed: the error is told once, the pages are clean. */
void fs_forget_dirt(struct inode *i);
