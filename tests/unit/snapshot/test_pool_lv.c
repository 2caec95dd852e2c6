/* Volumes as logical volumes, with programs in PATH that behave like lvm2's: the real ones need a
 * machine of their own (tests/guest). */
#include "snapshot/command.h"
#include "snapshot/pool_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, EXTENT = 4 * MIB };

/* A volume is a file VG/NAME full of what others have left, its tags beside it. */
static const char script[] =
	"#!/bin/sh\n"
	"echo \"${0##*/} $*\" >>$FAKE_LVM/called\n"
	"case \"$(cat $FAKE_LVM/fails 2>/dev/null)\" in ${0##*/}) "
	"printf '  Volume group has\\n  insufficient free space\\n' >&2; exit 5;; esac\n"
	"while [ -e $FAKE_LVM/hangs ]; do sleep 0.02; done\n"
	"for last; do :; done\n"
	"get() { want=$1; shift; while [ $# -gt 0 ]; do [ \"$1\" = \"$want\" ] && echo \"$2\"; "
	"shift; done; }\n"
	"E=$(cat $FAKE_LVM/extent 2>/dev/null || echo 4194304)\n"
	"extents() { n=${1%b}; echo $(((n + E - 1) / E)); }\n"
	"case ${0##*/} in\n"
	"lvcreate) f=$FAKE_LVM/$last/$(get --name \"$@\")\n"
	"  [ -e $f ] && { echo '  already exists' >&2; exit 5; }\n"
	"  e=$(extents $(get --size \"$@\"))\n"
	"  head -c $((e * E)) /dev/zero | tr '\\0' x >$f; get --addtag \"$@\" >$f.tags;;\n"
	"lvextend) f=$FAKE_LVM/$last; e=$(extents $(get --size \"$@\"))\n"
	"  o=$(($(stat -c %s $f) / E)); [ $e -gt $o ] || { echo '  matches existing size' "
	">&2; exit 5; }\n"
	"  head -c $(((e - o) * E)) /dev/zero | tr '\\0' x >>$f;;\n"
	"lvremove) f=$FAKE_LVM/$last; [ -e $f ] || { echo '  Failed to find' >&2; exit 5; }\n"
	"  rm $f $f.tags;;\n"
	"lvchange) f=$FAKE_LVM/$last.tags; grep -vx \"$(get --deltag \"$@\")\" $f >$f.n; mv $f.n "
	"$f;;\n"
	"vgs) [ -d $FAKE_LVM/$last ] || { echo '  Volume group not found' >&2; exit 5; };;\n"
	"lvs) name=$(get --select \"$@\"); name=${name#lv_name=}\n"
	"  for t in $FAKE_LVM/$last/*.tags; do [ -e $t ] || continue; f=${t%.tags}\n"
	"    if [ \"$(get --options \"$@\")\" = lv_size ]; then\n"
	"      [ ${f##*/} = \"$name\" ] && echo \"  $(stat -c %s $f)\"\n"
	"    else echo \"  ${f##*/};$(stat -c %s $f);$(paste -sd, $t)\"; fi; done; true;;\n"
	"esac\n";

static char root[] = "/var/tmp/ringlun-lv-XXXXXX", dir[64], why[1024];

static void put_file(const char *name, const char *text, mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void PRINTF(1, 2) run(const char *format, ...)
{
	char command[512];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	static const char *const names[] = { "lvs",	 "lvcreate", "lvextend",
					     "lvremove", "lvchange", "vgs" };
	char path[4096], name[32];

	(void)state;
	if (!mkdtemp(root))
		return -1;
	run("mkdir %s/bin %s/vg0", root, root);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(name, sizeof(name), "bin/%s", names[i]);
		put_file(name, script, 0755);
	}
	snprintf(path, sizeof(path), "%s/bin:%s", root, getenv("PATH"));
	setenv("PATH", path, 1);
	setenv("FAKE_LVM", root, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	run("rm -r %s", root);
	return 0;
}

static int fresh(void **state)
{
	static unsigned n;

	(void)state;
	run("rm -f %s/vg0/* %s/fails %s/extent", root, root, root);
	snprintf(dir, sizeof(dir), "%s/p%u", root, n++);
	return vpool_make(dir, "vg0", why, sizeof(why));
}

static struct vpool *opened(void)
{
	struct vpool *p;

	if (vpool_open_on(&p, pool_fs_real(), dir, root, 1000, why, sizeof(why)))
		fail_msg("%s", why);
	return p;
}

static int create(struct vpool *p, const char *name, struct vpool_volume *v,
		  const struct vpool_progress *progress)
{
	struct vpool_spec spec = { .name = name, .size_bytes = 5 * MIB, .block_bytes = 512 };

	why[0] = '\0';
	return vpool_create(p, &spec, v, progress, why, sizeof(why));
}

static bool has_zeros(const char *path, off_t size)
{
	char *buf = malloc((size_t)size + 1);
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, (size_t)size + 1);
	bool zeros = n == size;

	for (ssize_t i = 0; i < n; i++)
		zeros = zeros && !buf[i];
	close(fd);
	free(buf);
	return zeros;
}

