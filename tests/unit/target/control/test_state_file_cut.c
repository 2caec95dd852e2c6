/* Storing, ended anywhere: by a kill, by an error, by a power cut that keeps of what was not synced
 * whatever it likes. What was acknowledged is there afterwards, or what was under way, whole.
 *
 * A power cut is played on a model of the disk: names are those of some moment since the last sync
 * of the directory, bytes are those synced, those written, or a part of these. Mutants leave a
 * sync out, or do it too late; the model has to tell them apart, or it proves nothing. */
#include "tests/unit/target/control/state_rig.h"

#include <signal.h>
#include <sys/wait.h>

/* --- a system that counts ---------------------------------------------------------------- */

struct cutter {
	struct state_file_sys sys;
	unsigned at, calls; /* the call with this number is the last, or fails; from 1 */
	int error;	    /* 0: the process is killed */
	bool ever;	    /* from there on all fail */
	size_t chunk;	    /* of a write */
	int lock;
};

static int cut(struct cutter *c)
{
	c->calls++;
	if (c->calls != c->at && !(c->ever && c->at && c->calls > c->at))
		return 0;
	if (!c->error)
		raise(SIGKILL);
	return c->error;
}

static int cut_create(void *arg, int dir, const char *name)
{
	int rc = cut(arg), fd;

	if (rc)
		return rc;
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int cut_write(void *arg, int fd, const char *bytes, size_t len)
{
	struct cutter *c = arg;
	int rc = cut(c);
	ssize_t n;

	if (rc)
		return rc;
	n = write(fd, bytes, MIN(len, c->chunk));
	return n < 0 ? -errno : (int)n;
}

static int cut_sync(void *arg, int fd)
{
	int rc = cut(arg);

	return rc ? rc : fsync(fd) ? -errno : 0;
}

static int cut_rename(void *arg, int dir, const char *from, const char *to)
{
	int rc = cut(arg);

	return rc ? rc : renameat(dir, from, dir, to) ? -errno : 0;
}

static int cut_unlink(void *arg, int dir, const char *name)
{
	int rc = cut(arg);

	return rc ? rc : unlinkat(dir, name, 0) ? -errno : 0;
}

static void cutter_init(struct cutter *c, unsigned at, int error)
{
	*c = (struct cutter){
		.sys = { cut_create, cut_write, cut_sync, cut_rename, cut_unlink, c },
		.at = at,
		.error = error,
		.chunk = 100,
	};
}

/* --- kills --------------------------------------------------------------------------------- */

enum { STORES = 3 };

/* Tells each number that was acknowledged. */
static void store_until_killed(const struct state_rig *r, unsigned at, int pipe)
{
	struct cutter c;
	unsigned n;
	struct state_file *f = open_state(r->dir, &n);

	cutter_init(&c, at, 0);
	state_file_use(f, &c.sys);
	for (unsigned char i = 1; i <= STORES; i++) {
		if (store(f, n + i))
			_exit(2);
		if (write(pipe, &i, 1) != 1)
			_exit(3);
	}
	_exit(0);
}

static void killed_at_each_call(void **state)
{
	unsigned before = 0, kills = 0, found;
	bool through = false;
	struct state_rig r;

	(void)state;
	rig_init(&r);
	for (unsigned at = 1; !through; at++) {
		unsigned char last = 0;
		int fds[2], status;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		pid = fork();
		if (!pid)
			store_until_killed(&r, at, fds[1]);
		close(fds[1]);
		while (read(fds[0], &last, 1) == 1)
			;
		close(fds[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		through = WIFEXITED(status);
		if (through)
			assert_int_equal(WEXITSTATUS(status), 0);
		else
			assert_int_equal(WTERMSIG(status), SIGKILL);
		found = look(r.dir);
		if (found != before + last && (through || found != before + last + 1))
			fail_msg("call %u: %u was acknowledged, %u is there", at, before + last,
				 found);
		assert_false(is_there(&r, "state.json.new"));
		assert_int_equal(look(r.dir), found);
		before = found;
		kills += !through;
	}
	assert_true(kills > 20);
	rig_fini(&r);
}

/* --- errors -------------------------------------------------------------------------------- */

static void failed_at_each_call(void **state)
{
	static const int errors[] = { -ENOSPC, -EIO, -EROFS };
	unsigned failures = 0;

	(void)state;
	for (size_t e = 0; e < ARRAY_SIZE(errors); e++)
		for (unsigned old = 0; old < 2; old++)
			for (unsigned at = 1;; at++) {
				struct state_file *f;
				struct state_rig r;
				struct cutter c;
				unsigned n;
				int rc;

				rig_init(&r);
				f = open_state(r.dir, &n);
				if (old)
					assert_int_equal(store(f, 1), 0);
				cutter_init(&c, at, errors[e]);
				state_file_use(f, &c.sys);
				rc = store(f, 2);
				assert_true(rc == 0 || rc == errors[e]);
				failures += rc != 0;
				/* the one before is what a start would find */
				state_file_close(f);
				f = open_state(r.dir, &n);
				assert_int_equal(n, rc ? old : 2);
				assert_false(is_there(&r, "state.json.new"));
				/* and it goes on where it was */
				assert_int_equal(store(f, 3), 0);
				state_file_close(f);
				assert_int_equal(look(r.dir), 3);
				rig_fini(&r);
				if (c.calls < at)
					break;
			}
	assert_true(failures > 40);
}

/* Nothing works any more, from the sync of the directory on: it is said what may be there. */
static void not_even_put_back(void **state)
{
	struct state_file *f;
	struct state_rig r;
	struct cutter c;
	struct model m;
	char why[960];
	unsigned n, calls;

	(void)state;
	rig_init(&r);
	f = open_state(r.dir, &n);
	cutter_init(&c, 0, -EIO);
	state_file_use(f, &c.sys);
	assert_int_equal(store(f, 1), 0);
	calls = c.calls; /* the last one was that sync */
	c.at = 2 * calls;
	c.ever = true;
	numbered(&m, 2);
	assert_int_equal(state_file_store(f, &m, why, sizeof(why)), -EIO);
	assert_non_null(strstr(why, "a start may find either"));
	model_fini(&m);
	state_file_close(f);
	n = look(r.dir);
	assert_true(n == 1 || n == 2);
	rig_fini(&r);
}

/* A store that could not even take its own file away is no hindrance for the next one. */
static void what_is_left_lying_about(void **state)
{
	struct state_file *f;
	struct state_rig r;
	struct cutter c;
	unsigned n;

	(void)state;
	rig_init(&r);
	f = open_state(r.dir, &n);
	cutter_init(&c, 3, -EIO);
	c.ever = true;
	state_file_use(f, &c.sys);
	assert_int_equal(store(f, 1), -EIO);
	assert_true(is_there(&r, "state.json.new"));
	cutter_init(&c, 0, 0);
	assert_int_equal(store(f, 2), 0);
	assert_false(is_there(&r, "state.json.new"));
	state_file_close(f);
	assert_int_equal(look(r.dir), 2);
	rig_fini(&r);
}

/* --- power cuts ---------------------------------------------------------------------------- */

enum { NFILES = 16, NOPS = 32 };

enum mutant { NO_MUTANT, NO_FILE_SYNC, NO_DIR_SYNC, LATE_FILE_SYNC, MUTANTS };

struct file {
	char bytes[4096];
	size_t len;
	bool synced;
};

struct names {
	int json, new; /* files, -1: none */
};

struct disk {
	struct state_file_sys sys;
	enum mutant mutant;
	struct file files[NFILES];
	unsigned nfiles;
	struct names history[NOPS]; /* since the last sync of the directory; the first is it */
	unsigned n;
	unsigned calls, at; /* nothing happens from call @at on */
	unsigned acknowledged;
};

static bool is_off(struct disk *d)
{
	return ++d->calls >= d->at;
}

static struct names *change(struct disk *d)
{
	assert_true(d->n < NOPS);
	d->history[d->n] = d->history[d->n - 1];
	return &d->history[d->n++];
}

/* Descriptors of files are real ones, of nothing. */
static int disk_create(void *arg, int dir, const char *name)
{
	struct disk *d = arg;

	(void)dir;
	if (is_off(d))
		return -EIO;
	assert_string_equal(name, "state.json.new");
	if (d->history[d->n - 1].new >= 0)
		return -EEXIST;
	assert_true(d->nfiles < NFILES);
	change(d)->new = (int)d->nfiles;
	d->files[d->nfiles++] = (struct file){ .len = 0 };
	return open("/dev/null", O_WRONLY | O_CLOEXEC);
}

static int disk_write(void *arg, int fd, const char *bytes, size_t len)
{
	struct disk *d = arg;
	struct file *f = &d->files[d->nfiles - 1];

	(void)fd;
	if (is_off(d))
		return -EIO;
	len = MIN(len, (size_t)200);
	assert_true(f->len + len <= sizeof(f->bytes));
	memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
	f->synced = false;
	return (int)len;
}

static int disk_sync(void *arg, int fd)
{
	struct disk *d = arg;
	struct stat st;

	if (is_off(d))
		return -EIO;
	assert_int_equal(fstat(fd, &st), 0);
	if (!S_ISDIR(st.st_mode)) {
		d->files[d->nfiles - 1].synced =
			d->mutant != NO_FILE_SYNC && d->mutant != LATE_FILE_SYNC;
		return 0;
	}
	if (d->mutant == LATE_FILE_SYNC)
		d->files[d->nfiles - 1].synced = true;
	if (d->mutant == NO_DIR_SYNC)
		return 0;
	d->history[0] = d->history[d->n - 1];
	d->n = 1;
	return 0;
}

static int disk_rename(void *arg, int dir, const char *from, const char *to)
{
	struct disk *d = arg;
	struct names *now;

	(void)dir;
	(void)from;
	(void)to;
	if (is_off(d))
		return -EIO;
	now = change(d);
	now->json = now->new;
	now->new = -1;
	return 0;
}

static int disk_unlink(void *arg, int dir, const char *name)
{
	struct disk *d = arg;

	(void)dir;
	if (is_off(d))
		return -EIO;
	if (!strcmp(name, "state.json"))
		change(d)->json = -1;
	else
		change(d)->new = -1;
	return 0;
}

/* Whether a start finds what it must when @names are on the disk, and of a file that was not synced
 * the first @kept of its bytes in quarters. */
static bool survives(const struct disk *d, const struct names *names, unsigned kept)
{
	char why[960], path[128];
	struct state_file *f;
	struct state_rig r;
	struct model m;
	unsigned n;
	int rc;

	rig_init(&r);
	for (int i = 0; i < 2; i++) {
		int file = i ? names->new : names->json;
		const struct file *was = file < 0 ? NULL : &d->files[file];

		snprintf(path, sizeof(path), "%s%s", r.path, i ? ".new" : "");
		if (was)
			spill(path, was->bytes, was->synced ? was->len : was->len * kept / 4);
	}
	rc = state_file_open(&f, r.dir, &m, why, sizeof(why));
	if (!rc)
		state_file_close(f);
	n = number_of(&m);
	model_fini(&m);
	rig_fini(&r);
	return !rc && (n == d->acknowledged || n == d->acknowledged + 1);
}

/* Returns how many ends of @disk lose something. */
static unsigned losses(const struct disk *d)
{
	unsigned bad = 0;

	for (unsigned i = 0; i < d->n; i++)
		for (unsigned kept = 0; kept <= 4; kept++)
			bad += !survives(d, &d->history[i], kept);
	return bad;
}

static unsigned cut_power_at_each_call(enum mutant mutant)
{
	unsigned bad = 0;

	for (unsigned at = 1;; at++) {
		struct disk *d = calloc(1, sizeof(*d));
		struct state_file *f;
		struct state_rig r;
		bool through;
		unsigned n;

		rig_init(&r);
		*d = (struct disk){
			.sys = { disk_create, disk_write, disk_sync, disk_rename, disk_unlink, d },
			.mutant = mutant,
			.history = { { -1, -1 } },
			.n = 1,
			.at = at,
		};
		f = open_state(r.dir, &n);
		state_file_use(f, &d->sys);
		while (d->acknowledged < STORES && !store(f, d->acknowledged + 1))
			d->acknowledged++;
		through = d->acknowledged == STORES;
		bad += losses(d);
		state_file_close(f);
		rig_fini(&r);
		free(d);
		if (through)
			return bad;
	}
}

static void no_power_cut_loses_anything(void **state)
{
	(void)state;
	assert_int_equal(cut_power_at_each_call(NO_MUTANT), 0);
}

static void mutants_lose_something(void **state)
{
	(void)state;
	for (enum mutant m = NO_MUTANT + 1; m < MUTANTS; m++)
		if (!cut_power_at_each_call(m))
			fail_msg("mutant %u was not noticed", m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_each_call),
		cmocka_unit_test(failed_at_each_call),
		cmocka_unit_test(not_even_put_back),
		cmocka_unit_test(what_is_left_lying_about),
		cmocka_unit_test(no_power_cut_loses_anything),
		cmocka_unit_test(mutants_lose_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
