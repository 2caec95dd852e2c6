/* Commands that wait for their order when a reset or an abort comes. */
#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "target/iscsi/proto.h"

enum { MANY = 16, BYTES = 512 };

#define SOON (200 * RIG_MS)

/* What has not begun does not begin because it is aborted. */
static void held_commands_are_aborted_where_they_are(void **state)
{
	static const enum iscsi_tmf how[] = { ISCSI_TMF_ABORT_TASK_SET, ISCSI_TMF_LU_RESET };

	(void)state;
	for (unsigned h = 0; h < ARRAY_SIZE(how); h++) {
		struct rig g;
		struct rig_config cfg = { .seed = h };
		struct ini_cmd c[MANY], r;
		uint8_t old[MANY * BYTES], new[MANY * BYTES], back[MANY * BYTES];
		struct ini i;

		rig_init(&g, &cfg);
		ini_init(&i, g.w, "iqn.2026-11.io.ringlun.test:one", 1);
		assert_true(rig_login(&g, &i, 0, 0));
		memset(old, 'o', sizeof(old));
		memset(new, 'n', sizeof(new));
		cmd_write(&r, 0, MANY, old, true);
		assert_true(rig_good(&g, &i, &r));
		fake_file_stall(g.v[0].file);
		for (unsigned n = 0; n < MANY; n++) {
			cmd_write(&c[n], n, 1, new + n *BYTES, false);
			c[n].attr = ISCSI_ATTR_ORDERED;
			ini_submit(&i, &c[n]);
		}
		rig_pass(&g, 50 * RIG_MS);
		assert_int_equal(g.r[0]->nrunning, 1);
		ini_tmf(&i, how[h], 0, NULL);
		assert_true(RIG_WAIT(&g, i.tmfs == 1, SOON));
		assert_int_equal(i.tmf_response, ISCSI_TMF_COMPLETE);
		assert_int_equal(rig_zombies(&g), 1);
		for (unsigned n = 0; n < MANY; n++)
			if (c[n].state == INI_CMD_SENT)
				ini_forget(&c[n]);
		fake_file_release(g.v[0].file);
		rig_pass(&g, 50 * RIG_MS);
		cmd_read(&r, 0, MANY, back);
		if (!rig_good(&g, &i, &r)) /* the unit attention of the reset */
			assert_true(rig_good(&g, &i, &r));
		assert_memory_equal(back + BYTES, old + BYTES, sizeof(old) - BYTES);
		assert_string_equal(i.broken, "");
		rig_fini(&g);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_commands_are_aborted_where_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
