/* Each operation of a server's life fails once: disk, socket, accept, allocation.
 *
 * The life: connect, log in, random commands of two sessions, discovery, pings, a reset of the
 * unit, silence, logout, drain; then the power goes. Whatever fails: nothing crashes or leaks,
 * nothing is GOOD that is not so, what was flushed is on the disk, and the server can be talked to
 * again. */
#include "tests/component/alloc_fault.h"
#include "tests/fakes/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { VOLUME_BYTES = 64 << 10 };

struct fault {
	uint64_t seed;
	uint64_t op, alloc; /* UINT64_MAX: none */
	int error;
	bool buffered;
	/* out */
	bool fired;
	unsigned good;
};

static void arm(bool before)
{
	alloc_fault.armed = before;
}

static void discover(struct rig *g)
{
	struct ini i;

	ini_init(&i, g->w, "iqn.2026-11.io.ringlun.test:one", 0xd0);
	i.security_stage = true;
	rig_connect(g, &i, 0);
	ini_login(&i, NULL);
	RIG_WAIT(g, i.state != INI_LOGIN || i.closed, 60 * RIG_S);
	if (i.state == INI_FULL) {
		ini_text(&i, "SendTargets=All", 16, ISCSI_NO_TAG);
		RIG_WAIT(g, i.texts || i.rejects || i.closed, 10 * RIG_S);
		if (i.texts)
			assert_memory_equal(i.text, "TargetName=iqn.2026-11.io.ringlun:v0", 37);
		ini_logout(&i);
		RIG_WAIT(g, i.logged_out || i.closed, 10 * RIG_S);
	}
	assert_string_equal(i.broken, "");
	rig_drop(&i);
}

static void ping_and_reset(struct load *l)
{
	struct ini *i = &l->inis[1];

	ini_nop(i, true, "ping", 4);
	RIG_WAIT(l->g, i->nops || i->closed, 10 * RIG_S);
	for (unsigned f = ISCSI_TMF_LU_RESET; f <= ISCSI_TMF_TARGET_WARM_RESET; f++) {
		unsigned before = i->tmfs;

		ini_tmf(i, (enum iscsi_tmf)f, 0, NULL);
		assert_true(RIG_WAIT(l->g, i->tmfs > before || i->closed, RIG_S));
	}
}

static void say_goodbye(struct load *l)
{
	struct rig *g = l->g;
	struct ini *first = &l->inis[0], *second = &l->inis[1];
	uint64_t until = rig_now(g) + 20 * RIG_S;

	ini_logout(first);
	RIG_WAIT(g, first->logged_out || first->closed, 10 * RIG_S);
	rig_drain(g, 5 * RIG_S);
	while (g->drained < g->cfg.reactors && rig_turn(g, until))
		if (second->asyncs && !second->closed && !second->logged_out) {
			second->asyncs = 0;
			ini_logout(second);
		}
	assert_int_equal(g->drained, g->cfg.reactors);
}

static void check_disk(struct load *l, const char *what, uint64_t nth)
{
	uint8_t *all = malloc(VOLUME_BYTES);

	fake_world_crash(l->g->w);
	fake_file_peek(l->g->v[0].file, 0, all, VOLUME_BYTES);
	if (!*l->wrong && !model_check_power_loss(l->m, all))
		snprintf(l->wrong, sizeof(l->wrong), "after the power loss: %s", model_why(l->m));
	free(all);
	if (*l->wrong)
		fail_msg("%s %llu failed: %s", what, (unsigned long long)nth, l->wrong);
}

