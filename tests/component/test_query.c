/* RFC 7144's functions and RFC 7143's FastAbort: what a session may ask about its commands and
 * its unit attentions, and what others are told when theirs are ended. */
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

enum { YES = ISCSI_TMF_SUCCEEDED, NO = ISCSI_TMF_COMPLETE, BYTES = 4096 };

/* Two paths of one initiator to target 0, which shows volume 0 as LUN 0 and volume 1 as LUN 1. */
struct pair {
	struct rig g;
	struct ini a, b;
	struct ini_cmd c[3];
	uint8_t data[BYTES];
};

static void pair_open(struct pair *p, uint32_t level, const char *reporting)
{
	struct rig_config cfg = { .seed = 1, .reactors = 2, .volumes = 2 };

	memset(p, 0, sizeof(*p));
	rig_init(&p->g, &cfg);
	ini_init(&p->a, p->g.w, HOST, 1);
	ini_init(&p->b, p->g.w, HOST, 2);
	p->a.offer.iSCSIProtocolLevel = p->b.offer.iSCSIProtocolLevel = level;
	p->a.offer.TaskReporting = p->b.offer.TaskReporting = reporting;
	assert_true(rig_login(&p->g, &p->a, 0, 0));
	assert_true(rig_login(&p->g, &p->b, 0, 1));
}

static void pair_close(struct pair *p)
{
	for (unsigned v = 0; v < 2; v++)
		fake_file_release(p->g.v[v].file);
	rig_pass(&p->g, SOON);
	assert_string_equal(p->a.broken, "");
	assert_string_equal(p->b.broken, "");
	rig_fini(&p->g);
}

static unsigned ask(struct pair *p, struct ini *i, enum iscsi_tmf function, unsigned lun,
		    const struct ini_cmd *ref)
{
	unsigned before = i->tmfs;

	ini_tmf(i, function, lun, ref);
	assert_true(RIG_WAIT(&p->g, i->tmfs > before, SOON));
	return i->tmf_response;
}

static void assert_info(const struct ini *i, uint8_t first, unsigned code)
{
	const uint8_t want[3] = { first, (uint8_t)(code >> 8), (uint8_t)code };

	assert_memory_equal(i->tmf_info, want, 3);
}

static void take_attentions(struct pair *p, struct ini *i, unsigned lun)
{
	struct ini_cmd c;

	do {
		cmd_test_unit_ready(&c);
		c.lun = lun;
		assert_true(rig_do(&p->g, i, &c));
	} while (c.status != SCSI_GOOD);
}

/* A write of @i to @lun that its disk does not finish. */
static void stall(struct pair *p, struct ini *i, struct ini_cmd *c, unsigned lun)
{
	fake_file_stall(p->g.v[lun].file);
	cmd_write(c, 0, BYTES / 512, p->data, false);
	c->lun = lun;
	ini_submit(i, c);
	rig_pass(&p->g, 50 * RIG_MS);
	assert_int_equal(c->state, INI_CMD_SENT);
}

static void a_task_is_there_until_it_is_over(void **state)
{
	const struct ini_cmd nobody = { .itt = 0x12345678 };
	static struct pair p;

	(void)state;
	pair_open(&p, 2, NULL);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, 0, NULL), NO);
	stall(&p, &p.a, &p.c[0], 0);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK, 0, &p.c[0]), YES);
	assert_info(&p.a, 0, 0);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK, 0, &nobody), NO);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK, 1, &p.c[0]), NO);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK, 9, &p.c[0]), ISCSI_TMF_NO_LUN);
	assert_int_equal(ask(&p, &p.b, ISCSI_TMF_QUERY_TASK, 0, &p.c[0]), NO); /* not its nexus */
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, 0, NULL), YES);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, 1, NULL), NO);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, 9, NULL), ISCSI_TMF_NO_LUN);
	assert_int_equal(ask(&p, &p.b, ISCSI_TMF_QUERY_TASK_SET, 0, NULL), NO);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_ABORT_TASK, 0, &p.c[0]), ISCSI_TMF_COMPLETE);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK, 0, &p.c[0]), NO);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, 0, NULL), NO);
	ini_forget(&p.c[0]);
	pair_close(&p);
}

