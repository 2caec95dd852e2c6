/* Opening what --volume names: what is refused leaves nothing behind, and no two disks
 * have one identity. */
#include "target/volumes.h"

#include "backstore/base/uuid.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_VOLUMES = 2 };

struct rig {
	char dir[64], runtime[80];
	struct iscsi_node node;
	struct volumes volumes;
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

/* Opens "NAME,path=%s/..." (%s: the folder), and closes it again. 0 or -errno with r->why. */
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

		assert_non_null(hole);
		snprintf(spec, sizeof(spec), "%.*s%s%s", (int)(hole - specs[i]), specs[i], r->dir,
			 hole + 2);
		rc = volume_config_parse(&all[cfg.nvolumes++], spec, r->why, sizeof(r->why));
		assert_int_equal(rc, 0);
	}
	r->why[0] = '\0';
	assert_int_equal(iscsi_node_init(&r->node), 0);
	rc = volumes_open(&r->volumes, &cfg, &r->node, r->why, sizeof(r->why));
	iscsi_node_fini(&r->node);
	volumes_close(&r->volumes);
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
	struct volume_config v;
	struct rig *r = *state;
	struct config cfg = { .volumes = &v,
			      .nvolumes = 1,
			      .reactors = 1,
			      .state_dir = r->dir,
			      .runtime_dir = r->runtime };

	assert_int_equal(volume_config_parse(&v, "a,path=/dev/ringlun-no-such,size=1M", r->why,
					     sizeof(r->why)),
			 0);
	assert_int_equal(iscsi_node_init(&r->node), 0);
	assert_int_equal(volumes_open(&r->volumes, &cfg, &r->node, r->why, sizeof(r->why)),
			 -ENOENT);
	assert_says(r, "there is no device /dev/ringlun-no-such");
	volumes_close(&r->volumes);
	iscsi_node_fini(&r->node);
	free(v.path);
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
	assert_int_equal(try(r, "a,path=%s/x.img", "b,path=%s/x.img"), -EEXIST);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_is_made_once_and_keeps_its_identity, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_opened_leaves_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_file_is_made_among_the_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(two_disks_of_one_identity_are_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_link_has_the_identity_of_its_file, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_runtime_folder_is_found_missing_first, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