static void life(struct fault *f)
{
	static struct load l;
	struct rig g;
	struct rig_config cfg = {
		.seed = f->seed,
		.reactors = 2,
		.volume_bytes = VOLUME_BYTES,
		.buffered = f->buffered,
		.memory_bytes = 1 << 20,
	};
	int keep = rig_hush();

	rig_init(&g, &cfg);
	g.around = arm;
	fake_world_knobs(g.w)->fail_at = f->op;
	fake_world_knobs(g.w)->fail_errno = f->error;
	fake_world_knobs(g.w)->nap_permille = f->seed % 3 * 100;
	alloc_fault.fail_at = f->alloc;
	alloc_fault.fired = false;
	l = (struct load){
		.g = &g,
		.ninis = 2,
		.depth = 3,
		.max_blocks = 16,
		.left = 40,
		.permille = { 250, 300, 150, 150, 150 },
	};
	l.m = model_new(VOLUME_BYTES / MODEL_BLOCK);
	load_init(&l);
	if (!load_run(&l, 300 * RIG_S) && !*l.wrong)
		snprintf(l.wrong, sizeof(l.wrong), "it does not come to an end");
	discover(&g);
	ping_and_reset(&l);
	rig_pass(&g, 40 * RIG_S); /* both are silent, but for the server's pings */
	/* what fails once may be this */
	if (!*l.wrong && !load_check_all(&l) && !*l.wrong && !load_check_all(&l) && !*l.wrong)
		snprintf(l.wrong, sizeof(l.wrong), "the volume cannot be read any more");
	say_goodbye(&l);
	f->fired = alloc_fault.fired || fake_world_knobs(g.w)->fired;
	f->good = l.ngood;
	alloc_fault.fail_at = UINT64_MAX;
	rig_unhush(keep);
	check_disk(&l, f->op == UINT64_MAX ? "allocation" : "operation",
		   f->op == UINT64_MAX ? f->alloc : f->op);
	keep = rig_hush();
	load_fini(&l);
	rig_fini(&g);
	model_free(l.m);
	rig_unhush(keep);
}

static void each_operation_fails_once(void **state)
{
	static const int errors[] = { EIO, ENOSPC, ECONNRESET };
	uint64_t total = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct fault f;
		uint64_t n = 0;

		do {
			f = (struct fault){
				.seed = seed,
				.op = n,
				.alloc = UINT64_MAX,
				.error = errors[(n + seed) % 3],
				.buffered = seed % 2,
			};
			life(&f);
			n++;
		} while (f.fired);
		assert_true(f.good > 25); /* without a fault most of it works */
		total += n;
	}
	assert_true(total > 6 * 120);
}

static void each_allocation_fails_once(void **state)
{
	uint64_t total = 0;

	(void)state;
	if (!ALLOC_FAULT)
		return;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct fault f;
		uint64_t n = 0;

		do {
			f = (struct fault){
				.seed = seed, .op = UINT64_MAX, .alloc = n++, .error = EIO
			};
			life(&f);
		} while (f.fired);
		assert_true(f.good > 25);
		total += n;
	}
	assert_true(total > 4 * 40);
}

/* An accepted socket that comes while the reactor drains, with and without memory for it. */
static void late_arrivals(void **state)
{
	struct rig_config cfg = { .seed = 3 };

	(void)state;
	for (unsigned no_memory = 0; no_memory < 1 + ALLOC_FAULT; no_memory++) {
		int keep = rig_hush(), fd;
		struct fake_sock *k;
		struct rig g;
		struct ini i;

		rig_init(&g, &cfg);
		ini_init(&i, g.w, "iqn.2026-11.io.ringlun.test:one", 1);
		if (no_memory == 0) /* with and without another connection */
			assert_true(rig_login(&g, &i, 0, 0));
		rig_drain(&g, 60 * RIG_S);
		rig_pass(&g, 100 * RIG_MS);
		k = fake_sock_new(g.w, &fd);
		atomic_fetch_add(&g.r[0]->nconns, 1);
		alloc_fault.fail_at = no_memory ? 0 : UINT64_MAX;
		alloc_fault.armed = true;
		iscsi_reactor_adopt(g.r[0], fd);
		alloc_fault.armed = false;
		rig_pass(&g, 100 * RIG_MS);
		assert_true(fake_sock_is_closed_by_server(k));
		assert_int_equal(i.closed, no_memory);
		rig_fini(&g);
		rig_unhush(keep);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_operation_fails_once),
		cmocka_unit_test(each_allocation_fails_once),
		cmocka_unit_test(late_arrivals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
