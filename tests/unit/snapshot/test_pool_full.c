/* A pool on a disk without room: what needs some fails and leaves nothing, deleting works. And one
 * whose log has failed: nothing changes any more, no file either. */
#include "snapshot/pool_priv.h"
#include "tests/fakes/fake_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 4096 };

static char why[1024];

static struct vpool *opened(struct fake_fs *f)
{
	struct vpool *p;

	if (vpool_open_on(&p, &f->fs, "/p", "/dev", 0, why, sizeof(why)))
		fail_msg("%s", why);
	return p;
}

static int create(struct vpool *p, const char *name, const char *path, struct vpool_volume *v)
{
	struct vpool_spec spec = {
		.name = name, .path = path, .size_bytes = path ? 0 : SIZE, .block_bytes = 512
	};

	return vpool_create(p, &spec, v, NULL, why, sizeof(why));
}

static unsigned count(struct vpool *p)
{
	struct vpool_volume *list;
	unsigned n;

	assert_int_equal(vpool_list(p, &list, &n), 0);
	vpool_list_free(list, n);
	return n;
}

static void delete_all(struct vpool *p)
{
	struct vpool_volume *list;
	unsigned n;

	assert_int_equal(vpool_list(p, &list, &n), 0);
	for (unsigned i = 0; i < n; i++)
		if (vpool_delete(p, list[i].uuid, NULL, why, sizeof(why)))
			fail_msg("%s: %s", list[i].name, why);
	vpool_list_free(list, n);
}

/* More than one log's worth, so that checkpoints are made on the way. */
static void deleting_needs_no_room(void **state)
{
	struct fake_fs *f = fake_fs_new(1);
	struct vpool_volume v;
	struct vpool *p;
	char name[16];

	(void)state;
	assert_int_equal(vpool_make_on(&f->fs, "/p", NULL, why, sizeof(why)), 0);
	p = opened(f);
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "v%u", i);
		assert_int_equal(create(p, name, NULL, &v), 0);
		vpool_volume_fini(&v);
	}
	f->full = true;
	assert_int_equal(create(p, "one more", NULL, &v), -ENOSPC);
	assert_non_null(strstr(why, "make room"));
	vpool_close(p);
	p = opened(f); /* that works, too */
	assert_int_equal(count(p), 300);
	delete_all(p);
	vpool_close(p);
	fake_fs_restart(f, true);
	p = opened(f);
	assert_int_equal(count(p), 0);
	vpool_close(p);
	fake_fs_free(f);
}

