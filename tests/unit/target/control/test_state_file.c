/* The state file: kept, locked, and refused where it is damaged. What ends it in the middle is in
 * test_state_file_cut.c. */
#include "tests/unit/target/control/state_rig.h"

static void a_first_start(void **state)
{
	struct state_file *f;
	struct state_rig r;
	char why[960], dir[80];
	struct model m;

	(void)state;
	rig_init(&r);
	snprintf(dir, sizeof(dir), "%s/made", r.dir);
	assert_int_equal(state_file_open(&f, dir, &m, why, sizeof(why)), 0);
	assert_true(m.has_pools && m.has_targets && m.has_portals && m.has_discovery);
	assert_false(m.has_volumes || m.npools || m.ntargets || m.nportals || m.nintents);
	state_file_close(f);
	snprintf(dir, sizeof(dir), "%s/made/state.lock", r.dir);
	assert_int_equal(unlink(dir), 0);
	snprintf(dir, sizeof(dir), "%s/made", r.dir);
	assert_int_equal(rmdir(dir), 0);
	snprintf(dir, sizeof(dir), "%s/not/there", r.dir);
	assert_int_equal(state_file_open(&f, dir, &m, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "--state DIR"));
	rig_fini(&r);
}

static void kept_and_private(void **state)
{
	struct state_file *f;
	struct state_rig r;
	struct stat st;
	unsigned n;

	(void)state;
	rig_init(&r);
	f = open_state(r.dir, &n);
	assert_int_equal(n, 0);
	assert_string_equal(state_file_path(f), r.path);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(store(f, i), 0);
	state_file_close(f);
	assert_int_equal(look(r.dir), 4);
	assert_int_equal(stat(r.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_false(is_there(&r, "state.json.new"));
	rig_fini(&r);
}

/* What is random has all that there can be. */
static void all_of_it_comes_back(void **state)
{
	struct dice d = { 21 };
	struct state_rig r;
	char why[960];

	(void)state;
	rig_init(&r);
	for (unsigned i = 0; i < 30; i++) {
		struct model was, m, again;
		json_t *first, *second;
		struct state_file *f;

		random_model(&m, &d);
		assert_int_equal(state_file_open(&f, r.dir, &was, why, sizeof(why)), 0);
		assert_int_equal(state_file_store(f, &m, why, sizeof(why)), 0);
		state_file_close(f);
		assert_int_equal(state_file_open(&f, r.dir, &again, why, sizeof(why)), 0);
		state_file_close(f);
		first = model_to_json(&m, MODEL_KEPT);
		second = model_to_json(&again, MODEL_KEPT);
		assert_true(json_equal(first, second));
		json_decref(first);
		json_decref(second);
		model_fini(&was);
		model_fini(&m);
		model_fini(&again);
	}
	rig_fini(&r);
}

static void one_server_at_a_time(void **state)
{
	struct state_file *f, *second;
	struct state_rig r;
	char why[960];
	struct model m;
	unsigned n;

	(void)state;
	rig_init(&r);
	f = open_state(r.dir, &n);
	assert_int_equal(state_file_open(&second, r.dir, &m, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, r.dir));
	state_file_close(f);
	assert_int_equal(look(r.dir), 0);
	rig_fini(&r);
}

/* --- damage -------------------------------------------------------------------------- */

/* Returns what opening says of @text, which is then still there, byte for byte. */
static int open_text(const struct state_rig *r, const char *text, size_t len, char why[static 960])
{
	struct state_file *f = NULL;
	struct model m;
	size_t now_len;
	char *now;
	int rc;

	spill(r->path, text, len);
	rc = state_file_open(&f, r->dir, &m, why, 960);
	state_file_close(f);
	model_fini(&m);
	now = slurp(r->path, &now_len);
	assert_int_equal(now_len, len);
	assert_memory_equal(now, text, len);
	free(now);
	return rc;
}

static char *stored_text(const struct state_rig *r, size_t *len)
{
	unsigned n;
	struct state_file *f = open_state(r->dir, &n);

	assert_int_equal(store(f, 7), 0);
	state_file_close(f);
	return slurp(r->path, len);
}

static void assert_is_told(const struct state_rig *r, const char *why)
{
	assert_non_null(strstr(why, r->path));
	assert_non_null(strstr(why, "bring back a copy"));
	assert_null(strstr(why, "hush"));
}

static void every_bit_counts(void **state)
{
	struct state_rig r;
	char why[960], *text;
	size_t len;

	(void)state;
	rig_init(&r);
	text = stored_text(&r, &len);
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			text[i] ^= (char)(1 << bit);
			if (open_text(&r, text, len, why) != -EBADMSG)
				fail_msg("bit %u of byte %zu was not noticed", bit, i);
			assert_is_told(&r, why);
			text[i] ^= (char)(1 << bit);
		}
	assert_int_equal(open_text(&r, text, len, why), 0);
	free(text);
	rig_fini(&r);
}

/* All but the end of the last line. */
static void every_byte_is_missed(void **state)
{
	struct state_rig r;
	char why[960], *text;
	size_t len;

	(void)state;
	rig_init(&r);
	text = stored_text(&r, &len);
	for (size_t n = 0; n < len - 1; n++) {
		if (open_text(&r, text, n, why) != -EBADMSG)
			fail_msg("%zu bytes of %zu were taken", n, len);
		assert_is_told(&r, why);
	}
	free(text);
	rig_fini(&r);
}

static void the_place_of_the_damage(void **state)
{
	static const char bad[] = "{\n  \"ringlun\": 1,\n  \"targets\": [}\n";
	static const char type[] = "{\"ringlun\":1,\"pools\":[],\"portals\":[],"
				   "\"discovery\":{\"chap\":null},\"targets\":[5]}";
	static const char newer[] = "{\"ringlun\":2}", twice[] = "{\"ringlun\":1,\n\"ringlun\":1}";
	struct state_rig r;
	char why[960];

	(void)state;
	rig_init(&r);
	assert_int_equal(open_text(&r, bad, sizeof(bad) - 1, why), -EBADMSG);
	assert_non_null(strstr(why, "line 3, column 15: "));
	assert_int_equal(open_text(&r, type, sizeof(type) - 1, why), -EBADMSG);
	assert_non_null(strstr(why, "targets[0]: this is a number"));
	assert_int_equal(open_text(&r, twice, sizeof(twice) - 1, why), -EBADMSG);
	assert_non_null(strstr(why, "line 2"));
	assert_int_equal(open_text(&r, newer, sizeof(newer) - 1, why), -ENOTSUP);
	assert_non_null(strstr(why, "newer"));
	assert_int_equal(open_text(&r, "", 0, why), -EBADMSG);
	assert_non_null(strstr(why, "is empty"));
	rig_fini(&r);
}

/* A person may edit it, and says so by leaving the checksum out. */
static void edited_by_hand(void **state)
{
	struct state_rig r;
	char why[960], *text, *crc, *lun;
	size_t len, line;

	(void)state;
	rig_init(&r);
	text = stored_text(&r, &len);
	lun = strstr(text, "\"lun\": 7");
	assert_non_null(lun);
	lun[7] = '9';
	assert_int_equal(open_text(&r, text, len, why), -EBADMSG);
	assert_non_null(strstr(why, "remove the line \"crc32c\""));
	crc = strstr(text, "  \"crc32c\"");
	assert_non_null(crc);
	line = strcspn(crc, "\n") + 1;
	memmove(crc, crc + line, len - (size_t)(crc - text) - line);
	assert_int_equal(open_text(&r, text, len - line, why), 0);
	assert_int_equal(look(r.dir), 9);
	free(text);
	rig_fini(&r);
}

static void no_regular_file(void **state)
{
	struct state_file *f;
	struct state_rig r;
	struct model m;
	char why[960];

	(void)state;
	rig_init(&r);
	assert_int_equal(mkfifo(r.path, 0600), 0); /* opening it must not wait for a writer */
	assert_int_equal(state_file_open(&f, r.dir, &m, why, sizeof(why)), -EBADMSG);
	assert_int_equal(unlink(r.path), 0);
	assert_int_equal(symlink("/etc/passwd", r.path), 0);
	assert_int_equal(state_file_open(&f, r.dir, &m, why, sizeof(why)), -ELOOP);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_first_start),	   cmocka_unit_test(kept_and_private),
		cmocka_unit_test(all_of_it_comes_back),	   cmocka_unit_test(one_server_at_a_time),
		cmocka_unit_test(every_bit_counts),	   cmocka_unit_test(every_byte_is_missed),
		cmocka_unit_test(the_place_of_the_damage), cmocka_unit_test(edited_by_hand),
		cmocka_unit_test(no_regular_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
