/* Opening what --volume names: what is refused leaves nothing behind, and no two disks
 * have one identity. */
#include "target/volumes.h"

#include "backstore/base/uuid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_VOLUMES = 2 };

struct rig {
	char dir[64], runtime[80];
	struct iscsi_node node;
	struct volumes volumes;
	unsigned ntargets; /* that there were */
	char why[CONFIG_WHY_BYTES];
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "/tmp/ringlun-volumes.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->runtime, sizeof(r->runtime), "%s/run", r->dir);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	nftw(r->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(r);
	return 0;
}

/* Opens "NAME,path=%s/..." (%s: the folder, if it is there), and closes it again. 0 or -errno
 * with r->why. */
static int try(struct rig *r, const char *first, const char *second)
{
	struct volume_config all[MAX_VOLUMES];
	struct config cfg = {
		.volumes = all, .reactors = 1, .state_dir = r->dir, .runtime_dir = r->runtime
	};
	const char *specs[MAX_VOLUMES] = { first, second };
	char spec[512];
	int rc;

	for (unsigned i = 0; i < MAX_VOLUMES && specs[i]; i++) {
		const char *hole = strstr(specs[i], "%s");

		if (hole)
			snprintf(spec, sizeof(spec), "%.*s%s%s", (int)(hole - specs[i]), specs[i],
				 r->dir, hole + 2);
		else
			snprintf(spec, sizeof(spec), "%s", specs[i]);
		rc = volume_config_parse(&all[cfg.nvolumes++], spec, r->why, sizeof(r->why));
		assert_int_equal(rc, 0);
	}
	r->why[0] = '\0';
	assert_int_equal(iscsi_node_init(&r->node), 0);
	assert_int_equal(volumes_init(&r->volumes), 0);
	rc = volumes_open(&r->volumes, &cfg, &r->node, r->why, sizeof(r->why));
	r->ntargets = 0;
	list_for_each (l, &r->node.targets)
		r->ntargets++;
	iscsi_node_fini(&r->node);
	volumes_fini(&r->volumes);
	for (unsigned i = 0; i < cfg.nvolumes; i++)
		free(all[i].path);
	return rc;
}

