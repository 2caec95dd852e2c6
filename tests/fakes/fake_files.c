/* What the fake's files hold: twice.
 *
 *   live    what a read sees: page cache, or the disk with its volatile cache
 *   safe    what is there after power loss, whatever else happens
 *   record  a write or punch that is not safe yet
 *
 * Each 512-byte sector that a record changes in live gets the next number of one
 * count of effects, and a sector goes to safe only over an older number: so what is
 * hardened out of order (one DSYNC write among others) ends as the later one. A crash
 * chooses for each record which of its sectors had reached the medium. */
#include "tests/fakes/fake_priv.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECTOR = 512, BLOCK = 4096, PER_BLOCK = BLOCK / SECTOR };

struct safe_block {
	uint64_t seq[PER_BLOCK];
	uint8_t data[BLOCK];
};

struct file {
	struct fake_file pub;
	struct fake_world *w;
	struct list link; /* in world.files */
	uint64_t capacity_bytes, nblocks;
	uint8_t **live; /* NULL = a hole */
	struct safe_block **safe;
	struct list records; /* in order of their beginning */
	struct list stalled;
	bool is_stalled;
};

struct record {
	struct list link;
	struct file *f;
	uint64_t off_bytes, len_bytes;
	uint8_t *data; /* NULL: zeros */
	bool dealloc;
	bool ended;
	bool lost; /* a failed sync has forgotten it: no later one makes it safe */
	uint64_t ended_at;
	uint64_t applied_bytes;
	uint64_t seq[]; /* per sector; 0 = not in live yet */
};

static struct file *file_of(struct fake_file *f)
{
	return container_of(f, struct file, pub);
}

struct fake_file *fake_file_new(struct fake_world *w, uint64_t size_bytes)
{
	struct file *f = calloc(1, sizeof(*f));

	assert(f && size_bytes % SECTOR == 0);
	f->pub.size_bytes = size_bytes;
	f->w = w;
	f->nblocks = size_bytes / BLOCK + 1;
	f->capacity_bytes = f->nblocks * BLOCK;
	f->live = calloc(f->nblocks, sizeof(*f->live));
	f->safe = calloc(f->nblocks, sizeof(*f->safe));
	assert(f->live && f->safe);
	list_init(&f->records);
	list_init(&f->stalled);
	list_add_tail(&w->files, &f->link);
	return &f->pub;
}

int fake_file_open(struct fake_file *f)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert(fd >= 0);
	fake_fd_set(file_of(f)->w, fd, FAKE_FD_FILE, f);
	return fd;
}

static void record_free(struct record *r)
{
	list_del(&r->link);
	free(r->data);
	free(r);
}

void fake_files_free_all(struct fake_world *w)
{
	struct list *n, *rec;

	while ((n = list_pop(&w->files))) {
		struct file *f = list_entry(n, struct file, link);

		while ((rec = list_pop(&f->records)))
			record_free(list_entry(rec, struct record, link));
		for (uint64_t i = 0; i < f->nblocks; i++) {
			free(f->live[i]);
			free(f->safe[i]);
		}
		free(f->live);
		free(f->safe);
		free(f);
	}
}

struct fake_world *fake_file_world(struct fake_file *f)
{
	return file_of(f)->w;
}

uint64_t fake_file_capacity_bytes(struct fake_file *f)
{
	return file_of(f)->capacity_bytes;
}

struct list *fake_file_stalled(struct fake_file *f, bool *is)
{
	*is = file_of(f)->is_stalled;
	return &file_of(f)->stalled;
}

void fake_file_stall(struct fake_file *f)
{
	file_of(f)->is_stalled = true;
}

void fake_file_release(struct fake_file *f)
{
	file_of(f)->is_stalled = false;
	fake_disk_release(&file_of(f)->stalled);
}

/* ── contents ── */

static uint8_t *live_block(struct file *f, uint64_t i)
{
	if (!f->live[i])
		f->live[i] = calloc(1, BLOCK);
	assert(f->live[i]);
	return f->live[i];
}

static void live_set(struct file *f, uint64_t off, const uint8_t *data, bool dealloc)
{
	uint64_t i = off / BLOCK;

	if (data)
		memcpy(live_block(f, i) + off % BLOCK, data, SECTOR);
	else if (f->live[i] || !dealloc)
		memset(live_block(f, i) + off % BLOCK, 0, SECTOR);
}