static unsigned count(struct vpool *p)
{
	struct vpool_volume *list;
	unsigned n;

	assert_int_equal(vpool_list(p, &list, &n), 0);
	vpool_list_free(list, n);
	return n;
}

static void a_volume_lives(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v;

	(void)state;
	assert_string_equal(vpool_volume_group(p), "vg0");
	assert_int_equal(create(p, "db", &v, NULL), 0);
	assert_int_equal(v.kind, VPOOL_LV);
	assert_int_equal(v.size_bytes, 2 * EXTENT); /* lvm2 rounds up */
	assert_true(has_zeros(v.path, 2 * EXTENT));
	run("! grep -q ringlun.new %s.tags && grep -q ringlun.layer.1 %s.tags", v.path, v.path);
	run("printf data | dd of=%s conv=notrunc status=none", v.path);
	assert_int_equal(vpool_resize(p, v.uuid, 9 * MIB, why, sizeof(why)), 0);
	run("[ $(stat -c %%s %s) = %d ] && [ $(head -c 4 %s) = data ] && ! grep -q x %s", v.path,
	    3 * EXTENT, v.path, v.path);
	vpool_close(p);
	p = opened();
	assert_int_equal(count(p), 1);
	assert_int_equal(vpool_delete(p, v.uuid, NULL, why, sizeof(why)), 0);
	assert_int_equal(access(v.path, F_OK), -1);
	assert_int_equal(count(p), 0);
	vpool_close(p);
	vpool_volume_fini(&v);
}