static void one_that_waits_for_its_turn_is_there(void **state)
{
	static struct pair p;

	(void)state;
	pair_open(&p, 2, NULL);
	p.a.cmd_sn++; /* a gap */
	cmd_write(&p.c[0], 0, 1, p.data, false);
	p.c[0].how = INI_OUT_IMMEDIATE;
	ini_submit(&p.a, &p.c[0]);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK, 0, &p.c[0]), YES);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK, 1, &p.c[0]), NO);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, 0, NULL), YES);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, 1, NULL), NO);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_ABORT_TASK, 0, &p.c[0]), ISCSI_TMF_COMPLETE);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK, 0, &p.c[0]), NO);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_TASK_SET, 0, NULL), NO);
	ini_forget(&p.c[0]);
	pair_close(&p);
}

static void an_attention_is_told_and_stays(void **state)
{
	static struct pair p;
	struct ini_cmd c;

	(void)state;
	pair_open(&p, 2, NULL);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_EVENT, 0, NULL), NO);
	assert_info(&p.a, 0, 0);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_EVENT, 1, NULL), YES); /* power on */
	assert_info(&p.a, 0x16, 0x2900);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_EVENT, 9, NULL), ISCSI_TMF_NO_LUN);
	assert_int_equal(ask(&p, &p.b, ISCSI_TMF_LU_RESET, 0, NULL), ISCSI_TMF_COMPLETE);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_EVENT, 0, NULL), YES);
	assert_info(&p.a, 0x16, 0x2903);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_NEXUS_RESET, 0, NULL), ISCSI_TMF_COMPLETE);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_EVENT, 0, NULL), YES);
	assert_info(&p.a, 0x26, 0x2903); /* more than one */
	cmd_test_unit_ready(&c);
	assert_true(rig_do(&p.g, &p.a, &c));
	assert_int_equal(cmd_sense_code(&c), 0x2903);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_EVENT, 0, NULL), YES);
	assert_info(&p.a, 0x16, 0x2907);
	take_attentions(&p, &p.a, 0);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_QUERY_EVENT, 0, NULL), NO);
	pair_close(&p);
}

static void a_nexus_reset_is_for_one_session(void **state)
{
	static struct pair p;
	struct ini_cmd c;

	(void)state;
	pair_open(&p, 2, NULL);
	take_attentions(&p, &p.a, 1);
	take_attentions(&p, &p.b, 1);
	stall(&p, &p.a, &p.c[0], 0);
	stall(&p, &p.a, &p.c[1], 1);
	stall(&p, &p.b, &p.c[2], 1);
	assert_int_equal(ask(&p, &p.a, ISCSI_TMF_NEXUS_RESET, 0, NULL), ISCSI_TMF_COMPLETE);
	assert_int_equal(rig_zombies(&p.g), 2);
	ini_forget(&p.c[0]);
	ini_forget(&p.c[1]);
	for (unsigned lun = 0; lun < 2; lun++) {
		cmd_test_unit_ready(&c);
		c.lun = lun;
		assert_true(rig_do(&p.g, &p.a, &c));
		assert_int_equal(cmd_sense_code(&c), 0x2907);
	}
	assert_int_equal(ask(&p, &p.b, ISCSI_TMF_QUERY_EVENT, 0, NULL), NO);
	fake_file_release(p.g.v[1].file);
	assert_true(RIG_WAIT(&p.g, p.c[2].state == INI_CMD_DONE, SOON));
	assert_int_equal(p.c[2].status, SCSI_GOOD);
	assert_false(p.a.closed || p.b.closed);
	pair_close(&p);
}

