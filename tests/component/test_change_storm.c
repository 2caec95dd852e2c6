/* Everything that changes, in any order, by seeds: LUNs, targets, rules and sessions come and go,
 * units grow, while five initiators log in, read, write and leave, and disks stand still now and
 * then; in some storms initiators reset units and targets, in some memory is short.
 *
 * Whoever loses a LUN hears so for each of its commands, at once; nothing hangs; and when the disks
 * have let go, every unit is free and every byte is back. */
#include "backstore/kinds.h"
#include "tests/component/alloc_fault.h"
#include "tests/component/change_bed.h"

enum { INIS = 5, DEPTH = 5, TARGETS = 3, VOLUMES = 3, MAX_LUN = 4, STEPS = 160, STORMS = 40 };

struct player {
	struct ini i;
	unsigned target;
	struct ini_cmd c[DEPTH];
};

struct storm {
	struct rig g;
	struct player p[INIS];
	uint8_t data[BYTES], back[INIS][DEPTH][BYTES];
	bool stalled[VOLUMES];
	bool resets, short_of_memory; /* what else happens in it */
	unsigned tmfs, faults;
	unsigned logins, answers, no_lun, unmapped, removed, dropped; /* what has come to pass */
};

static unsigned pick(struct storm *s, unsigned n)
{
	return (unsigned)fake_world_random(s->g.w, n);
}

static void turns(struct storm *s, unsigned n)
{
	while (n--)
		(void)rig_turn(&s->g, UINT64_MAX);
}

/* --- initiators --- */

static bool is_under_way(const struct ini_cmd *c)
{
	return c->state == INI_CMD_SENT || c->state == INI_CMD_QUEUED;
}

static void ended(struct ini_cmd *c)
{
	struct storm *s = c->owner;

	if (c->state != INI_CMD_DONE)
		return;
	s->answers++;
	s->no_lun += cmd_sense_key(c) == ILLEGAL && cmd_sense_code(c) == NO_LUN;
}

static void log_in_somewhere(struct storm *s, struct player *p)
{
	p->target = pick(s, TARGETS);
	p->i.security_stage = pick(s, 2);
	rig_connect(&s->g, &p->i, pick(s, REACTORS));
	ini_login(&p->i, rig_target(&s->g, p->target));
	s->logins++;
}

static void submit_some(struct storm *s, struct player *p)
{
	for (unsigned n = 0; n < DEPTH; n++) {
		struct ini_cmd *c = &p->c[n];

		if (is_under_way(c) || pick(s, 3) == 0)
			continue;
		if (pick(s, 2))
			cmd_write(c, pick(s, 200), N, s->data, pick(s, 2));
		else
			cmd_read(c, pick(s, 200), N, s->back[p - s->p][n]);
		c->lun = pick(s, MAX_LUN);
		c->attr = pick(s, 5) ? 0 : ISCSI_ATTR_ORDERED;
		c->done = ended;
		c->owner = s;
		ini_submit(&p->i, c);
	}
}

static void manage_tasks(struct storm *s, struct ini *i)
{
	static const enum iscsi_tmf functions[] = {
		ISCSI_TMF_ABORT_TASK_SET,    ISCSI_TMF_CLEAR_TASK_SET,	  ISCSI_TMF_LU_RESET,
		ISCSI_TMF_TARGET_WARM_RESET, ISCSI_TMF_TARGET_COLD_RESET,
	};

	ini_tmf(i, functions[pick(s, ARRAY_SIZE(functions))], pick(s, MAX_LUN), NULL);
	s->tmfs++;
}

static void play(struct storm *s, struct player *p)
{
	if (p->i.closed || p->i.logged_out || p->i.state == INI_REFUSED)
		log_in_somewhere(s, p);
	else if (p->i.state == INI_FULL && pick(s, 12) == 0)
		ini_logout(&p->i);
	else if (p->i.state == INI_FULL && pick(s, 16) == 0)
		ini_close(&p->i);
	else if (p->i.state == INI_FULL && s->resets && pick(s, 6) == 0)
		manage_tasks(s, &p->i);
	else if (p->i.state == INI_FULL)
		submit_some(s, p);
}