static void safe_set(struct file *f, uint64_t off, const uint8_t *data, uint64_t seq)
{
	struct safe_block **at = &f->safe[off / BLOCK];

	if (!*at)
		*at = calloc(1, sizeof(**at));
	assert(*at);
	if (seq <= (*at)->seq[off % BLOCK / SECTOR])
		return;
	(*at)->seq[off % BLOCK / SECTOR] = seq;
	if (data)
		memcpy((*at)->data + off % BLOCK, data, SECTOR);
	else
		memset((*at)->data + off % BLOCK, 0, SECTOR);
}

void fake_file_peek(struct fake_file *pub, uint64_t off, void *buf, size_t len)
{
	struct file *f = file_of(pub);
	uint8_t *to = buf;

	assert(off + len <= f->capacity_bytes);
	while (len) {
		size_t n = MIN(len, BLOCK - (size_t)(off % BLOCK));

		if (f->live[off / BLOCK])
			memcpy(to, f->live[off / BLOCK] + off % BLOCK, n);
		else
			memset(to, 0, n);
		off += n;
		to += n;
		len -= n;
	}
}

void fake_file_poke(struct fake_file *pub, uint64_t off, const void *buf, size_t len)
{
	struct file *f = file_of(pub);
	const uint8_t *from = buf;

	assert(off % SECTOR == 0 && len % SECTOR == 0 && off + len <= f->capacity_bytes);
	for (size_t i = 0; i < len; i += SECTOR) {
		live_set(f, off + i, from + i, false);
		safe_set(f, off + i, from + i, ++f->w->effects);
	}
}

uint64_t fake_file_allocated_bytes(struct fake_file *pub)
{
	const struct file *f = file_of(pub);
	uint64_t n = 0;

	for (uint64_t i = 0; i < f->nblocks; i++)
		n += f->live[i] ? BLOCK : 0;
	return n;
}

bool fake_file_has_holes(struct fake_file *pub, uint64_t off, uint64_t len)
{
	const struct file *f = file_of(pub);

	for (uint64_t i = off / BLOCK; i * BLOCK < off + len && i < f->nblocks; i++)
		if (!f->live[i])
			return true;
	return false;
}

/* ── records ── */

struct record *fake_record_new(struct fake_file *pub, uint64_t off_bytes, uint64_t len_bytes,
			       const struct iovec *iov, bool dealloc)
{
	struct record *r = calloc(1, sizeof(*r) + len_bytes / SECTOR * sizeof(r->seq[0]));
	struct file *f = file_of(pub);

	assert(r);
	r->f = f;
	r->off_bytes = off_bytes;
	r->len_bytes = len_bytes;
	r->dealloc = dealloc;
	if (iov) {
		r->data = malloc(len_bytes);
		assert(r->data);
		for (uint64_t at = 0; at < len_bytes; iov++) {
			uint64_t n = MIN(iov->iov_len, len_bytes - at);

			memcpy(r->data + at, iov->iov_base, n);
			at += n;
		}
	}
	list_add_tail(&f->records, &r->link);
	return r;
}

bool fake_record_matches(const struct record *r, const struct iovec *iov, int iovcnt)
{
	uint64_t at = 0;

	for (int i = 0; i < iovcnt && at < r->len_bytes; i++) {
		uint64_t n = MIN(iov[i].iov_len, r->len_bytes - at);

		if (memcmp(r->data + at, iov[i].iov_base, n))
			return false;
		at += n;
	}
	return true;
}

static const uint8_t *record_sector(const struct record *r, uint64_t at)
{
	return r->data ? r->data + at : NULL;
}

void fake_record_apply(struct record *r, uint64_t len_bytes)
{
	struct file *f = r->f;

	for (; r->applied_bytes < len_bytes; r->applied_bytes += SECTOR) {
		uint64_t off = r->off_bytes + r->applied_bytes;

		live_set(f, off, record_sector(r, r->applied_bytes), r->dealloc);
		r->seq[r->applied_bytes / SECTOR] = ++f->w->effects;
	}
	if (!r->dealloc || r->applied_bytes != r->len_bytes)
		return;
	for (uint64_t i = (r->off_bytes + BLOCK - 1) / BLOCK;
	     (i + 1) * BLOCK <= r->off_bytes + r->len_bytes; i++) {
		free(f->live[i]);
		f->live[i] = NULL;
	}
}

