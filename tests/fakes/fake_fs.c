/* The operations of fake_fs.h: judged, counted, done or not. */
#include "tests/fakes/fake_fs_priv.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake_fs *fake_of(struct pool_fs *fs)
{
	return (struct fake_fs *)(void *)fs;
}

/* ── operations ── */

static enum fs_file file_of(const char *path)
{
	if (strstr(path, "structure.log"))
		return FS_LOG;
	if (strstr(path, "structure.ckpt"))
		return FS_SLOT;
	if (strstr(path, "pool.json"))
		return FS_JSON;
	if (strstr(path, "/layers/"))
		return FS_DATA;
	return strstr(path, "/layers") ? FS_LAYERS : FS_TOP;
}

enum verdict { DO, DIE, FAIL, PRETEND };

/* Whether the next operation happens. */
static enum verdict judge(struct fake_fs *f, enum fs_op op, const char *path)
{
	enum fs_file file = file_of(path);

	if (f->cheat && f->cheat(f->cheat_arg, op, file))
		return PRETEND;
	f->ops++;
	if (f->ops != f->die_at && f->ops != f->fail_at)
		return DO;
	f->last_op = op;
	f->last_file = file;
	if (f->ops == f->fail_at) {
		f->failed = true;
		return FAIL;
	}
	f->dead = true;
	return DIE;
}

static int fake_open(struct pool_fs *fs, const char *path, int flags)
{
	struct fake_fs *f = fake_of(fs);
	struct inode *i = fs_inode_at(f->tree, path);
	enum verdict v;

	if (f->dead)
		return -EIO;
	if (i && flags & O_EXCL)
		return -EEXIST;
	if (!i) {
		if (!(flags & O_CREAT))
			return -ENOENT;
		if (f->full)
			return -ENOSPC;
		v = judge(f, FS_CREATE, path);
		if (v == FAIL)
			return f->fail_err;
		if (v == DIE && fake_fs_random(f, 2))
			return -EIO;
		i = fs_new_inode(f->tree, false);
		fs_find_or_add(f->tree, path)->now = i;
		if (v == DIE)
			return -EIO;
	}
	for (int n = 0; n < MAX_FDS; n++) {
		if (f->tree->fds[n].inode)
			continue;
		f->tree->fds[n].inode = i;
		snprintf(f->tree->fds[n].path, PATH_CAP, "%s", path);
		return FIRST_FD + n;
	}
	return -EMFILE;
}

static struct inode *inode_of(struct fake_fs *f, int fd)
{
	assert(fd >= FIRST_FD && fd < FIRST_FD + MAX_FDS && f->tree->fds[fd - FIRST_FD].inode);
	return f->tree->fds[fd - FIRST_FD].inode;
}

static const char *path_of(struct fake_fs *f, int fd)
{
	return f->tree->fds[fd - FIRST_FD].path;
}

static void fake_close(struct pool_fs *fs, int fd)
{
	struct fake_fs *f = fake_of(fs);

	if (f->dead)
		return;
	inode_of(f, fd)->locked = false;
	f->tree->fds[fd - FIRST_FD].inode = NULL;
}

static ssize_t fake_pread(struct pool_fs *fs, int fd, void *buf, size_t len, uint64_t off)
{
	struct fake_fs *f = fake_of(fs);
	struct inode *i;
	uint8_t *to = buf;
	size_t done = 0;

	if (f->dead)
		return -EIO;
	i = inode_of(f, fd);
	if (off >= i->size)
		return 0;
	len = MIN(len, i->size - off);
	while (done < len) {
		struct page *p = fs_page_at(i, (off + done) / PAGE);
		size_t at = (off + done) % PAGE, n = MIN(len - done, PAGE - at);

		if (p->now)
			memcpy(to + done, p->now + at, n);
		else
			memset(to + done, 0, n);
		done += n;
	}
	return (ssize_t)len;
}

static ssize_t fake_pwrite(struct pool_fs *fs, int fd, const void *buf, size_t len, uint64_t off)
{
	struct fake_fs *f = fake_of(fs);
	struct inode *i;
	enum verdict v;

	if (f->dead)
		return -EIO;
	i = inode_of(f, fd);
	if (f->full && off + len > i->size)
		return -ENOSPC;
	v = judge(f, FS_WRITE, path_of(f, fd));
	if (v == PRETEND)
		return (ssize_t)len;
	if (v != DO) /* some of it */
		fs_put_bytes(i, buf, fake_fs_random(f, len / SECTOR + 1) * SECTOR, off);
	else
		fs_put_bytes(i, buf, len, off);
	return v == DO ? (ssize_t)len : v == FAIL ? f->fail_err : -EIO;
}

static int fake_sync(struct pool_fs *fs, int fd)
{
	struct fake_fs *f = fake_of(fs);
	enum verdict v;

	if (f->dead)
		return -EIO;
	v = judge(f, FS_SYNC, path_of(f, fd));
	if (v == DO)
		fs_sync_inode(f->tree, inode_of(f, fd), path_of(f, fd));
	if (v == FAIL)
		fs_forget_dirt(inode_of(f, fd));
	return v == FAIL ? f->fail_err : v == DIE ? -EIO : 0;
}