/* --- changes --- */

static struct iscsi_policy *some_policy(struct storm *s)
{
	static const struct policy_rule anybody;
	struct policy_spec spec = { .shared = pick(s, 4), .rules = &anybody, .nrules = 1 };
	struct iscsi_policy *p;
	char why[256];

	switch (pick(s, 8)) {
	case 0:
		spec.nrules = 0;
		break;
	case 1:
		spec.redirect = "192.0.2.1";
		break;
	case 2:
		spec.by_default = true;
		break;
	}
	assert_int_equal(policy_new(&p, &spec, why, sizeof(why)), 0);
	return p;
}

/* All that was under way there is over soon, though its disk may stand still. */
static void take_a_lun(struct storm *s, unsigned target, unsigned lun)
{
	uint64_t until;
	bool waits = true;

	if (iscsi_node_unmap_lun(&s->g.node, rig_target(&s->g, target), lun))
		return;
	s->unmapped++;
	until = rig_now(&s->g) + SOON;
	while (waits && rig_turn(&s->g, until)) {
		waits = false;
		for (unsigned k = 0; k < INIS; k++)
			for (unsigned n = 0; n < DEPTH; n++)
				waits |= s->p[k].target == target && s->p[k].c[n].lun == lun &&
					 is_under_way(&s->p[k].c[n]) && s->p[k].i.state == INI_FULL;
	}
	assert_true(!waits || s->resets); /* those end what is others' in silence */
}

static void replace_a_target(struct storm *s, unsigned target)
{
	char why[256];

	if (!iscsi_node_remove_target(&s->g.node, rig_target(&s->g, target)))
		s->removed++;
	turns(s, pick(s, 20));
	(void)!iscsi_node_add_target(&s->g.node, rig_target(&s->g, target), some_policy(s), why,
				     sizeof(why));
}

static void drop_a_session(struct storm *s)
{
	struct iscsi_session_info *all;
	unsigned n;

	assert_int_equal(iscsi_node_sessions(&s->g.node, &all, &n), 0);
	if (n && !iscsi_node_drop_session(&s->g.node, all[pick(s, n)].id, pick(s, 2)))
		s->dropped++;
	free(all);
}

static void stall_or_release(struct storm *s, unsigned volume)
{
	if (s->stalled[volume])
		fake_file_release(s->g.v[volume].file);
	else
		fake_file_stall(s->g.v[volume].file);
	s->stalled[volume] = !s->stalled[volume];
}

static void grow(struct storm *s, unsigned volume)
{
	struct scsi_lu *lu = s->g.v[volume].lu;
	struct backstore *bs = scsi_lu_backstore(lu);

	bs_raise_size(bs, bs->size_bytes + 4096 * (1 + pick(s, 4)));
	scsi_lu_grown(lu);
}

static void change_something(struct storm *s)
{
	unsigned target = pick(s, TARGETS), lun = pick(s, MAX_LUN), volume = pick(s, VOLUMES);

	switch (pick(s, 11)) {
	case 10:
		grow(s, volume);
		break;
	case 0:
		replace_a_target(s, target);
		break;
	case 1:
		(void)!iscsi_node_set_policy(&s->g.node, rig_target(&s->g, target), some_policy(s));
		break;
	case 2:
		drop_a_session(s);
		break;
	case 3:
	case 4:
		take_a_lun(s, target, lun);
		break;
	case 5:
		stall_or_release(s, volume);
		break;
	default:
		(void)!iscsi_node_map_lun(&s->g.node, rig_target(&s->g, target), lun,
					  s->g.v[volume].lu);
	}
}

