/* Names point at inodes, in the cache and on the disk; so do pages and sizes. See fake_fs.h. */
#include "tests/fakes/fake_fs_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint64_t fake_fs_random(struct fake_fs *f, uint64_t below)
{
	f->random ^= f->random << 13;
	f->random ^= f->random >> 7;
	f->random ^= f->random << 17;
	return (f->random * UINT64_C(0x2545f4914f6cdd1d) >> 11) % below;
}

/* ── the tree ── */

struct inode *fs_new_inode(struct fs_tree *t, bool is_dir)
{
	struct inode *i = calloc(1, sizeof(*i));

	assert(i);
	i->is_dir = is_dir;
	i->number = ++t->numbers;
	i->next = t->inodes;
	t->inodes = i;
	return i;
}

struct name *fs_find(const struct fs_tree *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->names[i].path, path))
			return &t->names[i];
	return NULL;
}

struct name *fs_find_or_add(struct fs_tree *t, const char *path)
{
	struct name *name = fs_find(t, path);

	if (name)
		return name;
	t->names = reallocarray(t->names, t->n + 1, sizeof(*name));
	assert(t->names);
	name = &t->names[t->n++];
	*name = (struct name){ .path = strdup(path) };
	return name;
}

struct inode *fs_inode_at(const struct fs_tree *t, const char *path)
{
	const struct name *name = fs_find(t, path);

	return name ? name->now : NULL;
}

bool fs_is_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && path[len] == '/' && !strchr(path + len + 1, '/');
}

struct page *fs_page_at(struct inode *i, size_t n)
{
	size_t want = MAX(n + 1, i->npages * 2);

	if (n >= i->npages) {
		i->pages = reallocarray(i->pages, want, sizeof(struct page));
		assert(i->pages);
		memset(i->pages + i->npages, 0, (want - i->npages) * sizeof(struct page));
		i->npages = want;
	}
	return &i->pages[n];
}

static uint8_t *copy_of(const uint8_t *page)
{
	uint8_t *copy = page ? malloc(PAGE) : NULL;

	return copy ? memcpy(copy, page, PAGE) : NULL;
}

void fs_put_bytes(struct inode *i, const uint8_t *buf, size_t len, uint64_t off)
{
	static const uint8_t zeros[PAGE];

	if (off + len > i->size) {
		i->size = off + len;
		i->size_dirty = true;
	}
	while (len) {
		struct page *p = fs_page_at(i, off / PAGE);
		size_t at = off % PAGE, n = MIN(len, PAGE - at);

		for (size_t s = at / SECTOR; s <= (at + n - 1) / SECTOR; s++)
			p->dirty |= (uint8_t)(1u << s);
		if (!p->now && memcmp(buf, zeros, n) != 0)
			p->now = calloc(1, PAGE);
		if (p->now)
			memcpy(p->now + at, buf, n);
		buf += n;
		off += n;
		len -= n;
	}
}

void fs_sync_inode(struct fs_tree *t, struct inode *i, const char *path)
{
	for (size_t n = 0; n < i->npages; n++) {
		if (!i->pages[n].dirty)
			continue;
		free(i->pages[n].disk);
		i->pages[n].disk = copy_of(i->pages[n].now);
		i->pages[n].dirty = 0;
	}
	i->size_disk = i->size;
	i->size_dirty = false;
	for (size_t n = 0; i->is_dir && n < t->n; n++)
		if (fs_is_in(t->names[n].path, path))
			t->names[n].disk = t->names[n].now;
}

void fs_forget_dirt(struct inode *i)
{
	for (size_t n = 0; n < i->npages; n++)
		i->pages[n].dirty = 0;
	i->size_dirty = false;
}

void fs_set_size(struct inode *i, uint64_t size)
{
	for (size_t n = (size + PAGE - 1) / PAGE; n < i->npages; n++) {
		free(i->pages[n].now);
		i->pages[n].now = NULL;
		i->pages[n].dirty = 0xff;
	}
	i->size = size;
	i->size_dirty = true;
}

/* ── the power goes ── */

static void cut_inode(struct fake_fs *f, struct inode *i)
{
	for (size_t n = 0; n < i->npages; n++) {
		struct page *p = &i->pages[n];

		for (unsigned s = 0; s < PAGE / SECTOR; s++) {
			if (!(p->dirty & 1u << s) || fake_fs_random(f, 2))
				continue;
			if (!p->disk && p->now)
				p->disk = calloc(1, PAGE);
			if (p->now)
				memcpy(p->disk + s * SECTOR, p->now + s * SECTOR, SECTOR);
			else if (p->disk)
				memset(p->disk + s * SECTOR, 0, SECTOR);
		}
		free(p->now);
		p->now = copy_of(p->disk);
		p->dirty = 0;
	}
	if (i->size_dirty && fake_fs_random(f, 2))
		i->size_disk = i->size;
	i->size = i->size_disk;
	i->size_dirty = false;
}