static void make(const struct rig *r, const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static bool is_there(const struct rig *r, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	return lstat(path, &st) == 0;
}

static unsigned nfiles(const struct rig *r)
{
	DIR *d = opendir(r->dir);
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.' && strcmp(e->d_name, "run") != 0;
	closedir(d);
	return n;
}

static void assert_says(const struct rig *r, const char *what)
{
	if (!strstr(r->why, what))
		fail_msg("'%s' does not say '%s'", r->why, what);
}

static void a_file_is_made_once_and_keeps_its_identity(void **state)
{
	struct rig *r = *state;

	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", NULL), 0);
	assert_true(is_there(r, "x.img") && is_there(r, "x.img.ringlun"));
	assert_int_equal(nfiles(r), 2);
	assert_int_equal(try(r, "a,path=%s/x.img", NULL), 0);
	assert_int_equal(nfiles(r), 2);
}

static void volumes_share_a_target(void **state)
{
	struct rig *r = *state;

	assert_int_equal(try(r, "a,path=null:,size=1M,lun=9", "b,path=null:,size=1M,target=a"), 0);
	assert_int_equal(r->ntargets, 1);
}

static void what_cannot_be_opened_leaves_nothing(void **state)
{
	struct rig *r = *state;
	char path[128];

	assert_int_equal(try(r, "a,path=%s/x.img", NULL), -ENOENT);
	assert_says(r, "x.img does not exist; check the path, or give a size=");
	assert_int_equal(try(r, "a,path=%s/x.img,size=1M,readonly", NULL), -ENOENT);
	assert_int_equal(try(r, "a,path=%s/no/x.img,size=1M", NULL), -ENOENT);
	assert_says(r, "make that folder first");
	assert_int_equal(nfiles(r), 0);

	snprintf(path, sizeof(path), "%s/fifo", r->dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(try(r, "a,path=%s/fifo", NULL), -EINVAL);
	assert_says(r, "neither a regular file nor a block device");
	snprintf(path, sizeof(path), "%s/link", r->dir);
	assert_int_equal(symlink("nothing", path), 0);
	assert_int_equal(try(r, "a,path=%s/link,size=1M", NULL), -ENOENT);
	assert_says(r, "a symbolic link to nothing");
	assert_int_equal(nfiles(r), 2);
}

static void no_file_is_made_among_the_devices(void **state)
{
	struct rig *r = *state;

	assert_int_equal(try(r, "a,path=/dev/ringlun-no-such,size=1M", NULL), -ENOENT);
	assert_says(r, "there is no device /dev/ringlun-no-such");
	assert_int_equal(access("/dev/ringlun-no-such", F_OK), -1);
	assert_int_equal(access("/dev/ringlun-no-such.ringlun", F_OK), -1);
}

static void two_disks_of_one_identity_are_refused(void **state)
{
	static const char id[] = "uuid=6f1c2d3e-4a5b-4c6d-8e7f-012345678901\n";
	struct rig *r = *state;

	make(r, "x.img.ringlun", id);
	make(r, "y.img.ringlun", id);
	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", "b,path=%s/y.img,size=1M"), -EEXIST);
	assert_says(r, "y.img has the identity of volume a");
	assert_false(is_there(r, "y.img"));
	assert_int_equal(try(r, "a,path=%s/x.img", "b,path=%s/./x.img"), -EEXIST);
	assert_says(r, "x.img is served already, as volume a");
	make(r, "y.img.ringlun", "uuid=6f1c2d3e-4a5b-4c6d-8e7f-012345678902\n");
	assert_int_equal(try(r, "a,path=%s/x.img", "b,path=%s/y.img,size=1M"), 0);
}

static void a_link_has_the_identity_of_its_file(void **state)
{
	struct rig *r = *state;
	char path[128];

	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", NULL), 0);
	snprintf(path, sizeof(path), "%s/link.img", r->dir);
	assert_int_equal(symlink("x.img", path), 0);
	assert_int_equal(try(r, "a,path=%s/link.img", NULL), 0);
	assert_false(is_there(r, "link.img.ringlun"));
}

static void the_runtime_folder_is_found_missing_first(void **state)
{
	struct rig *r = *state;

	strcat(r->runtime, "/no/such");
	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", NULL), -ENOENT);
	assert_says(r, "another --runtime DIR");
	assert_int_equal(nfiles(r), 0);
}

/* --- what is kept beside the data --- */

static char *text_of(const struct rig *r, const char *name)
{
	static char text[4096];
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static void resize(const struct rig *r, const char *name, off_t size)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	assert_int_equal(truncate(path, size), 0);
}

static uint64_t size_of(const struct rig *r, const char *name)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

static void drop(const struct rig *r, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", r->dir, name);
	assert_int_equal(unlink(path), 0);
}

static void assert_keeps(const struct rig *r, const char *name, const char *line)
{
	if (!strstr(text_of(r, name), line))
		fail_msg("%s has no %s", text_of(r, name), line);
}

static void a_file_that_lost_its_end_is_refused(void **state)
{
	struct rig *r = *state;

	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", NULL), 0);
	assert_keeps(r, "x.img.ringlun", "\nsize=1048576\nblock-size=512\n");
	resize(r, "x.img", 65536);
	assert_int_equal(try(r, "a,path=%s/x.img", NULL), -ENODATA);
	assert_says(r, "x.img has 65536 bytes, and had 1048576");
	assert_says(r, "x.img.ringlun");
	assert_int_equal(try(r, "a,path=%s/x.img,readonly", NULL), -ENODATA);
	assert_keeps(r, "x.img.ringlun", "\nsize=1048576\n");
	/* nor is what is gone made anew, as an empty disk of the same identity */
	resize(r, "x.img", 0);
	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", NULL), -ENODATA);
	assert_says(r, "x.img is empty or not there, and had 1048576");
	assert_int_equal(size_of(r, "x.img"), 0);
	drop(r, "x.img");
	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", NULL), -ENODATA);
	assert_false(is_there(r, "x.img"));
	/* the ways out: it is back, or the loss is accepted, or it is a new disk */
	make(r, "x.img", "");
	resize(r, "x.img", 1 << 20);
	assert_int_equal(try(r, "a,path=%s/x.img", NULL), 0);
	resize(r, "x.img", 65536);
	make(r, "x.img.ringlun", "uuid=6f1c2d3e-4a5b-4c6d-8e7f-012345678901\nblock-size=512\n");
	assert_int_equal(try(r, "a,path=%s/x.img", NULL), 0);
	assert_keeps(r, "x.img.ringlun", "\nsize=65536\n");
	drop(r, "x.img");
	drop(r, "x.img.ringlun");
	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", NULL), 0);
}

static void a_file_that_has_grown_is_taken(void **state)
{
	struct rig *r = *state;
	char before[4096];

	assert_int_equal(try(r, "a,path=%s/x.img,size=1M", NULL), 0);
	strcpy(before, text_of(r, "x.img.ringlun"));
	resize(r, "x.img", 2 << 20);
	assert_int_equal(try(r, "a,path=%s/x.img", NULL), 0);
	assert_keeps(r, "x.img.ringlun", "\nsize=2097152\n");
	assert_memory_equal(before, text_of(r, "x.img.ringlun"),
			    strstr(before, "size=") - before); /* uuid and all */
	resize(r, "x.img", 1 << 20);
	assert_int_equal(try(r, "a,path=%s/x.img", NULL), -ENODATA);
	assert_int_equal(nfiles(r), 2);
}

static void another_block_size_is_refused(void **state)
{
	struct rig *r = *state;

	assert_int_equal(try(r, "a,path=%s/x.img,size=1M,block-size=4096", NULL), 0);
	assert_int_equal(try(r, "a,path=%s/x.img", NULL), -EINVAL);
	assert_says(r, "give block-size=4096");
	assert_int_equal(try(r, "a,path=%s/x.img,block-size=4096", NULL), 0);
}

static void an_old_sidecar_is_completed(void **state)
{
	static const char old[] = "# mine\nuuid=6f1c2d3e-4a5b-4c6d-8e7f-012345678901\nnew=1\n";
	struct rig *r = *state;

	make(r, "x.img", "");
	resize(r, "x.img", 65536);
	make(r, "x.img.ringlun", old);
	assert_int_equal(try(r, "a,path=%s/x.img,block-size=4096", NULL), 0);
	assert_memory_equal(text_of(r, "x.img.ringlun"), old, sizeof(old) - 1);
	assert_keeps(r, "x.img.ringlun", "\nnew=1\nsize=65536\nblock-size=4096\n");
	assert_int_equal(nfiles(r), 2);
}

/* Without a write: the same file with and without what it may be completed with. */
static void a_readonly_volume_that_cannot_write_serves(void **state)
{
	static const char id[] = "uuid=6f1c2d3e-4a5b-4c6d-8e7f-012345678901\n";
	struct rig *r = *state;
	char dir[128], spec[256];
	bool same;
	int rc;

	snprintf(dir, sizeof(dir), "%s/ro", r->dir);
	assert_int_equal(mkdir(dir, 0755), 0);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", 0, NULL)) {
		print_message("no mount here\n");
		skip();
	}
	make(r, "ro/x.img", "");
	resize(r, "ro/x.img", 65536);
	make(r, "ro/x.img.ringlun", id);
	assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	snprintf(spec, sizeof(spec), "a,path=%s/x.img,readonly", dir);
	rc = try(r, spec, NULL);
	same = !strcmp(text_of(r, "ro/x.img.ringlun"), id);
	assert_int_equal(umount(dir), 0);
	assert_int_equal(rc, 0);
	assert_true(same);
}

/* --- devices --- */

static bool loop_make(const struct rig *r, const char *image, char loop[static 64])
{
	char cmd[256];
	FILE *f;

	make(r, image, "");
	resize(r, image, 1 << 20);
	snprintf(cmd, sizeof(cmd), "losetup -f --show %s/%s", r->dir, image);
	f = popen(cmd, "re");
	loop[0] = '\0';
	if (f && fgets(loop, 64, f))
		loop[strcspn(loop, "\n")] = '\0';
	return f && pclose(f) == 0 && loop[0];
}

static void loop_drop(const char *loop)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "losetup -d %s", loop);
	if (loop[0] && system(cmd))
		print_message("%s is left\n", loop);
}