/* --- the end --- */

static bool all_are_over(const struct storm *s)
{
	for (unsigned k = 0; k < INIS; k++)
		for (unsigned n = 0; n < DEPTH; n++)
			if (is_under_way(&s->p[k].c[n]))
				return false;
	return true;
}

static void end_all(struct storm *s)
{
	for (unsigned t = 0; t < TARGETS; t++)
		(void)!iscsi_node_remove_target(&s->g.node, rig_target(&s->g, t));
	assert_true(RIG_WAIT(&s->g, all_are_over(s), 5 * RIG_S));
	for (unsigned v = 0; v < VOLUMES; v++)
		if (s->stalled[v])
			stall_or_release(s, v);
	for (unsigned v = 0; v < VOLUMES; v++) {
		assert_int_equal(iscsi_node_await_lu(&s->g.node, s->g.v[v].lu, 5 * RIG_S), 0);
		scsi_lu_free(s->g.v[v].lu);
		s->g.v[v].lu = NULL;
	}
	for (unsigned k = 0; k < INIS; k++)
		assert_string_equal(s->p[k].i.broken, "");
	rig_fini(&s->g);
}

static void arm(bool before)
{
	alloc_fault.armed = before;
}

/* One of the next allocations fails. */
static void take_memory(struct storm *s)
{
	s->faults += alloc_fault.fired;
	alloc_fault.fired = false;
	alloc_fault.fail_at = pick(s, 40);
}

static void one_storm(struct storm *s, uint64_t seed)
{
	struct rig_config cfg = { .seed = seed,
				  .reactors = REACTORS,
				  .volumes = VOLUMES,
				  .shared = true,
				  .buffered = seed % 2 };
	char name[64];

	int keep = rig_hush();

	rig_init(&s->g, &cfg);
	s->resets = seed % 3 == 1;
	s->short_of_memory = ALLOC_FAULT && seed % 5 == 4;
	s->g.around = s->short_of_memory ? arm : NULL;
	fake_world_knobs(s->g.w)->nap_permille = seed % 4 * 100;
	for (unsigned k = 0; k < INIS; k++) {
		snprintf(name, sizeof(name), HOST "%u", k / 2);
		ini_init(&s->p[k].i, s->g.w, name, (uint8_t)k);
	}
	for (unsigned n = 0; n < STEPS; n++) {
		for (unsigned k = 0; k < INIS; k++)
			play(s, &s->p[k]);
		if (s->short_of_memory && pick(s, 3) == 0)
			take_memory(s);
		turns(s, pick(s, 60));
		change_something(s);
	}
	s->g.around = NULL;
	alloc_fault.fail_at = UINT64_MAX;
	end_all(s);
	rig_unhush(keep);
}

static void nothing_hangs_and_nothing_is_left(void **state)
{
	static struct storm s;
	unsigned answers = 0, no_lun = 0, unmapped = 0, removed = 0, dropped = 0;
	unsigned tmfs = 0, faults = 0;

	(void)state;
	for (uint64_t seed = 0; seed < STORMS; seed++) {
		memset(&s, 0, sizeof(s));
		one_storm(&s, seed);
		answers += s.answers;
		no_lun += s.no_lun;
		unmapped += s.unmapped;
		removed += s.removed;
		dropped += s.dropped;
		tmfs += s.tmfs;
		faults += s.faults;
	}
	print_message(
		"%u answers, %u without a unit; %u LUNs and %u targets taken away, %u sessions "
		"dropped, %u resets, %u allocations failed\n",
		answers, no_lun, unmapped, removed, dropped, tmfs, faults);
	assert_true(answers > 100 * STORMS && no_lun > 10 * STORMS);
	assert_true(unmapped > STORMS && removed > STORMS && dropped > STORMS && tmfs > STORMS);
	assert_true(!ALLOC_FAULT || faults > STORMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_hangs_and_nothing_is_left) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
