/* Each allocation of a change fails once: what the disk has afterwards is a pool without fault, and
 * what is said of the change is what the next opening finds. */
#include "tests/component/alloc_fault.h"
#include "tests/unit/snapshot/pool_rig.h"

#if ALLOC_FAULT
/* The sanitizer's own would not fail. */
char *strdup(const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = malloc(len);

	return copy ? memcpy(copy, text, len) : NULL;
}

char *strndup(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}
#endif

enum change { CREATE, RESIZE, DELETE, CHANGES };

static int change(struct vpool *p, enum change what, const uint8_t uuid[static 16])
{
	struct vpool_spec spec = spec_of("new", SIZE);
	struct vpool_volume v = { .path = NULL };
	int rc = 0;

	switch (what) {
	case CREATE:
		rc = vpool_create(p, &spec, &v, NULL, why, sizeof(why));
		break;
	case RESIZE:
		return vpool_resize(p, uuid, 2 * SIZE, why, sizeof(why));
	case DELETE:
		return vpool_delete(p, uuid, NULL, why, sizeof(why));
	case CHANGES:
		break;
	}
	if (!rc)
		vpool_volume_fini(&v);
	return rc;
}

static bool is_done(struct vpool *p, enum change what)
{
	struct vpool_volume *v = find(p, what == CREATE ? "new" : "old");
	bool done = what == CREATE ? v != NULL : what == DELETE ? !v : v->size_bytes == 2 * SIZE;

	if (v)
		put(v);
	return done;
}

static bool one_fails(enum change what, uint64_t n)
{
	struct vpool *p = opened();
	struct vpool_volume v = made(p, "old", SIZE);
	bool fired;
	int rc;

	alloc_fault.fired = false;
	alloc_fault.fail_at = n;
	alloc_fault.armed = true;
	rc = change(p, what, v.uuid);
	alloc_fault.armed = false;
	alloc_fault.fail_at = UINT64_MAX;
	fired = alloc_fault.fired;
	vpool_close(p);
	p = opened(); /* after -EIO it decides; a deletion that has begun is ended by it */
	if (rc == 0 || (rc == -ENOMEM && what != DELETE))
		assert_int_equal(is_done(p, what), !rc);
	vpool_close(p);
	is_clean();
	vpool_volume_fini(&v);
	return fired;
}

static void each_allocation_fails(void **state)
{
	for (enum change what = CREATE; what < CHANGES; what++)
		for (uint64_t n = 0;; n++) {
			assert_int_equal(fresh(state), 0);
			if (!one_fails(what, n))
				break;
			assert_true(n < 100);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_allocation_fails) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
