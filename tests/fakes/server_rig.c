/* The rig: what target/server.c builds with threads and sockets, in a fake world. */
#include "tests/fakes/server_rig.h"

#include "backstore/base/log.h"
#include "backstore/disk.h"
#include "target/scsi/fence.h"
#include "tests/fakes/fake_priv.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOOK_CLOSED_EVERY = 64, IDLE_STEP_MS = 20 };

uint64_t rig_now(const struct rig *g)
{
	return fake_world_now_ns(g->w);
}

const char *rig_target(const struct rig *g, unsigned volume)
{
	return g->v[volume].name;
}

int rig_hush(void)
{
	int keep = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert(keep >= 0 && null >= 0);
	if (!getenv("RINGLUN_TEST_LOG"))
		dup2(null, STDERR_FILENO);
	close(null);
	return keep;
}

void rig_unhush(int keep)
{
	dup2(keep, STDERR_FILENO);
	close(keep);
}

/* --- arrivals --- */

struct arrival {
	struct io_msg msg;
	struct iscsi_reactor *where;
	int fd;
};

static void arrived(struct io_msg *m)
{
	struct arrival *a = container_of(m, struct arrival, msg);

	iscsi_reactor_adopt(a->where, a->fd);
	free(a);
}

static void on_accept(struct io_listener *l, int fd)
{
	struct rig *g = l->owner;
	struct arrival *a;

	if (fd < 0)
		return; /* it is accepted later */
	assert(g->first_arrival != g->last_arrival);
	a = malloc(sizeof(*a)); /* fake_priv.h makes it the fakes' own */
	assert(a);
	*a = (struct arrival){
		.msg.run = arrived,
		.where = g->r[g->arrivals[g->first_arrival++ % RIG_MAX_ARRIVALS]],
		.fd = fd,
	};
	atomic_fetch_add(&a->where->nconns, 1);
	io_post(a->where->io, &a->msg);
}

static void listener_ended(struct io_listener *l)
{
	struct rig *g = l->owner;

	g->listening = false;
	close(l->fd);
}

void rig_connect(struct rig *g, struct ini *i, unsigned reactor)
{
	assert(reactor < g->cfg.reactors);
	g->arrivals[g->last_arrival++ % RIG_MAX_ARRIVALS] = reactor;
	ini_connect(i, fake_connect(g->w, g->listener.fd));
	if (list_empty(&i->link))
		list_add_tail(&g->inis, &i->link);
}

void rig_drop(struct ini *i)
{
	ini_close(i);
	list_del(&i->link);
	ini_fini(i);
}

/* --- begin --- */

static void volume_serve(struct rig *g, unsigned n)
{
	struct rig_volume *v = &g->v[n];
	struct disk_params p = {
		.type = "file",
		.name = v->name,
		.fd = fake_file_open(v->file),
		.size_bytes = g->cfg.volume_bytes,
		.block_bytes = 512,
		.physical_bytes = 4096,
		.align_bytes = 1,
		.discard_bytes = 4096,
		.punch_bytes = 4096,
		.buffered = g->cfg.buffered,
		.writethrough = g->cfg.writethrough,
		.keeps_dsync = !g->cfg.no_dsync,
		.reactors = g->cfg.reactors,
		.latch = LATCH_NONE,
	};
	struct scsi_lu_config lc = { .name = v->name, .reactors = g->cfg.reactors };
	struct policy_spec spec = { .by_default = true, .shared = g->cfg.shared };
	struct iscsi_policy *policy;
	char why[256];
	struct backstore *bs;
	int rc = disk_new(&bs, &p);

	assert(!rc);
	lc.uuid[15] = (uint8_t)n;
	lc.bs = mutant_bs_new(bs, g->cfg.mutant);
	rc = scsi_lu_new(&v->lu, &lc);
	assert(!rc);
	rc = policy_new(&policy, &spec, why, sizeof(why));
	assert(!rc);
	rc = iscsi_node_add_target(&g->node, v->name, policy, why, sizeof(why));
	assert(!rc);
	rc = iscsi_node_map_lun(&g->node, v->name, 0, v->lu);
	assert(!rc);
	v->target = iscsi_node_target(&g->node, v->name)->scsi;
	rc = n ? iscsi_node_map_lun(&g->node, g->v[0].name, n, v->lu) : 0;
	assert(!rc);
	(void)rc;
}

