/* Sessions of targets that share units, on three reactors: for what changes while they are there.
 */
#pragma once

#include "target/iscsi/conn.h"
#include "target/scsi/change.h"
#include "tests/fakes/server_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SOON (200 * RIG_MS)
#define HOST "iqn.2026-11.io.ringlun.test:host"

enum {
	LUNS_CHANGED = 0x3f0e,
	POWER_ON = 0x2900,
	CAPACITY = 0x2a09,
	NO_LUN = 0x2500,
	ILLEGAL = 5,
	ATTENTION = 6,
	SEEDS = 12,
	REACTORS = 3,
	N = 8,
	BYTES = N * 512,
};

/* v0 shows LUN 0 and, as LUN 1 and 2, what v1 and v2 show as LUN 0. */
struct bed {
	struct rig g;
	struct ini a, b, other; /* two sessions of v0, one of v2 */
	uint8_t data[64 << 10], back[64 << 10];
	char why[256];
};

static MAYBE_UNUSED void bed_open(struct bed *b, uint64_t seed)
{
	struct rig_config cfg = { .seed = seed, .reactors = REACTORS, .volumes = 3 };

	memset(b, 0, sizeof(*b));
	rig_init(&b->g, &cfg);
	fake_world_knobs(b->g.w)->nap_permille = seed % 3 * 150;
	ini_init(&b->a, b->g.w, HOST, 1);
	ini_init(&b->b, b->g.w, HOST, 2);
	ini_init(&b->other, b->g.w, HOST, 3);
	b->a.offer.ImmediateData = b->b.offer.ImmediateData = true;
	b->a.offer.FirstBurstLength = 8192;
	b->a.offer.MaxBurstLength = 16384;
	b->a.offer.MaxOutstandingR2T = 2;
	assert_true(rig_login(&b->g, &b->a, 0, seed % REACTORS));
	assert_true(rig_login(&b->g, &b->b, 0, (seed + 1) % REACTORS));
	assert_true(rig_login(&b->g, &b->other, 2, (seed + 2) % REACTORS));
	memset(b->data, 'd', sizeof(b->data));
}

static MAYBE_UNUSED void bed_close(struct bed *b)
{
	assert_string_equal(b->a.broken, "");
	assert_string_equal(b->b.broken, "");
	assert_string_equal(b->other.broken, "");
	rig_fini(&b->g);
}

/* TEST UNIT READY: 0, or what is wrong. */
static MAYBE_UNUSED int tur(struct bed *b, struct ini *i, unsigned lun)
{
	struct ini_cmd c;

	cmd_test_unit_ready(&c);
	c.lun = lun;
	assert_true(rig_do(&b->g, i, &c));
	return c.status == SCSI_GOOD ? 0 : cmd_sense_code(&c);
}

static MAYBE_UNUSED void quieten(struct bed *b, struct ini *i, unsigned lun)
{
	for (unsigned n = 0; n < 8 && tur(b, i, lun); n++)
		;
	assert_int_equal(tur(b, i, lun), 0);
}

static MAYBE_UNUSED void cmd_report_luns(struct ini_cmd *c, void *buf, uint32_t len)
{
	memset(c, 0, sizeof(*c));
	c->cdb[0] = 0xa0;
	c->cdb[8] = (uint8_t)(len >> 8);
	c->cdb[9] = (uint8_t)len;
	c->in = buf;
	c->in_room = len;
}

static MAYBE_UNUSED unsigned luns(struct bed *b, struct ini *i)
{
	struct ini_cmd c;

	cmd_report_luns(&c, b->back, 4096);
	assert_true(rig_good(&b->g, i, &c));
	assert_int_equal(c.in_len, 8 + b->back[3]);
	return b->back[3] / 8;
}

static MAYBE_UNUSED struct scsi_lu *lu_of(struct bed *b, unsigned volume)
{
	return b->g.v[volume].lu;
}

static MAYBE_UNUSED int map(struct bed *b, unsigned target, unsigned lun, unsigned volume)
{
	return iscsi_node_map_lun(&b->g.node, rig_target(&b->g, target), lun, lu_of(b, volume));
}

static MAYBE_UNUSED int unmap(struct bed *b, unsigned target, unsigned lun)
{
	return iscsi_node_unmap_lun(&b->g.node, rig_target(&b->g, target), lun);
}

static MAYBE_UNUSED struct iscsi_policy *policy_by(const struct policy_spec *spec)
{
	struct iscsi_policy *p = NULL;
	char why[256];

	assert_int_equal(policy_new(&p, spec, why, sizeof(why)), 0);
	return p;
}

enum { RUNNING = 6, HALF = 3, BEHIND = 2, COMMANDS = RUNNING + HALF + BEHIND };

/* Commands in every state there is: on the disk (of which two are reads), waiting for data, behind
 * an ORDERED one. */
static MAYBE_UNUSED void start_all(struct bed *b, struct ini *i, struct ini_cmd *c, unsigned lun)
{
	for (unsigned n = 0; n < COMMANDS; n++) {
		if (n < 2)
			cmd_read(&c[n], n * 64, N, b->back + n * BYTES);
		else
			cmd_write(&c[n], n * 64, n < RUNNING || n >= RUNNING + HALF ? N : 128,
				  b->data, false);
		c[n].lun = lun;
		c[n].how = n < RUNNING || n >= RUNNING + HALF ? INI_OUT_IMMEDIATE : INI_OUT_R2T;
		if (n >= RUNNING + HALF)
			c[n].attr = ISCSI_ATTR_ORDERED;
		ini_submit(i, &c[n]);
	}
}