/* lvm2 takes any extent of 128 KiB or more: the end of this one's is no whole block. */
static void extents_need_not_be_whole_blocks(void **state)
{
	struct vpool_spec spec = { .name = "odd", .size_bytes = 1355 * 4096, .block_bytes = 4096 };
	struct vpool_volume v, *list;
	struct vpool *p = opened();
	unsigned n;

	(void)state;
	put_file("extent", "132096", 0600);
	if (vpool_create(p, &spec, &v, NULL, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(v.size_bytes, 43 * 132096 / 4096 * 4096);
	vpool_close(p);
	p = opened();
	assert_int_equal(vpool_resize(p, v.uuid, 1562 * 4096, why, sizeof(why)), 0);
	assert_true(has_zeros(v.path, 49 * 132096));
	vpool_close(p);
	run("lvextend --size 6500000b vg0/%s", strrchr(v.path, '/') + 1);
	p = opened();
	assert_int_equal(vpool_list(p, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].size_bytes, 50 * 132096 / 4096 * 4096);
	vpool_list_free(list, n);
	assert_int_equal(vpool_delete(p, v.uuid, NULL, why, sizeof(why)), 0);
	vpool_close(p);
	vpool_volume_fini(&v);
}

static void a_failure_leaves_nothing(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v;

	(void)state;
	put_file("fails", "lvcreate", 0600);
	assert_int_equal(create(p, "db", &v, NULL), -ENOSPC);
	assert_non_null(strstr(why, "Volume group has   insufficient free space"));
	put_file("fails", "lvs", 0600);
	assert_int_equal(create(p, "db", &v, NULL), -ENOSPC);
	run("rm %s/fails", root);
	assert_int_equal(count(p), 0);
	vpool_close(p);
	p = opened(); /* lvs failed in the removal, too: it goes now */
	run("[ -z \"$(ls %s/vg0)\" ]", root);
	vpool_close(p);
}

static bool stop(void *arg, uint64_t done, uint64_t total)
{
	(void)arg, (void)done;
	assert_int_equal(total, 2 * EXTENT);
	return false;
}

static void zeroing_can_be_cancelled(void **state)
{
	const struct vpool_progress progress = { stop, NULL };
	struct vpool *p = opened();
	struct vpool_volume v;

	(void)state;
	assert_int_equal(create(p, "db", &v, &progress), -ECANCELED);
	run("[ -z \"$(ls %s/vg0)\" ]", root);
	vpool_close(p);
}

static void what_a_crash_has_left_goes_and_data_stays(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v;

	(void)state;
	vpool_close(p);
	run("U=$(sed 's/.*uuid\": \"\\([^\"]*\\).*/\\1/' %s/pool.json); cd %s/vg0; for n in a b c; "
	    "do "
	    "echo $n >$n; echo ringlun.pool.$U >$n.tags; echo ringlun.layer.7 >>$n.tags; done; "
	    "echo ringlun.new >>a.tags; echo x >d; echo ringlun.new >d.tags",
	    dir, root);
	p = opened();
	run("[ \"$(cd %s/vg0; echo *)\" = 'b b.tags c c.tags d d.tags' ]", root);
	assert_int_equal(create(p, "db", &v, NULL), 0);
	assert_non_null(strstr(v.path, "_8")); /* their number is not used again */
	vpool_volume_fini(&v);
	vpool_close(p);
}

static void a_resize_that_was_cut_off_is_completed(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v, *list;
	unsigned n;

	(void)state;
	assert_int_equal(create(p, "db", &v, NULL), 0);
	vpool_close(p);
	run("lvextend --size %db vg0/%s", 4 * EXTENT, strrchr(v.path, '/') + 1);
	p = opened();
	assert_int_equal(vpool_list(p, &list, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(list[0].size_bytes, 4 * EXTENT);
	assert_true(has_zeros(v.path, 4 * EXTENT));
	vpool_list_free(list, n);
	vpool_close(p);
	vpool_volume_fini(&v);
}

static void a_deletion_that_fails_is_tried_again(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v;

	(void)state;
	assert_int_equal(create(p, "db", &v, NULL), 0);
	put_file("fails", "lvremove", 0600);
	assert_int_not_equal(vpool_delete(p, v.uuid, NULL, why, sizeof(why)), 0);
	assert_int_equal(count(p), 0);
	vpool_close(p);
	p = opened(); /* in vain */
	assert_int_equal(access(v.path, F_OK), 0);
	assert_int_equal(count(p), 0);
	vpool_close(p);
	run("rm %s/fails", root);
	p = opened();
	assert_int_equal(access(v.path, F_OK), -1);
	vpool_close(p);
	vpool_volume_fini(&v);
}

static void *release_later(void *arg)
{
	(void)arg;
	usleep(200000);
	run("rm %s/hangs", root);
	return NULL;
}

static void a_pool_needs_its_group(void **state)
{
	char other[96];

	(void)state;
	snprintf(other, sizeof(other), "%s/other", root);
	assert_int_equal(vpool_make(other, "vg1", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "vg1"));
	assert_int_equal(access(other, F_OK), -1);
}

/* The commands wait for a disk that this server serves: it has to serve. */
static void opening_does_not_wait_for_commands_that_hang(void **state)
{
	struct vpool *p = opened();
	struct vpool_volume v, w;
	pthread_t releaser;

	(void)state;
	assert_int_equal(create(p, "db", &v, NULL), 0);
	vpool_close(p);
	put_file("hangs", "", 0600);
	p = opened();
	assert_int_equal(count(p), 1);
	assert_int_equal(pthread_create(&releaser, NULL, release_later, NULL), 0);
	assert_int_equal(create(p, "later", &w, NULL), 0); /* waits */
	assert_int_equal(access(w.path, F_OK), 0);
	pthread_join(releaser, NULL);
	vpool_close(p);
	vpool_volume_fini(&v);
	vpool_volume_fini(&w);
}

static void closing_does_not_wait_either(void **state)
{
	struct vpool *p;

	(void)state;
	put_file("hangs", "", 0600);
	p = opened();
	vpool_close(p);
	assert_int_equal(vpool_open_on(&p, pool_fs_real(), dir, root, 0, why, sizeof(why)), -EBUSY);
	run("rm %s/hangs", root);
	for (int tries = 0; vpool_open_on(&p, pool_fs_real(), dir, root, 0, why, sizeof(why));
	     tries++) { /* until who was left behind lets go of the pool */
		assert_true(tries < 1000);
		usleep(10000);
	}
	vpool_close(p);
}

static void a_command_is_no_shell(void **state)
{
	const char *const echo[] = { "printf", "%s|", "a b", "$HOME;`id`", "", NULL };
	const char *const none[] = { "ringlun-has-no-such-program", NULL };
	const char *const fails[] = { "sh", "-c", "echo bad >&2; echo worse >&2; exit 3", NULL };
	struct command_result r;

	(void)state;
	assert_int_equal(command_run(echo, &r), 0);
	assert_string_equal(r.out, "a b|$HOME;`id`||");
	assert_int_equal(r.status, 0);
	free(r.out);
	assert_int_equal(command_run(none, &r), -ENOENT);
	assert_int_equal(command_run(fails, &r), 0);
	assert_int_equal(WEXITSTATUS(r.status), 3);
	assert_string_equal(r.err, "bad worse");
	free(r.out);
}

#define test(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_volume_lives),
		test(extents_need_not_be_whole_blocks),
		test(a_failure_leaves_nothing),
		test(zeroing_can_be_cancelled),
		test(what_a_crash_has_left_goes_and_data_stays),
		test(a_resize_that_was_cut_off_is_completed),
		test(a_deletion_that_fails_is_tried_again),
		test(a_pool_needs_its_group),
		test(opening_does_not_wait_for_commands_that_hang),
		test(closing_does_not_wait_either),
		test(a_command_is_no_shell),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