static void cut(struct fake_fs *f)
{
	struct fs_tree *t = f->tree;
	uint64_t ties = fake_fs_random(f, UINT64_MAX);

	for (struct inode *i = t->inodes; i; i = i->next)
		cut_inode(f, i);
	for (size_t n = 0; n < t->n; n++) {
		struct name *name = &t->names[n];
		bool keeps = name->tie ? ties >> name->tie % 48 & 1 : fake_fs_random(f, 2);

		if (name->now != name->disk && keeps)
			name->disk = name->now;
		name->now = name->disk;
	}
}

void fake_fs_restart(struct fake_fs *f, bool power)
{
	for (unsigned i = 0; i < MAX_FDS; i++)
		f->tree->fds[i].inode = NULL;
	for (struct inode *i = f->tree->inodes; i; i = i->next)
		i->locked = false;
	if (power)
		cut(f);
	f->dead = f->failed = false;
	f->die_at = f->fail_at = f->ops = 0;
}

/* ── for tests ── */

static struct inode *copy_inode(struct fs_tree *t, struct inode *i)
{
	struct inode *copy = fs_new_inode(t, i->is_dir);

	copy->size = i->size;
	copy->size_disk = i->size_disk;
	copy->size_dirty = i->size_dirty;
	if (i->npages)
		(void)fs_page_at(copy, i->npages - 1);
	for (size_t n = 0; n < i->npages; n++)
		copy->pages[n] = (struct page){ copy_of(i->pages[n].now), copy_of(i->pages[n].disk),
						i->pages[n].dirty };
	return copy;
}

struct fake_fs *fake_fs_copy(const struct fake_fs *f, uint64_t seed)
{
	struct fake_fs *copy = fake_fs_new(seed);
	struct fs_tree *t = copy->tree;

	for (struct inode *i = f->tree->inodes; i; i = i->next)
		i->copy = copy_inode(t, i);
	for (size_t n = 0; n < f->tree->n; n++) {
		const struct name *from = &f->tree->names[n];
		struct name *to = fs_find_or_add(t, from->path);

		to->now = from->now ? from->now->copy : NULL;
		to->disk = from->disk ? from->disk->copy : NULL;
		to->tie = from->tie;
	}
	t->ties = f->tree->ties;
	return copy;
}

void fake_fs_free(struct fake_fs *f)
{
	while (f->tree->inodes) {
		struct inode *i = f->tree->inodes;

		f->tree->inodes = i->next;
		for (size_t n = 0; n < i->npages; n++) {
			free(i->pages[n].now);
			free(i->pages[n].disk);
		}
		free(i->pages);
		free(i);
	}
	for (size_t n = 0; n < f->tree->n; n++)
		free(f->tree->names[n].path);
	free(f->tree->names);
	free(f->tree);
	free(f);
}

void fake_fs_put(struct fake_fs *f, const char *path, uint64_t size_bytes)
{
	struct name *name = fs_find_or_add(f->tree, path);

	if (!name->now)
		name->now = fs_new_inode(f->tree, false);
	name->disk = name->now;
	fs_set_size(name->now, size_bytes);
	fs_sync_inode(f->tree, name->now, path);
}

void fake_fs_stamp(struct fake_fs *f, const char *path, uint8_t stamp)
{
	struct inode *i = fs_inode_at(f->tree, path);

	assert(i && i->size);
	fs_put_bytes(i, &stamp, 1, 0);
	fs_sync_inode(f->tree, i, path);
}

void fake_fs_remove(struct fake_fs *f, const char *path)
{
	struct name *name = fs_find(f->tree, path);

	assert(name);
	name->now = name->disk = NULL;
}

void fake_fs_damage(struct fake_fs *f, const char *path, uint64_t off)
{
	struct inode *i = fs_inode_at(f->tree, path);
	struct page *p;
	uint8_t byte;

	assert(i && off < i->size);
	p = fs_page_at(i, off / PAGE);
	byte = (uint8_t) ~(p->now ? p->now[off % PAGE] : 0);
	fs_put_bytes(i, &byte, 1, off);
	fs_sync_inode(f->tree, i, path);
}

int64_t fake_fs_size(const struct fake_fs *f, const char *path)
{
	const struct inode *i = fs_inode_at(f->tree, path);

	return i ? (int64_t)i->size : -1;
}

uint8_t fake_fs_stamp_of(const struct fake_fs *f, const char *path)
{
	struct inode *i = fs_inode_at(f->tree, path);

	return i && i->npages && i->pages[0].now ? i->pages[0].now[0] : 0;
}