/* Volumes elsewhere need no room but in the slots. */
static void a_state_that_outgrows_its_slots_is_refused_before(void **state)
{
	enum { LONG = 4000 };
	struct fake_fs *f = fake_fs_new(1);
	char name[16], path[POOL_PATH_BYTES];
	struct vpool_volume v;
	struct vpool *p;
	unsigned n;
	int rc = 0;

	(void)state;
	assert_int_equal(vpool_make_on(&f->fs, "/p", NULL, why, sizeof(why)), 0);
	f->full = true;
	p = opened(f);
	for (n = 0; n < 400 && !rc; n++) {
		snprintf(name, sizeof(name), "e%u", n);
		snprintf(path, sizeof(path), "/%04u%0*d", n, LONG, 0);
		fake_fs_put(f, path, SIZE);
		rc = create(p, name, path, &v);
		if (!rc)
			vpool_volume_fini(&v);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_non_null(strstr(why, "structure.ckpt.a cannot grow to 2097152 bytes"));
	assert_in_range(n, 250, 260);
	assert_int_equal(count(p), n - 1);
	vpool_close(p);
	p = opened(f);
	assert_int_equal(count(p), n - 1);
	f->full = false; /* room was made */
	assert_int_equal(create(p, name, path, &v), 0);
	vpool_volume_fini(&v);
	f->full = true;
	delete_all(p);
	vpool_close(p);
	fake_fs_free(f);
}

static int count_file(void *arg, const char *name)
{
	(void)name;
	++*(unsigned *)arg;
	return 0;
}

static void after_a_failure_no_file_changes(void **state)
{
	struct fake_fs *f = fake_fs_new(1);
	struct vpool_volume a, b;
	unsigned files = 0, ops;
	struct vpool *p;

	(void)state;
	assert_int_equal(vpool_make_on(&f->fs, "/p", NULL, why, sizeof(why)), 0);
	p = opened(f);
	assert_int_equal(create(p, "a", NULL, &a), 0);
	f->fail_at = f->ops + 6; /* made, sized, synced, named, written: the sync of the log */
	f->fail_err = -EIO;
	assert_int_equal(create(p, "b", NULL, &b), -EIO);
	assert_int_equal(f->last_file, FS_LOG);
	assert_int_equal(f->last_op, FS_SYNC);
	ops = f->ops;
	assert_int_equal(create(p, "c", NULL, &b), -EIO);
	assert_int_equal(vpool_resize(p, a.uuid, 2 * SIZE, why, sizeof(why)), -EIO);
	assert_int_equal(vpool_delete(p, a.uuid, NULL, why, sizeof(why)), -EIO);
	assert_non_null(strstr(why, "takes no more changes"));
	assert_int_equal(f->ops, ops);
	assert_int_equal(fake_fs_size(f, a.path), SIZE);
	f->fs.list(&f->fs, "/p/layers", count_file, &files);
	assert_int_equal(files, 2);
	assert_int_equal(count(p), 1);
	vpool_close(p);
	fake_fs_free(f);
	vpool_volume_fini(&a);
}

static void a_resize_that_fails_is_undone(void **state)
{
	struct fake_fs *f = fake_fs_new(1);
	struct vpool_volume v;
	struct vpool *p;

	(void)state;
	assert_int_equal(vpool_make_on(&f->fs, "/p", NULL, why, sizeof(why)), 0);
	p = opened(f);
	assert_int_equal(create(p, "v", NULL, &v), 0);
	f->fail_at = f->ops + 2; /* its sync */
	f->fail_err = -ENOSPC;
	assert_int_equal(vpool_resize(p, v.uuid, 2 * SIZE, why, sizeof(why)), -ENOSPC);
	assert_non_null(strstr(why, "cannot be made longer: No space left on device; make room"));
	assert_int_equal(fake_fs_size(f, v.path), SIZE);
	assert_int_equal(vpool_resize(p, v.uuid, 2 * SIZE, why, sizeof(why)), 0);
	vpool_close(p);
	fake_fs_free(f);
	vpool_volume_fini(&v);
}

/* Its record finds no room, as the state would outgrow the slots. */
static void a_resize_without_a_record_is_undone(void **state)
{
	enum { LONG = 4000 };
	struct fake_fs *f = fake_fs_new(1);
	char name[16], path[POOL_PATH_BYTES];
	struct vpool_volume v, e;
	struct vpool *p;
	int rc = 0;

	(void)state;
	assert_int_equal(vpool_make_on(&f->fs, "/p", NULL, why, sizeof(why)), 0);
	p = opened(f);
	assert_int_equal(create(p, "v", NULL, &v), 0);
	for (unsigned i = 0; p->state.encoded_bytes < SLOG_BYTES - 5 * 4096; i++) {
		snprintf(name, sizeof(name), "e%u", i);
		snprintf(path, sizeof(path), "/%04u%0*d", i, LONG, 0);
		fake_fs_put(f, path, SIZE);
		assert_int_equal(create(p, name, path, &e), 0);
		vpool_volume_fini(&e);
	}
	for (unsigned i = 0; p->state.encoded_bytes < SLOG_BYTES - 150; i++) { /* the rest, small */
		snprintf(name, sizeof(name), "s%u", i);
		snprintf(path, sizeof(path), "/s%u", i);
		fake_fs_put(f, path, SIZE);
		f->full = true;
		rc = create(p, name, path, &e);
		f->full = false;
		if (rc)
			break;
		vpool_volume_fini(&e);
	}
	f->full = true; /* which a sparse file does not mind */
	assert_int_equal(vpool_resize(p, v.uuid, 2 * SIZE, why, sizeof(why)), -ENOSPC);
	assert_non_null(strstr(why, "cannot grow"));
	assert_int_equal(fake_fs_size(f, v.path), SIZE);
	f->full = false;
	assert_int_equal(vpool_resize(p, v.uuid, 2 * SIZE, why, sizeof(why)), 0);
	assert_int_equal(fake_fs_size(f, v.path), 2 * SIZE);
	vpool_close(p);
	fake_fs_free(f);
	vpool_volume_fini(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deleting_needs_no_room),
		cmocka_unit_test(a_state_that_outgrows_its_slots_is_refused_before),
		cmocka_unit_test(after_a_failure_no_file_changes),
		cmocka_unit_test(a_resize_that_fails_is_undone),
		cmocka_unit_test(a_resize_without_a_record_is_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
