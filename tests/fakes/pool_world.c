/* Changes at random, held to a model: see pool_world.h. */
#include "tests/fakes/pool_world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 9, MAX_OPS = 150 };

const char *const doing_names[DOINGS] = { "make", "open", "create", "resize", "delete" };
const char *const fs_op_names[FS_OPS] = { "write",  "sync",   "truncate", "allocate",
					  "create", "unlink", "rename",	  "mkdir" };
const char *const fs_file_names[FS_FILES] = { "log", "slot", "json", "data", "dir", "layers" };

static void PRINTF(2, 3) wrong(struct world *w, const char *fmt, ...)
{
	va_list args;

	if (w->broken[0])
		return;
	va_start(args, fmt);
	vsnprintf(w->broken, sizeof(w->broken), fmt, args);
	va_end(args);
}

static bool is_over(const struct world *w)
{
	return w->f->dead || w->broken[0];
}

static uint8_t stamp_of(const struct vol *v)
{
	return (uint8_t)(v->uuid[0] | 1);
}

static void let_go(struct world *w)
{
	if (w->p)
		vpool_close(w->p);
	w->p = NULL;
}

/* ── steps ── */

static int open_pool(struct world *w)
{
	w->doing = OPENING;
	w->met = 0;
	return vpool_open_on(&w->p, &w->f->fs, "/p", "/dev", 0, w->why, sizeof(w->why));
}

static bool path_was_used(const struct world *w, const char *path, unsigned at)
{
	for (unsigned i = 0; i < NVOLS; i++)
		if (i != at && !strcmp(w->vols[i].path, path))
			return true;
	return false;
}

static int create(struct world *w, unsigned at)
{
	struct vol *v = &w->vols[at];
	char name[8];
	struct vpool_spec spec = { .name = name,
				   .size_bytes = w->size,
				   .block_bytes = WORLD_SECTOR,
				   .preallocate = at % 2 };
	struct vpool_volume out;
	int rc;

	snprintf(name, sizeof(name), "v%u", at);
	rc = vpool_create(w->p, &spec, &out, NULL, w->why, sizeof(w->why));
	if (rc)
		return rc;
	if (path_was_used(w, out.path, NVOLS) && !w->f->dead)
		wrong(w, "%s comes twice", out.path);
	if (fake_fs_size(w->f, out.path) != (int64_t)w->size)
		wrong(w, "%s has %lld bytes", out.path, (long long)fake_fs_size(w->f, out.path));
	v->there = true;
	v->size = w->size;
	memcpy(v->uuid, out.uuid, sizeof(v->uuid));
	snprintf(v->path, sizeof(v->path), "%s", out.path);
	vpool_volume_fini(&out);
	if (!is_over(w)) /* what it is used for */
		fake_fs_stamp(w->f, v->path, stamp_of(v));
	return 0;
}

static int resize(struct world *w, unsigned at)
{
	int rc = vpool_resize(w->p, w->vols[at].uuid, w->size, w->why, sizeof(w->why));

	if (!rc)
		w->vols[at].size = w->size;
	return rc;
}

static int delete (struct world *w, unsigned at)
{
	int rc = vpool_delete(w->p, w->vols[at].uuid, NULL, w->why, sizeof(w->why));

	if (!rc)
		w->vols[at].there = false;
	return rc;
}

/* One change; 0, or what it failed with, and then it stays under way. */
static int change(struct world *w, unsigned at, uint64_t dice)
{
	struct vol *v = &w->vols[at];
	int rc;

	w->at = (int)at;
	w->size = (1 + dice / 4 % 64) * WORLD_SECTOR;
	if (!v->there) {
		w->doing = CREATING;
		rc = create(w, at);
	} else if (dice % 4 < 2) {
		w->doing = RESIZING;
		w->size += v->size;
		rc = resize(w, at);
	} else {
		w->doing = DELETING;
		rc = delete (w, at);
	}
	w->change = w->doing;
	if (!rc)
		w->at = -1;
	return rc;
}

/* ── judging ── */