static void try_devices(struct rig *r, const char *one, const char *other)
{
	char first[128], second[128], line[256], kept[64];

	snprintf(first, sizeof(first), "a,path=%s", one);
	snprintf(second, sizeof(second), "a,path=%s", other);
	snprintf(line, sizeof(line), "\ndevice=loop:%s/one@0\n", r->dir);
	assert_int_equal(try(r, first, NULL), 0);
	assert_keeps(r, "a.ringlun", line);
	assert_keeps(r, "a.ringlun", "\nsize=1048576\nblock-size=512\n");
	assert_int_equal(try(r, first, NULL), 0);
	/* another one by that name: both are named */
	assert_int_equal(try(r, second, NULL), -EXDEV);
	assert_says(r, other);
	snprintf(line, sizeof(line), "/other@0) than was served by this name (loop:%s/one@0)",
		 r->dir);
	assert_says(r, line);
	assert_says(r, "a.ringlun");
	assert_int_equal(try(r, first, NULL), 0);
	/* on purpose */
	assert_int_equal(sscanf(strstr(text_of(r, "a.ringlun"), "uuid="), "uuid=%63s", kept), 1);
	snprintf(line, sizeof(line), "%s,id=6f1c2d3e-4a5b-4c6d-8e7f-012345678901", second);
	assert_int_equal(try(r, line, NULL), -EEXIST);
	snprintf(line, sizeof(line), "%s,id=%s", second, kept);
	assert_int_equal(try(r, line, NULL), 0);
	assert_keeps(r, "a.ringlun", "/other@0\n");
	assert_keeps(r, "a.ringlun", kept);
	assert_int_equal(try(r, first, NULL), -EXDEV);
	/* a new disk, and one of before there was a device= */
	drop(r, "a.ringlun");
	assert_int_equal(try(r, first, NULL), 0);
	assert_null(strstr(text_of(r, "a.ringlun"), kept));
	make(r, "a.ringlun", "uuid=6f1c2d3e-4a5b-4c6d-8e7f-012345678901\n");
	assert_int_equal(try(r, first, NULL), 0);
	assert_keeps(r, "a.ringlun", "/one@0\n");
	/* smaller than it was */
	make(r, "a.ringlun", "uuid=6f1c2d3e-4a5b-4c6d-8e7f-012345678901\nsize=2M\n");
	assert_int_equal(try(r, first, NULL), -ENODATA);
	assert_says(r, "has 1048576 bytes, and had 2097152");
}

static void a_device_is_known_by_more_than_its_name(void **state)
{
	struct rig *r = *state;
	char one[64], other[64];
	bool made = loop_make(r, "one", one);

	made &= loop_make(r, "other", other);
	if (made)
		try_devices(r, one, other);
	loop_drop(one);
	loop_drop(other);
	if (!made)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_made_once_and_keeps_its_identity, setup,
						teardown),
		cmocka_unit_test_setup_teardown(volumes_share_a_target, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_opened_leaves_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_file_is_made_among_the_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(two_disks_of_one_identity_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_link_has_the_identity_of_its_file, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_runtime_folder_is_found_missing_first, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_that_lost_its_end_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_file_that_has_grown_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(another_block_size_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(an_old_sidecar_is_completed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_readonly_volume_that_cannot_write_serves, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_device_is_known_by_more_than_its_name, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