static void only_where_it_was_agreed(void **state)
{
	static struct pair p;

	(void)state;
	for (uint32_t level = 0; level < 2; level++) { /* 0: not said, so it is 1 */
		pair_open(&p, level, NULL);
		for (unsigned f = ISCSI_TMF_QUERY_TASK; f <= ISCSI_TMF_QUERY_EVENT; f++)
			assert_int_equal(ask(&p, &p.a, (enum iscsi_tmf)f, 0, NULL),
					 ISCSI_TMF_NOT_SUPPORTED);
		pair_close(&p);
	}
}

/* --- TaskReporting --- */

static void with_fast_abort_others_are_told_by_lun(void **state)
{
	static struct pair p;

	(void)state;
	pair_open(&p, 0, "FastAbort,RFC3720");
	take_attentions(&p, &p.a, 1);
	stall(&p, &p.a, &p.c[0], 0);
	stall(&p, &p.a, &p.c[1], 0);
	assert_int_equal(ask(&p, &p.b, ISCSI_TMF_CLEAR_TASK_SET, 1, NULL), ISCSI_TMF_COMPLETE);
	rig_pass(&p.g, SOON);
	assert_int_equal(p.a.asyncs, 0);
	assert_int_equal(ask(&p, &p.b, ISCSI_TMF_CLEAR_TASK_SET, 0, NULL), ISCSI_TMF_COMPLETE);
	assert_true(RIG_WAIT(&p.g, p.a.asyncs > 0, SOON));
	assert_int_equal(p.a.asyncs, 1);
	assert_int_equal(p.a.async_event, ISCSI_ASYNC_TERMINATED);
	assert_int_equal(p.a.async_lun, 0);
	assert_int_equal(p.a.pings, 0);
	/* its window is open again, all of it */
	assert_int_equal(p.a.max_cmd_sn - p.a.exp_cmd_sn + 1, p.g.node.window);
	ini_forget(&p.c[0]);
	ini_forget(&p.c[1]);
	take_attentions(&p, &p.a, 0);
	stall(&p, &p.a, &p.c[0], 1);
	stall(&p, &p.a, &p.c[1], 0);
	stall(&p, &p.a, &p.c[2], 1);
	assert_int_equal(ask(&p, &p.b, ISCSI_TMF_TARGET_WARM_RESET, 0, NULL), ISCSI_TMF_COMPLETE);
	assert_true(RIG_WAIT(&p.g, p.a.asyncs == 3, SOON)); /* LUN 1, then LUN 0 */
	assert_int_equal(p.a.async_lun, 0);
	rig_pass(&p.g, SOON);
	assert_int_equal(p.a.asyncs, 3);
	assert_int_equal(p.b.asyncs, 0); /* who asks has the response */
	for (unsigned n = 0; n < 3; n++)
		ini_forget(&p.c[n]);
	pair_close(&p);
}

static void without_it_they_are_not(void **state)
{
	static const char *const reporting[] = { NULL, "RFC3720", "ResponseFence,FastAbort" };
	static struct pair p;

	(void)state;
	for (unsigned n = 0; n < ARRAY_SIZE(reporting); n++) {
		pair_open(&p, 0, reporting[n]);
		stall(&p, &p.a, &p.c[0], 0);
		assert_int_equal(ask(&p, &p.b, ISCSI_TMF_LU_RESET, 0, NULL), ISCSI_TMF_COMPLETE);
		assert_true(RIG_WAIT(&p.g, p.a.pings == 1, SOON)); /* tells MaxCmdSN */
		assert_int_equal(p.a.asyncs, 0);
		ini_forget(&p.c[0]);
		pair_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_task_is_there_until_it_is_over),
		cmocka_unit_test(one_that_waits_for_its_turn_is_there),
		cmocka_unit_test(an_attention_is_told_and_stays),
		cmocka_unit_test(a_nexus_reset_is_for_one_session),
		cmocka_unit_test(only_where_it_was_agreed),
		cmocka_unit_test(with_fast_abort_others_are_told_by_lun),
		cmocka_unit_test(without_it_they_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