static const struct vpool_volume *seen(const struct vpool_volume *list, unsigned n,
				       const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

static void judge_volume(struct world *w, unsigned at, const struct vpool_volume *is)
{
	struct vol *v = &w->vols[at];
	bool open = w->at == (int)at;
	bool may_be = v->there || (open && w->change == CREATING);
	bool must_be = v->there && !(open && w->change == DELETING);

	if (!is && must_be)
		wrong(w, "v%u is lost", at);
	if (is && !may_be)
		wrong(w, "v%u is there again", at);
	if (!is) {
		v->there = false;
		return;
	}
	if (v->there && memcmp(v->uuid, is->uuid, sizeof(v->uuid)) != 0)
		wrong(w, "v%u is another one", at);
	if (is->size_bytes != v->size &&
	    !(open && w->change != DELETING && is->size_bytes == w->size))
		wrong(w, "v%u has %llu bytes", at, (unsigned long long)is->size_bytes);
	if (fake_fs_size(w->f, is->path) != (int64_t)is->size_bytes)
		wrong(w, "v%u has %llu bytes, its file %lld", at,
		      (unsigned long long)is->size_bytes, (long long)fake_fs_size(w->f, is->path));
	if (v->there && fake_fs_stamp_of(w->f, is->path) != stamp_of(v))
		wrong(w, "v%u has lost its data", at);
	if (!v->there && !w->broken[0]) /* its maker did not live to stamp it */
		fake_fs_stamp(w->f, is->path, (uint8_t)(is->uuid[0] | 1));
	v->there = true;
	v->size = is->size_bytes;
	memcpy(v->uuid, is->uuid, sizeof(v->uuid));
	snprintf(v->path, sizeof(v->path), "%s", is->path);
}

struct files {
	struct world *w;
	unsigned n;
};

static int judge_file(void *arg, const char *name)
{
	struct files *files = arg;
	char path[64];

	files->n++;
	snprintf(path, sizeof(path), "/p/layers/%s", name);
	for (unsigned i = 0; i < NVOLS; i++)
		if (files->w->vols[i].there && !strcmp(files->w->vols[i].path, path))
			return 0;
	wrong(files->w, "%s belongs to nobody", path);
	return 0;
}

/* What is there now is what was promised; then it is what there is. */
static void judge(struct world *w)
{
	struct vpool_volume *list;
	struct files files = { .w = w };
	unsigned n, bulk = 0;

	if (vpool_list(w->p, &list, &n)) {
		wrong(w, "no list");
		return;
	}
	for (unsigned i = 0; i < NVOLS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "v%u", i);
		judge_volume(w, i, seen(list, n, name));
	}
	for (unsigned i = 0; i < n; i++)
		bulk += list[i].kind == VPOOL_EXTERNAL;
	if (bulk != w->setting->nbulk)
		wrong(w, "%u of %u elsewhere are there", bulk, w->setting->nbulk);
	vpool_list_free(list, n);
	w->f->fs.list(&w->f->fs, "/p/layers", judge_file, &files);
	w->at = -1;
}

/* An opening that nothing disturbs. */
static void reopen(struct world *w, bool power)
{
	let_go(w);
	fake_fs_restart(w->f, power);
	if (open_pool(w))
		wrong(w, "it does not open: %s", w->why);
	else
		judge(w);
}

/* ── a run ── */

static const char *const mode_names[MODES] = { "death", "power cut", "error", "two in a row" };

static struct world start(const struct setting *from, uint64_t seed)
{
	return (struct world){ .setting = from, .f = fake_fs_copy(from->f, seed), .at = -1 };
}

static void finish(struct world *w)
{
	let_go(w);
	fake_fs_free(w->f);
}

/* After an error everything that was answered must still be as it was, here and now. */
static void judge_failure(struct world *w, int rc)
{
	struct vpool_volume *list;
	enum doing doing = w->doing;
	int at = w->at;
	unsigned n;
	char name[8];

	if (!w->f->failed)
		wrong(w, "%s failed of itself: %s", doing_names[doing], w->why);
	if (vpool_list(w->p, &list, &n)) {
		wrong(w, "no list");
		return;
	}
	snprintf(name, sizeof(name), "v%d", at);
	if (doing == CREATING && seen(list, n, name))
		wrong(w, "%s failed with %d and is there", name, rc);
	vpool_list_free(list, n);
}

/* Nothing disturbs these, and they are not counted. */
static void go_on_for_long(struct world *w)
{
	unsigned die_at = w->f->die_at, fail_at = w->f->fail_at;

	w->f->die_at = w->f->fail_at = 0;
	for (unsigned i = 0; i < w->setting->nbefore; i++)
		if (change(w, 0, 1))
			wrong(w, "at the beginning: %s", w->why);
	w->f->die_at = die_at;
	w->f->fail_at = fail_at;
	w->f->ops = 0;
}

