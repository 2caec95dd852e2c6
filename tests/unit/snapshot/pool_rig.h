/* A pool on real files, of its own for each test. */
#pragma once

#include "snapshot/volume_pool.h"

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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 1 << 20 };

static char root[] = "/var/tmp/ringlun-pool-XXXXXX", dir[64], why[1024];

MAYBE_UNUSED static void check(int rc, int wanted, const char *says)
{
	if (rc != wanted)
		fail_msg("%d, not %d: %s", rc, wanted, why);
	if (rc && !strstr(why, says))
		fail_msg("\"%s\" does not say \"%s\"", why, says);
}

MAYBE_UNUSED static void ok(int rc)
{
	check(rc, 0, "");
}

MAYBE_UNUSED static int setup(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

MAYBE_UNUSED static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

/* Each test has a pool of its own. */
MAYBE_UNUSED static int fresh(void **state)
{
	static unsigned n;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/p%u", root, n++);
	why[0] = '\0';
	return vpool_make(dir, NULL, why, sizeof(why));
}

MAYBE_UNUSED static struct vpool *opened(void)
{
	struct vpool *p;

	ok(vpool_open(&p, dir, why, sizeof(why)));
	return p;
}

MAYBE_UNUSED static struct vpool_spec spec_of(const char *name, uint64_t size)
{
	return (struct vpool_spec){ .name = name, .size_bytes = size, .block_bytes = 512 };
}

MAYBE_UNUSED static struct vpool_volume made(struct vpool *p, const char *name, uint64_t size)
{
	struct vpool_spec spec = spec_of(name, size);
	struct vpool_volume v;

	ok(vpool_create(p, &spec, &v, NULL, why, sizeof(why)));
	return v;
}

/* NULL: there is none; else free() it after vpool_volume_fini. */
MAYBE_UNUSED static struct vpool_volume *find(struct vpool *p, const char *name)
{
	struct vpool_volume *list, *out = NULL;
	unsigned n;

	assert_int_equal(vpool_list(p, &list, &n), 0);
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(list[i].name, name) != 0)
			continue;
		out = malloc(sizeof(*out));
		*out = list[i];
		list[i].path = list[i].device = NULL;
	}
	vpool_list_free(list, n);
	return out;
}

MAYBE_UNUSED static void put(struct vpool_volume *v)
{
	vpool_volume_fini(v);
	free(v);
}

MAYBE_UNUSED static unsigned count(struct vpool *p)
{
	struct vpool_volume *list;
	unsigned n;

	assert_int_equal(vpool_list(p, &list, &n), 0);
	vpool_list_free(list, n);
	return n;
}

MAYBE_UNUSED static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -errno : st.st_size;
}

static unsigned reports;
static char last_report[1024];

MAYBE_UNUSED static void report(void *arg, const char *what)
{
	(void)arg;
	reports++;
	snprintf(last_report, sizeof(last_report), "%s", what);
}

MAYBE_UNUSED static void is_clean(void)
{
	int rc = vpool_check(dir, report, NULL, why, sizeof(why));

	if (rc)
		fail_msg("%d found, the last: %s %s", rc, last_report, why);
}

MAYBE_UNUSED static void found(int n, const char *says)
{
	int rc = vpool_check(dir, report, NULL, why, sizeof(why));

	if (rc != n || !strstr(last_report, says))
		fail_msg("%d found, the last: \"%s\" (%s)", rc, last_report, why);
}

#define test(f) cmocka_unit_test_setup(f, fresh)
