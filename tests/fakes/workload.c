/* Commands in flight, and what the model is told of each. */
#include "tests/fakes/workload.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { READ, WRITE, WRITE_FUA, FLUSH, UNMAP };

struct load_cmd {
	struct ini_cmd c;
	struct list link; /* in load.lost */
	struct load *l;
	unsigned who;
	enum kind kind;
	uint32_t lba, n, id;
	uint64_t begun;
	uint8_t unmap[24];
	uint8_t buf[];
};

static uint32_t nblocks(const struct load *l)
{
	return (uint32_t)(l->g->cfg.volume_bytes / MODEL_BLOCK);
}

static enum kind random_kind(const struct load *l)
{
	uint64_t r = fake_world_random(l->g->w, 1000);

	for (unsigned k = 0; k < 4; k++) {
		if (r < l->permille[k])
			return (enum kind)k;
		r -= l->permille[k];
	}
	return UNMAP;
}

static bool changes(const struct load_cmd *q)
{
	return q->kind == WRITE || q->kind == WRITE_FUA || q->kind == UNMAP;
}

static void wrong(struct load *l, const struct load_cmd *q, const char *what)
{
	if (!*l->wrong)
		snprintf(l->wrong, sizeof(l->wrong), "%s (kind %d, lba %u, %u blocks)", what,
			 (int)q->kind, q->lba, q->n);
}

static void answered_good(struct load *l, struct load_cmd *q)
{
	l->ngood++;
	if (q->kind == FLUSH)
		model_flushed(l->m, q->begun);
	else if (q->kind == READ && (q->c.in_len != q->n * MODEL_BLOCK || q->c.residual))
		wrong(l, q, "a short read is GOOD");
	else if (q->kind == READ && !model_check_read(l->m, q->lba, q->n, q->buf, q->begun))
		wrong(l, q, model_why(l->m));
}

static void done(struct ini_cmd *c)
{
	struct load_cmd *q = container_of(c, struct load_cmd, c);
	struct load *l = q->l;
	bool good = c->state == INI_CMD_DONE && c->status == SCSI_GOOD;

	l->outstanding[q->who]--;
	if (l->abortee[q->who] == q)
		l->abortee[q->who] = NULL;
	if (c->state == INI_CMD_LOST && !l->ending && changes(q)) {
		/* it may land until the next session is there */
		list_add_tail(&l->lost, &q->link);
		l->nlost++;
		return;
	}
	if (c->state == INI_CMD_DONE) {
		if (good)
			answered_good(l, q);
		else if (c->status == SCSI_BUSY || c->status == SCSI_TASK_SET_FULL)
			l->nbusy++;
		else
			l->nfailed++;
		if (changes(q))
			model_write_end(l->m, q->id, good, q->kind == WRITE_FUA);
	}
	free(q);
}

static void send_one(struct load *l, unsigned who)
{
	enum kind kind = random_kind(l);
	uint32_t n = 1 + (uint32_t)fake_world_random(l->g->w, l->max_blocks);
	uint32_t lba = (uint32_t)fake_world_random(l->g->w, nblocks(l) - n + 1);
	struct load_cmd *q = calloc(1, sizeof(*q) + (size_t)n * MODEL_BLOCK);

	assert(q);
	if (kind == UNMAP) { /* whole pages only are sure to become zeros in one step */
		lba = lba / 8 * 8;
		n = MIN((n + 7) / 8 * 8, nblocks(l) - lba);
	}
	list_init(&q->link);
	q->l = l;
	q->who = who;
	q->kind = kind;
	q->lba = lba;
	q->n = n;
	q->begun = model_now(l->m);
	switch (kind) {
	case READ:
		cmd_read(&q->c, lba, n, q->buf);
		break;
	case WRITE:
	case WRITE_FUA:
		q->id = model_write_begin(l->m, lba, n);
		model_fill(l->m, q->id, q->buf);
		cmd_write(&q->c, lba, n, q->buf, kind == WRITE_FUA);
		break;
	case FLUSH:
		cmd_flush(&q->c);
		break;
	case UNMAP:
		q->id = model_zero_begin(l->m, lba, n);
		cmd_unmap(&q->c, lba, n, q->unmap);
		break;
	}
	q->c.done = done;
	l->outstanding[who]++;
	l->left--;
	ini_submit(&l->inis[who], &q->c);
}

/* The old session is over for certain: its writes have landed, or are fenced. */
static void end_lost(struct load *l, unsigned who)
{
	list_for_each_safe (at, &l->lost) {
		struct load_cmd *q = list_entry(at, struct load_cmd, link);

		if (q->who != who)
			continue;
		list_del(&q->link);
		model_write_end(l->m, q->id, false, false);
		free(q);
	}
}

static void connect_one(struct load *l, unsigned who)
{
	rig_connect(l->g, &l->inis[who], (unsigned)fake_world_random(l->g->w, l->g->cfg.reactors));
	ini_login(&l->inis[who], rig_target(l->g, l->volume));
	l->nlogins++;
	l->ready[who] = l->aborting[who] = false;
	l->abortee[who] = NULL;
}