/* Done, perhaps, where it is the last. */
static int outcome(struct fake_fs *f, enum verdict v, bool *does)
{
	*does = v == DO || (v == DIE && fake_fs_random(f, 2));
	return v == FAIL ? f->fail_err : v == DIE ? -EIO : 0;
}

static int fake_truncate(struct pool_fs *fs, int fd, uint64_t size)
{
	struct fake_fs *f = fake_of(fs);
	bool does;
	int rc;

	if (f->dead)
		return -EIO;
	rc = outcome(f, judge(f, FS_TRUNCATE, path_of(f, fd)), &does);
	if (does)
		fs_set_size(inode_of(f, fd), size);
	return rc;
}

static int fake_allocate(struct pool_fs *fs, int fd, uint64_t off, uint64_t len)
{
	struct fake_fs *f = fake_of(fs);
	bool does;

	(void)off, (void)len; /* no room is counted here, and it holds no data */
	return f->dead ? -EIO : outcome(f, judge(f, FS_ALLOCATE, path_of(f, fd)), &does);
}

static int64_t fake_size(struct pool_fs *fs, int fd)
{
	struct fake_fs *f = fake_of(fs);

	return f->dead ? -EIO : (int64_t)inode_of(f, fd)->size;
}

static int fake_has_data(struct pool_fs *fs, int fd)
{
	struct fake_fs *f = fake_of(fs);
	struct inode *i;

	if (f->dead)
		return -EIO;
	i = inode_of(f, fd);
	for (size_t n = 0; n < i->npages; n++)
		if (i->pages[n].now)
			return 1;
	return 0;
}

static int fake_stat(struct pool_fs *fs, const char *path, struct stat *st)
{
	struct fake_fs *f = fake_of(fs);
	struct inode *i = fs_inode_at(f->tree, path);

	if (f->dead)
		return -EIO;
	if (!i)
		return -ENOENT;
	*st = (struct stat){ .st_mode = i->is_dir ? S_IFDIR : S_IFREG,
			     .st_size = (off_t)i->size,
			     .st_ino = i->number };
	return 0;
}

static int fake_mkdir(struct pool_fs *fs, const char *path)
{
	struct fake_fs *f = fake_of(fs);
	bool does;
	int rc;

	if (f->dead)
		return -EIO;
	if (fs_inode_at(f->tree, path))
		return -EEXIST;
	rc = outcome(f, judge(f, FS_MKDIR, path), &does);
	if (does)
		fs_find_or_add(f->tree, path)->now = fs_new_inode(f->tree, true);
	return rc;
}

static int fake_unlink(struct pool_fs *fs, const char *path)
{
	struct fake_fs *f = fake_of(fs);
	bool does;
	int rc;

	if (f->dead)
		return -EIO;
	if (!fs_inode_at(f->tree, path))
		return -ENOENT;
	rc = outcome(f, judge(f, FS_UNLINK, path), &does);
	if (does)
		fs_find(f->tree, path)->now = NULL;
	return rc;
}

static int fake_rename(struct pool_fs *fs, const char *from, const char *to)
{
	struct fake_fs *f = fake_of(fs);
	struct name *a, *b;
	bool does;
	int rc;

	if (f->dead)
		return -EIO;
	if (!fs_inode_at(f->tree, from))
		return -ENOENT;
	rc = outcome(f, judge(f, FS_RENAME, to), &does);
	if (!does)
		return rc;
	b = fs_find_or_add(f->tree, to);
	a = fs_find(f->tree, from);
	b->now = a->now;
	a->now = NULL;
	a->tie = b->tie = ++f->tree->ties;
	return rc;
}

static int fake_list(struct pool_fs *fs, const char *path, int (*each)(void *arg, const char *name),
		     void *arg)
{
	struct fake_fs *f = fake_of(fs);
	int rc = 0;

	if (f->dead)
		return -EIO;
	if (!fs_inode_at(f->tree, path))
		return -ENOENT;
	for (size_t i = 0; i < f->tree->n && !rc; i++)
		if (f->tree->names[i].now && fs_is_in(f->tree->names[i].path, path))
			rc = each(arg, strrchr(f->tree->names[i].path, '/') + 1);
	return rc;
}

static int fake_lock(struct pool_fs *fs, int fd, const char *path, bool shared, unsigned wait_ms,
		     char *why, size_t why_cap)
{
	struct fake_fs *f = fake_of(fs);

	(void)wait_ms, (void)shared;
	if (!f->dead && !inode_of(f, fd)->locked) {
		inode_of(f, fd)->locked = true;
		return 0;
	}
	snprintf(why, why_cap, "%s is locked", path);
	return -EBUSY;
}

struct fake_fs *fake_fs_new(uint64_t seed)
{
	struct fake_fs *f = calloc(1, sizeof(*f));
	struct name *top;

	assert(f);
	f->fs = (struct pool_fs){
		fake_open,     fake_close,    fake_pread, fake_pwrite,	 fake_sync, fake_sync,
		fake_truncate, fake_allocate, fake_size,  fake_has_data, fake_stat, fake_mkdir,
		fake_unlink,   fake_rename,   fake_list,  fake_lock,
	};
	f->tree = calloc(1, sizeof(*f->tree));
	assert(f->tree);
	f->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	top = fs_find_or_add(f->tree, "/p");
	top->now = top->disk = fs_new_inode(f->tree, true);
	return f;
}