/* Whoever changes the node waits for reactors: they go on in the meantime. */
static bool go_on(struct iscsi_node *node, sem_t *done, uint64_t max_ns)
{
	struct rig *g = container_of(node, struct rig, node);
	uint64_t until_ns = max_ns == UINT64_MAX ? UINT64_MAX : rig_now(g) + max_ns;

	while (sem_trywait(done))
		if (!rig_turn(g, until_ns))
			return false;
	return true;
}

void rig_serve(struct rig *g)
{
	int rc = iscsi_node_init(&g->node);

	assert(!rc && !g->serving);
	g->serving = true;
	g->drained = 0;
	g->node.nreactors = g->cfg.reactors;
	g->node.wait = go_on;
	for (unsigned n = 0; n < g->cfg.volumes; n++)
		volume_serve(g, n);
	for (unsigned n = 0; n < g->cfg.reactors; n++) {
		g->io[n] = fake_io_new(g->w, n);
		rc = iscsi_reactor_new(&g->r[n], &g->node, g->io[n], g->cfg.memory_bytes);
		assert(!rc);
		g->node.reactors[n] = g->r[n];
	}
	(void)rc;
	iscsi_node_run(&g->node, true);
	g->listener = (struct io_listener){
		.fd = fake_listener_new(g->w),
		.on_accept = on_accept,
		.on_end = listener_ended,
		.owner = g,
	};
	g->first_arrival = g->last_arrival = 0;
	g->listening = true;
	io_listen_start(g->io[0], &g->listener);
}

void rig_init(struct rig *g, const struct rig_config *cfg)
{
	memset(g, 0, sizeof(*g));
	if (!getenv("RINGLUN_TEST_LOG"))
		log_set_level(LOG_ERROR);
	g->cfg = *cfg;
	g->cfg.reactors = MAX(cfg->reactors, 1u);
	g->cfg.volumes = MAX(cfg->volumes, 1u);
	if (!cfg->volume_bytes)
		g->cfg.volume_bytes = 1 << 20;
	if (!cfg->memory_bytes)
		g->cfg.memory_bytes = 16 << 20;
	list_init(&g->inis);
	g->w = fake_world_new(cfg->seed);
	for (unsigned n = 0; n < g->cfg.volumes; n++) {
		g->v[n].file = fake_file_new(g->w, g->cfg.volume_bytes);
		snprintf(g->v[n].name, sizeof(g->v[n].name), "iqn.2026-11.io.ringlun:v%u", n);
	}
	rig_serve(g);
}

/* --- turns --- */

static void poll_all(struct rig *g, bool look_closed)
{
	list_for_each_safe (l, &g->inis) {
		struct ini *i = list_entry(l, struct ini, link);

		ini_poll(i);
		if (look_closed)
			ini_look_closed(i);
	}
}

bool rig_turn(struct rig *g, uint64_t until_ns)
{
	bool busy;

	if (g->around)
		g->around(true);
	busy = fake_world_step(g->w);
	if (!busy && rig_now(g) < until_ns)
		fake_world_run_until(g->w, MIN(until_ns, rig_now(g) + IDLE_STEP_MS * RIG_MS));
	if (g->around)
		g->around(false);
	poll_all(g, !busy || ++g->turns % LOOK_CLOSED_EVERY == 0);
	return rig_now(g) < until_ns;
}

void rig_pass(struct rig *g, uint64_t ns)
{
	(void)RIG_WAIT(g, false, ns);
}

bool rig_do(struct rig *g, struct ini *i, struct ini_cmd *c)
{
	ini_submit(i, c);
	RIG_WAIT(g, c->state == INI_CMD_DONE || c->state == INI_CMD_LOST, 60 * RIG_S);
	if (c->state == INI_CMD_QUEUED || c->state == INI_CMD_SENT)
		ini_forget(c); /* the command is on the caller's stack */
	return c->state == INI_CMD_DONE;
}

bool rig_good(struct rig *g, struct ini *i, struct ini_cmd *c)
{
	return rig_do(g, i, c) && c->status == SCSI_GOOD;
}

bool rig_login(struct rig *g, struct ini *i, unsigned volume, unsigned reactor)
{
	struct ini_cmd c;

	rig_connect(g, i, reactor);
	ini_login(i, rig_target(g, volume));
	if (!RIG_WAIT(g, i->state != INI_LOGIN, 60 * RIG_S) || i->state != INI_FULL)
		return false;
	for (int tries = 0; tries < 4; tries++) {
		cmd_test_unit_ready(&c);
		if (rig_good(g, i, &c))
			return true;
	}
	return false;
}