/* --- aborts --- */

static void abort_one(struct load *l, unsigned who)
{
	struct ini *i = &l->inis[who];
	unsigned nth = (unsigned)fake_world_random(l->g->w, MAX(i->nsent, 1u));

	list_for_each (at, &i->sent) {
		struct ini_cmd *c = list_entry(at, struct ini_cmd, link);

		if (nth-- > 0)
			continue;
		l->abortee[who] = container_of(c, struct load_cmd, c);
		l->aborting[who] = true;
		l->tmfs_before[who] = i->tmfs;
		ini_tmf(i, ISCSI_TMF_ABORT_TASK, 0, c);
		return;
	}
}

static void abort_answered(struct load *l, unsigned who)
{
	struct load_cmd *q = l->abortee[who];
	struct ini *i = &l->inis[who];

	l->aborting[who] = false;
	l->abortee[who] = NULL;
	if (!q) /* answered before */
		return;
	if (i->tmf_response != ISCSI_TMF_COMPLETE) {
		/* no such task, yet no answer either: it may still be on its way only
		 * if it was sent before, and then it would be here (one stream) */
		wrong(l, q, "a task that was never answered is not there to abort");
		return;
	}
	if (changes(q))
		model_write_end(l->m, q->id, false, false);
	l->naborted++;
	q->kind = READ; /* the model has been told */
	ini_forget(&q->c);
}

/* --- the loop --- */

static void look_at(struct load *l, unsigned who)
{
	struct ini *i = &l->inis[who];

	if (i->closed || i->state == INI_REFUSED) {
		l->nrefused += i->state == INI_REFUSED;
		l->aborting[who] = false;
		if (l->left || !list_empty(&l->lost)) {
			if (!i->closed)
				ini_close(i);
			connect_one(l, who);
		}
		return;
	}
	if (i->state != INI_FULL)
		return;
	if (!l->ready[who])
		end_lost(l, who);
	l->ready[who] = true;
	if (l->aborting[who] && i->tmfs != l->tmfs_before[who])
		abort_answered(l, who);
	else if (!l->aborting[who] && l->abort_permille &&
		 fake_world_random(l->g->w, 1000) < l->abort_permille)
		abort_one(l, who);
	while (l->left && l->outstanding[who] < l->depth)
		send_one(l, who);
}

void load_turn(struct load *l, uint64_t until_ns)
{
	rig_turn(l->g, until_ns);
	for (unsigned n = 0; n < l->ninis; n++) {
		look_at(l, n);
		if (*l->inis[n].broken && !*l->wrong)
			snprintf(l->wrong, sizeof(l->wrong), "initiator %u: %s", n,
				 l->inis[n].broken);
	}
}

bool load_is_over(const struct load *l)
{
	if (l->left || !list_empty(&l->lost))
		return false;
	for (unsigned n = 0; n < l->ninis; n++)
		if (l->outstanding[n] || l->aborting[n])
			return false;
	return true;
}

bool load_run(struct load *l, uint64_t max_ns)
{
	uint64_t until = rig_now(l->g) + max_ns;

	while (!load_is_over(l) && !*l->wrong && rig_now(l->g) < until)
		load_turn(l, until);
	return load_is_over(l) && !*l->wrong;
}

void load_init(struct load *l)
{
	list_init(&l->lost);
	assert(l->ninis <= LOAD_MAX_INIS && l->depth && l->max_blocks);
	for (unsigned n = 0; n < l->ninis; n++)
		ini_init(&l->inis[n], l->g->w, "iqn.2026-11.io.ringlun.test:one", (uint8_t)n);
}

void load_fini(struct load *l)
{
	struct list *at;

	l->ending = true;
	for (unsigned n = 0; n < l->ninis; n++)
		rig_drop(&l->inis[n]);
	while ((at = list_pop(&l->lost)))
		free(list_entry(at, struct load_cmd, link));
}

bool load_check_all(struct load *l)
{
	enum { AT_ONCE = 512 };
	uint8_t *buf = malloc(AT_ONCE * MODEL_BLOCK);
	struct ini_cmd c;
	struct ini i;
	bool good;

	assert(buf);
	ini_init(&i, l->g->w, "iqn.2026-11.io.ringlun.test:one", 0xee);
	good = rig_login(l->g, &i, l->volume, 0);
	for (uint32_t lba = 0; good && lba < nblocks(l); lba += AT_ONCE) {
		uint32_t n = MIN(AT_ONCE, nblocks(l) - lba);
		uint64_t begun = model_now(l->m);

		cmd_read(&c, lba, n, buf);
		good = rig_good(l->g, &i, &c) && model_check_read(l->m, lba, n, buf, begun);
	}
	if (!good && !*l->wrong && *model_why(l->m))
		snprintf(l->wrong, sizeof(l->wrong), "in the end: %s", model_why(l->m));
	rig_drop(&i);
	free(buf);
	return good;
}
