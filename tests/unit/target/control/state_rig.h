/* A state directory of a test's own, and states that are told apart by one number. */
#pragma once

#include "tests/unit/target/control/random_doc.h"

#include "target/control/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "hush-hush-hush-hush"

struct state_rig {
	char dir[64], path[96];
};

static inline void rig_init(struct state_rig *r)
{
	strcpy(r->dir, "/tmp/ringlun-state.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/state.json", r->dir);
}

static inline void rig_fini(struct state_rig *r)
{
	static const char *const names[] = { "state.json", "state.json.new", "state.lock" };
	char path[96];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", r->dir, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(r->dir), 0);
}

/* One target whose LUN is @n, with a secret. */
static inline void numbered(struct model *m, unsigned n)
{
	json_t *j = json_pack("{s:i, s:[{s:s, s:[{s:i, s:s}], s:{s:[{s:s, s:s}]}}]}", "ringlun", 1,
			      "targets", "name", "iqn.2026-11.io.ringlun:t", "luns", "lun", (int)n,
			      "volume", "v", "chap", "users", "user", "u", "secret", SECRET);

	read_model(m, j, MODEL_SHOWN);
	json_decref(j);
}

/* 0: there is none. */
static inline unsigned number_of(const struct model *m)
{
	return m->ntargets ? m->targets[0].luns[0].lun : 0;
}

static inline int store(struct state_file *f, unsigned n)
{
	char why[960] = "";
	struct model m;
	int rc;

	numbered(&m, n);
	rc = state_file_store(f, &m, why, sizeof(why));
	assert_true(rc ? why[0] : !why[0]);
	model_fini(&m);
	return rc;
}

static inline struct state_file *open_state(const char *dir, unsigned *n)
{
	struct state_file *f;
	char why[960] = "";
	struct model m;

	if (state_file_open(&f, dir, &m, why, sizeof(why)))
		fail_msg("%s", why);
	*n = number_of(&m);
	model_fini(&m);
	return f;
}

/* The number of what a start finds. */
static inline unsigned look(const char *dir)
{
	unsigned n;

	state_file_close(open_state(dir, &n));
	return n;
}

static inline char *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 1 << 20);

	assert_non_null(f);
	*len = fread(text, 1, (1 << 20) - 1, f);
	fclose(f);
	return text;
}

static inline void spill(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static inline bool is_there(const struct state_rig *r, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	return !access(path, F_OK);
}