/* --- looking inside --- */

unsigned rig_zombies(const struct rig *g)
{
	unsigned n = 0;

	for (unsigned k = 0; k < g->cfg.reactors; k++)
		n += g->r[k]->nzombies;
	return n;
}

uint64_t rig_used_bytes(const struct rig *g)
{
	uint64_t n = 0;

	for (unsigned k = 0; k < g->cfg.reactors; k++)
		n += pool_size_bytes(g->r[k]->pool) - pool_free_bytes(g->r[k]->pool);
	return n;
}

unsigned rig_fences(const struct rig *g, unsigned volume)
{
	unsigned n = 0;

	list_for_each (l, &g->v[volume].lu->fences)
		n++;
	return n;
}

void rig_forget_fences(struct rig *g, unsigned volume)
{
	struct list *fences = &g->v[volume].lu->fences;

	while (!list_empty(fences))
		fence_lift(list_first(fences, struct scsi_cmd, fence));
}

/* --- draining --- */

struct drain {
	struct io_msg msg;
	struct rig *g;
	struct iscsi_reactor *r;
	uint64_t bound_ns;
};

static void drained(struct iscsi_reactor *r)
{
	container_of(r->node, struct rig, node)->drained++;
}

static void drain_here(struct io_msg *m)
{
	struct drain *d = container_of(m, struct drain, msg);

	if (d->r == d->g->r[0] && d->g->listening)
		io_listen_stop(&d->g->listener);
	iscsi_reactor_drain(d->r, d->bound_ns, drained);
	free(d);
}

void rig_drain(struct rig *g, uint64_t bound_ns)
{
	for (unsigned n = 0; n < g->cfg.reactors; n++) {
		struct drain *d = calloc(1, sizeof(*d));

		assert(d);
		*d = (struct drain){
			.msg.run = drain_here, .g = g, .r = g->r[n], .bound_ns = bound_ns
		};
		io_post(g->io[n], &d->msg);
	}
}

/* --- the end --- */

static bool is_quiet(const struct rig *g)
{
	for (unsigned n = 0; n < g->cfg.reactors; n++)
		if (!list_empty(&g->r[n]->conns) || g->r[n]->nzombies || g->r[n]->nrunning ||
		    atomic_load(&g->r[n]->nconns))
			return false;
	return !g->listening;
}

static void assert_all_is_back(const struct rig *g)
{
	assert(list_empty(&g->node.sessions) && "a session is still registered");
	for (unsigned n = 0; n < g->cfg.reactors; n++)
		assert(pool_free_bytes(g->r[n]->pool) == pool_size_bytes(g->r[n]->pool) &&
		       "buffers are missing");
	list_for_each (l, &g->node.targets) {
		const struct iscsi_target *t = list_entry(l, struct iscsi_target, link);

		for (unsigned n = 0; n < g->cfg.reactors; n++)
			assert(!t->accounts[n].used_bytes && "the target's account is not empty");
	}
}

void rig_shut(struct rig *g)
{
	struct fake_knobs *knobs = fake_world_knobs(g->w);
	bool quiet;

	assert(g->serving);
	g->serving = false;
	knobs->fail_at = knobs->crash_at = UINT64_MAX;
	knobs->short_permille = 0;
	for (unsigned n = 0; n < g->cfg.volumes; n++)
		fake_file_release(g->v[n].file);
	list_for_each_safe (l, &g->inis)
		rig_drop(list_entry(l, struct ini, link));
	if (g->listening && !g->listener.stopping)
		io_listen_stop(&g->listener);
	fake_socks_reset_all(g->w);
	quiet = RIG_WAIT(g, is_quiet(g), 120 * RIG_S);
	assert(quiet && "a connection, a command or a zombie is still there");
	(void)quiet;
	fake_world_run(g->w);
	assert_all_is_back(g);
	iscsi_node_run(&g->node, false);
	for (unsigned n = 0; n < g->cfg.reactors; n++) {
		iscsi_reactor_free(g->r[n]);
		io_free(g->io[n]);
	}
	iscsi_node_fini(&g->node);
	for (unsigned n = 0; n < g->cfg.volumes; n++)
		if (g->v[n].lu) /* a test may have freed it */
			scsi_lu_free(g->v[n].lu);
}

void rig_fini(struct rig *g)
{
	if (g->serving)
		rig_shut(g);
	fake_world_free(g->w);
}
