/* The command window (RFC 7143 4.2.2.1), and what has none: immediate commands. */
#include "target/iscsi/session.h"
#include "tests/component/stage.h"

static void finished(struct ini_cmd *c)
{
	unsigned *order = c->owner;

	if (c->state == INI_CMD_DONE)
		c->sense[0] = (uint8_t)++ * order;
}

/* Sent in any order, run in the order of their numbers: each writes the same block. */
static void out_of_order_within_the_window(void **state)
{
	enum { N = 12 };
	static struct stage s;
	static uint8_t data[N][512], back[512];

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		struct ini_cmd c[N], read;
		unsigned order[N], done = 0;
		uint32_t first;

		stage_open(&s, seed);
		stage_login(&s);
		first = s.bad.cmd_sn;
		for (unsigned n = 0; n < N; n++)
			order[n] = n;
		for (unsigned n = N - 1; n > 0; n--) {
			unsigned other = (unsigned)fake_world_random(s.g.w, n + 1), t = order[n];

			order[n] = order[other];
			order[other] = t;
		}
		for (unsigned n = 0; n < N; n++) {
			struct ini_cmd *q = &c[order[n]];

			memset(data[order[n]], 'a' + (int)order[n], 512);
			cmd_write(q, 3, 1, data[order[n]], false);
			q->attr = ISCSI_ATTR_ORDERED;
			q->done = finished;
			q->owner = &done;
			s.bad.cmd_sn = first + order[n];
			ini_submit(&s.bad, q);
		}
		s.bad.cmd_sn = first + N;
		assert_true(RIG_WAIT(&s.g, done == N, RIG_S));
		for (unsigned n = 0; n < N; n++) {
			assert_int_equal(c[n].status, SCSI_GOOD);
			assert_int_equal(c[n].sense[0], n + 1);
		}
		cmd_read(&read, 3, 1, back);
		assert_true(rig_good(&s.g, &s.bad, &read));
		assert_memory_equal(back, data[N - 1], 512);
		assert_string_equal(s.bad.broken, "");
		memset(data, 0, sizeof(data));
		stage_close(&s);
	}
}

static void outside_of_the_window_is_ignored(void **state)
{
	static struct stage s;
	struct ini_cmd before, after, c;
	uint8_t back[512];
	uint32_t first;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	memset(s.data, 'x', sizeof(s.data));
	first = s.bad.cmd_sn;
	s.bad.cmd_sn = first - 1;
	cmd_write(&before, 5, 1, s.data, false);
	ini_submit(&s.bad, &before);
	s.bad.cmd_sn = s.bad.max_cmd_sn + 1;
	cmd_write(&after, 6, 1, s.data, false);
	after.immediate = false;
	s.bad.max_cmd_sn++; /* or it would not send it */
	ini_submit(&s.bad, &after);
	s.bad.max_cmd_sn--;
	s.bad.cmd_sn = first;
	cmd_test_unit_ready(&c);
	assert_true(rig_good(&s.g, &s.bad, &c));
	rig_pass(&s.g, SOON);
	assert_int_equal(before.state, INI_CMD_SENT);
	assert_int_equal(after.state, INI_CMD_SENT);
	assert_int_equal(s.bad.rejects, 0);
	fake_file_peek(s.g.v[0].file, 5 * 512, back, 512);
	assert_int_equal(back[0], 0);
	fake_file_peek(s.g.v[0].file, 6 * 512, back, 512);
	assert_int_equal(back[0], 0);
	assert_string_equal(s.bad.broken, "");
	ini_forget(&before);
	ini_forget(&after);
	memset(s.data, 0, sizeof(s.data));
	stage_close(&s);
}

static void a_whole_window_and_no_more(void **state)
{
	enum { N = 300 };
	static struct stage s;
	static struct ini_cmd c[N];

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_file_stall(s.g.v[0].file);
	for (unsigned n = 0; n < N; n++) {
		cmd_write(&c[n], n, 1, s.data, false);
		ini_submit(&s.bad, &c[n]);
	}
	rig_pass(&s.g, SOON);
	assert_int_equal(s.bad.nsent, s.g.node.window);
	assert_int_equal(s.bad.max_cmd_sn + 1, s.bad.cmd_sn);
	fake_file_release(s.g.v[0].file);
	assert_true(RIG_WAIT(&s.g, s.bad.nsent + s.bad.nqueued == 0, RIG_S));
	for (unsigned n = 0; n < N; n++)
		assert_int_equal(c[n].status, SCSI_GOOD);
	assert_string_equal(s.bad.broken, "");
	stage_close(&s);
}

/* Immediate commands have no window; so many are taken, the others rejected. */
static void too_many_immediate_commands(void **state)
{
	enum { N = SESSION_MAX_IMMEDIATE + 5 };
	static struct stage s;
	static struct ini_cmd c[N];
	unsigned done = 0;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_file_stall(s.g.v[0].file);
	for (unsigned n = 0; n < N; n++) {
		cmd_write(&c[n], n, 1, s.data, false);
		c[n].immediate = true;
		c[n].how = INI_OUT_IMMEDIATE;
		ini_submit(&s.bad, &c[n]);
	}
	assert_true(RIG_WAIT(&s.g, s.bad.rejects == 5, SOON));
	assert_int_equal(s.bad.reject_reason, ISCSI_REJECT_TOO_MANY_IMMEDIATE);
	fake_file_release(s.g.v[0].file);
	rig_pass(&s.g, SOON);
	for (unsigned n = 0; n < N; n++)
		done += c[n].state == INI_CMD_DONE && c[n].status == SCSI_GOOD;
	assert_int_equal(done, SESSION_MAX_IMMEDIATE);
	for (unsigned n = SESSION_MAX_IMMEDIATE; n < N; n++)
		ini_forget(&c[n]);
	assert_string_equal(s.bad.broken, "");
	stage_close(&s);
}

/* A tag that is in use: the new command is rejected, and its number is free again; the old one is
 * not touched. */
static void a_tag_twice(void **state)
{
	static struct stage s;
	struct ini_cmd a, b, c;

	(void)state;
	stage_open(&s, 1);
	stage_login(&s);
	fake_file_stall(s.g.v[0].file);
	cmd_write(&a, 1, 1, s.data, false);
	ini_submit(&s.bad, &a);
	s.bad.next_itt--;
	cmd_write(&b, 2, 1, s.data, false);
	ini_submit(&s.bad, &b);
	assert_true(RIG_WAIT(&s.g, s.bad.rejects == 1, SOON));
	assert_int_equal(s.bad.reject_reason, ISCSI_REJECT_TASK_IN_PROGRESS);
	ini_forget(&b);
	s.bad.cmd_sn--; /* 7.3: it has not been received */
	fake_file_release(s.g.v[0].file);
	assert_true(RIG_WAIT(&s.g, a.state == INI_CMD_DONE, SOON));
	assert_int_equal(a.status, SCSI_GOOD);
	cmd_test_unit_ready(&c);
	assert_true(rig_good(&s.g, &s.bad, &c));
	assert_int_equal(s.bad.max_cmd_sn - s.bad.exp_cmd_sn + 1, s.g.node.window);
	assert_string_equal(s.bad.broken, "");
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out_of_order_within_the_window),
		cmocka_unit_test(outside_of_the_window_is_ignored),
		cmocka_unit_test(a_whole_window_and_no_more),
		cmocka_unit_test(too_many_immediate_commands),
		cmocka_unit_test(a_tag_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
