/* A bad peer and a good one on the same reactor: whatever the bad one does, the good one
 * is served in the end. */
#pragma once

#include "tests/fakes/server_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

struct stage {
	struct rig g;
	struct ini bad, good; /* on one reactor */
	uint8_t data[64 << 10];
};

static inline void stage_open(struct stage *s, uint64_t seed)
{
	struct rig_config cfg = { .seed = seed, .reactors = 2, .volumes = 2 };

	memset(s, 0, sizeof(*s));
	rig_init(&s->g, &cfg);
	ini_init(&s->bad, s->g.w, HOST, 1);
	ini_init(&s->good, s->g.w, HOST, 2);
	assert_true(rig_login(&s->g, &s->good, 0, 0));
}

static inline void stage_login(struct stage *s)
{
	assert_true(rig_login(&s->g, &s->bad, 0, 0));
}

static inline void stage_close(struct stage *s)
{
	struct ini_cmd c;

	for (unsigned tries = 0; tries < 2; tries++) { /* the bad one may have reset the unit */
		cmd_write(&c, 0, 8, s->data, true);
		ini_submit(&s->good, &c);
		assert_true(RIG_WAIT(&s->g, c.state == INI_CMD_DONE, SOON));
		if (cmd_sense_key(&c) != 6)
			break;
	}
	assert_int_equal(c.status, SCSI_GOOD);
	assert_string_equal(s->good.broken, "");
	rig_fini(&s->g);
}