/* Changes at random, until the end, or a crash. */
static void play(struct world *w, uint64_t seed)
{
	uint64_t dice = seed * 7919 + 12345;

	if (open_pool(w)) {
		if (!is_over(w) && !w->f->failed)
			wrong(w, "it does not open: %s", w->why);
		return;
	}
	if (w->setting->nbefore)
		go_on_for_long(w);
	for (unsigned i = 0; i < STEPS && !is_over(w); i++) {
		int rc;

		dice = dice * 6364136223846793005u + 1442695040888963407u;
		rc = change(w, (unsigned)(dice >> 33) % NVOLS, dice >> 40);
		if (rc && !is_over(w))
			judge_failure(w, rc);
		if (rc)
			return;
		if (i == STEPS / 2 && !w->setting->nbefore) {
			let_go(w);
			if (open_pool(w))
				return;
		}
	}
}

/* An opening after a death, which is not completed. */
static void open_and_die(struct world *w)
{
	let_go(w);
	fake_fs_restart(w->f, false);
	w->f->die_at = 1 + (unsigned)fake_fs_random(w->f, 12);
	if (open_pool(w) && !w->f->dead)
		wrong(w, "it does not open: %s", w->why);
	if (w->p)
		judge(w);
}

/* Dies, or fails, at operation @nth; then others look. */
static enum doing one_run(struct world *w, uint64_t seed, enum mode mode, unsigned nth,
			  struct landings *landed)
{
	enum doing doing;

	if (mode == ERROR || (mode == TWICE && fake_fs_random(w->f, 2))) {
		w->f->fail_at = nth;
		w->f->fail_err = nth % 3 ? -EIO : -ENOSPC;
	} else {
		w->f->die_at = nth;
	}
	play(w, seed);
	doing = w->doing;
	if (w->f->dead || w->f->failed)
		landed->at[doing][w->f->last_op][w->f->last_file]++;
	if (mode == TWICE)
		open_and_die(w);
	reopen(w, mode == POWER || mode == TWICE);
	reopen(w, true); /* what it has just shown must be on the disk */
	w->size = WORLD_SECTOR;
	for (unsigned i = 0; i < NVOLS && !w->broken[0]; i++)
		if (change(w, i, 2)) /* and it can be used */
			wrong(w, "after all that: %s", w->why);
	reopen(w, false);
	return doing;
}

bool world_cheats(void *arg, enum fs_op op, enum fs_file file)
{
	struct cheat *c = arg;
	unsigned met;

	if (c->doing != c->w->doing)
		return false;
	if (c->op != op || c->file != file)
		return false;
	met = c->w->met++;
	return met >= c->from && met < c->to;
}

/* Nothing disturbs it: how many operations there are. */
static unsigned count_ops(const struct setting *from, uint64_t seed, char broken[static WHY_BYTES])
{
	struct world w = start(from, seed);
	unsigned ops;

	play(&w, seed);
	ops = w.f->ops;
	reopen(&w, true);
	memcpy(broken, w.broken, WHY_BYTES);
	finish(&w);
	return broken[0] ? 0 : ops;
}

static bool crash_once(const struct setting *from, uint64_t seed, struct cheat *cheat,
		       enum mode mode, unsigned nth, struct landings *landed,
		       char broken[static WHY_BYTES])
{
	struct world w = start(from, seed * 1000003 + nth * 7 + mode);
	enum doing doing;

	if (cheat) {
		cheat->w = &w;
		w.f->cheat = world_cheats;
		w.f->cheat_arg = cheat;
	}
	doing = one_run(&w, seed, mode, nth, landed);
	if (w.broken[0])
		snprintf(broken, WHY_BYTES, "seed %llu, %s at operation %u (%s: %s of %s): %.700s",
			 (unsigned long long)seed, mode_names[mode], nth, doing_names[doing],
			 fs_op_names[w.f->last_op], fs_file_names[w.f->last_file], w.broken);
	landed->runs++;
	finish(&w);
	return broken[0];
}

bool crash_everywhere(const struct setting *from, uint64_t seed, struct cheat *cheat,
		      unsigned modes, struct landings *landed, char broken[static WHY_BYTES])
{
	unsigned ops;

	broken[0] = '\0';
	ops = cheat ? MAX_OPS : count_ops(from, seed, broken);
	for (unsigned nth = 1; nth <= ops; nth++)
		for (unsigned mode = 0; mode < MODES; mode++)
			if (modes & 1u << mode &&
			    crash_once(from, seed, cheat, (enum mode)mode, nth, landed, broken))
				return true;
	return broken[0];
}