void fake_record_end(struct record *r, uint64_t len_bytes)
{
	assert(!r->ended && len_bytes <= r->len_bytes);
	fake_record_apply(r, len_bytes);
	r->len_bytes = MAX(len_bytes, r->applied_bytes);
	r->ended = true;
	r->ended_at = r->f->w->ends;
	if (!r->len_bytes)
		record_free(r);
}

void fake_record_harden(struct record *r)
{
	for (uint64_t at = 0; at < r->len_bytes; at += SECTOR)
		safe_set(r->f, r->off_bytes + at, record_sector(r, at), r->seq[at / SECTOR]);
	record_free(r);
}

/* As Linux does it: after a failed write-back the pages count as clean, so the
 * next sync has nothing to write and succeeds. */
void fake_file_sync(struct fake_file *pub, uint64_t ends, bool ok)
{
	list_for_each_safe (n, &file_of(pub)->records) {
		struct record *r = list_entry(n, struct record, link);

		if (!r->ended || r->lost || r->ended_at > ends)
			continue;
		if (ok)
			fake_record_harden(r);
		else
			r->lost = true;
	}
}

/* ── crashes ── */

static uint64_t random_sectors(struct fake_world *w, uint64_t len_bytes)
{
	return fake_random(w) % (len_bytes / SECTOR + 1) * SECTOR;
}

/* Some of its sectors are on the medium. */
static void record_tear(struct record *r)
{
	struct fake_world *w = r->f->w;
	uint64_t mode = fake_random(w) % 4, prefix = random_sectors(w, r->len_bytes);

	for (uint64_t at = 0; at < r->len_bytes; at += SECTOR) {
		if (mode == 0 || (mode == 1 && at >= prefix) || (mode == 2 && fake_random(w) % 2))
			continue;
		if (!r->seq[at / SECTOR])
			r->seq[at / SECTOR] = ++w->effects;
		safe_set(r->f, r->off_bytes + at, record_sector(r, at), r->seq[at / SECTOR]);
	}
}

static void live_from_safe(struct file *f)
{
	static const uint8_t zeros[BLOCK];

	for (uint64_t i = 0; i < f->nblocks; i++) {
		free(f->live[i]);
		f->live[i] = NULL;
		if (f->safe[i] && memcmp(f->safe[i]->data, zeros, BLOCK))
			memcpy(live_block(f, i), f->safe[i]->data, BLOCK);
	}
}

static void file_lose_power(struct file *f)
{
	bool backwards = fake_random(f->w) % 2;

	/* those under way when it happened have no order among them */
	while (!list_empty(&f->records)) {
		struct list *n = backwards ? f->records.prev : f->records.next;
		struct record *r = list_entry(n, struct record, link);

		record_tear(r);
		record_free(r);
	}
	live_from_safe(f);
}

static void file_lose_process(struct file *f)
{
	list_for_each_safe (n, &f->records) {
		struct record *r = list_entry(n, struct record, link);
		uint64_t mode = fake_random(f->w) % 3;

		if (r->ended)
			continue;
		fake_record_end(r, mode == 0   ? 0
				   : mode == 1 ? random_sectors(f->w, r->len_bytes)
					       : r->len_bytes);
	}
}

static void world_end(struct fake_world *w, void (*lose)(struct file *f))
{
	assert(!w->dead);
	w->dead = true;
	w->knobs.crash_at = UINT64_MAX;
	if (w->knobs.on_end)
		w->knobs.on_end(w->knobs.on_end_arg);
	w->ends++;
	fake_disk_end_all(w);
	list_for_each (n, &w->files)
		lose(list_entry(n, struct file, link));
	fake_socks_reset_all(w);
}

void fake_world_crash(struct fake_world *w)
{
	world_end(w, file_lose_power);
}

void fake_world_kill(struct fake_world *w)
{
	world_end(w, file_lose_process);
}
