/* Histories of blocks.
 *
 * Every write is an interval of a logical clock: it began, and it is over (or not yet). Each
 * block has the list of writes that touched it. A write is out of the question for a block when
 * some other one that counts (GOOD; durable, after power loss) began after it was over. */
#include "tests/fakes/medium_model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEVER UINT64_MAX

struct write {
	uint32_t lba, n;
	uint64_t begun, over; /* NEVER: still under way */
	bool zero, good, durable;
};

struct history {
	uint32_t *ids;
	uint32_t n, cap;
};

struct model {
	uint32_t nblocks;
	uint64_t clock;
	struct write *writes;
	uint32_t nwrites, cap;
	struct history *blocks;
	char why[256];
};

uint64_t model_now(struct model *m)
{
	return ++m->clock;
}

static void history_add(struct history *h, uint32_t id)
{
	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 4;
		h->ids = realloc(h->ids, h->cap * sizeof(*h->ids));
		assert(h->ids);
	}
	h->ids[h->n++] = id;
}

static uint32_t begin(struct model *m, uint32_t lba, uint32_t n, bool zero)
{
	uint32_t id = m->nwrites++;

	assert(lba <= m->nblocks && n <= m->nblocks - lba);
	if (id == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 64;
		m->writes = realloc(m->writes, m->cap * sizeof(*m->writes));
		assert(m->writes);
	}
	m->writes[id] = (struct write){ lba, n, model_now(m), NEVER, zero, false, false };
	for (uint32_t i = 0; i < n; i++)
		history_add(&m->blocks[lba + i], id);
	return id;
}

struct model *model_new(uint32_t nblocks)
{
	struct model *m = calloc(1, sizeof(*m));

	assert(m);
	m->nblocks = nblocks;
	m->blocks = calloc(nblocks, sizeof(*m->blocks));
	assert(m->blocks);
	/* number 0: the zeros of a new disk */
	model_write_end(m, begin(m, 0, nblocks, true), true, true);
	return m;
}

void model_free(struct model *m)
{
	for (uint32_t i = 0; i < m->nblocks; i++)
		free(m->blocks[i].ids);
	free(m->blocks);
	free(m->writes);
	free(m);
}

const char *model_why(const struct model *m)
{
	return m->why;
}

uint32_t model_write_begin(struct model *m, uint32_t lba, uint32_t n)
{
	return begin(m, lba, n, false);
}

uint32_t model_zero_begin(struct model *m, uint32_t lba, uint32_t n)
{
	return begin(m, lba, n, true);
}

/* The first word is the write, the second the place, the rest follows from both. */
static void fill_block(uint32_t id, uint32_t lba, uint8_t out[MODEL_BLOCK])
{
	uint64_t x = (uint64_t)id << 32 | lba, words[MODEL_BLOCK / 8];

	words[0] = id;
	words[1] = lba;
	for (unsigned i = 2; i < MODEL_BLOCK / 8; i++) {
		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u + i;
		words[i] = x;
	}
	memcpy(out, words, MODEL_BLOCK);
}

void model_fill(const struct model *m, uint32_t id, void *buf)
{
	const struct write *w = &m->writes[id];

	for (uint32_t i = 0; i < w->n; i++)
		fill_block(id, w->lba + i, (uint8_t *)buf + (size_t)i * MODEL_BLOCK);
}

void model_write_end(struct model *m, uint32_t id, bool good, bool fua)
{
	struct write *w = &m->writes[id];

	assert(w->over == NEVER);
	w->over = model_now(m);
	w->good = good;
	w->durable = good && fua;
}

void model_flushed(struct model *m, uint64_t begun)
{
	for (uint32_t i = 0; i < m->nwrites; i++)
		if (m->writes[i].good && m->writes[i].over < begun)
			m->writes[i].durable = true;
}

/* --- judging --- */

enum judge { JUDGE_READ, JUDGE_DEATH, JUDGE_POWER };

/* What @w says about older writes, where @how. */
static bool replaces(const struct write *w, enum judge how, uint64_t begun)
{
	if (how == JUDGE_POWER)
		return w->durable;
	return w->good && (how == JUDGE_DEATH || w->over < begun);
}

static bool is_possible(const struct model *m, const struct history *h, uint32_t id, enum judge how,
			uint64_t begun)
{
	for (uint32_t i = 0; i < h->n; i++) {
		const struct write *newer = &m->writes[h->ids[i]];

		if (newer->begun > m->writes[id].over && replaces(newer, how, begun))
			return false;
	}
	return true;
}

/* The write that the bytes come from; -1: none. */
static int64_t written_by(const struct model *m, uint32_t lba, const uint8_t *block)
{
	static const uint8_t zeros[MODEL_BLOCK];
	uint8_t expected[MODEL_BLOCK];
	uint64_t id;

	if (!memcmp(block, zeros, MODEL_BLOCK))
		return 0;
	memcpy(&id, block, sizeof(id));
	if (!id || id >= m->nwrites || m->writes[id].zero)
		return -1;
	fill_block((uint32_t)id, lba, expected);
	return memcmp(block, expected, MODEL_BLOCK) ? -1 : (int64_t)id;
}

static bool judge(struct model *m, uint32_t lba, const uint8_t *block, enum judge how,
		  uint64_t begun)
{
	const struct history *h = &m->blocks[lba];
	int64_t id = written_by(m, lba, block);

	for (uint32_t i = 0; id >= 0 && i < h->n; i++) {
		const struct write *w = &m->writes[h->ids[i]];

		if ((id ? h->ids[i] == id : w->zero) && is_possible(m, h, h->ids[i], how, begun))
			return true;
	}
	if (id < 0)
		snprintf(m->why, sizeof(m->why), "block %u holds what was never written there",
			 lba);
	else
		snprintf(m->why, sizeof(m->why),
			 "block %u holds write %lld%s, which a later one has replaced", lba,
			 (long long)id, id ? "" : " (zeros)");
	return false;
}

bool model_check_read(struct model *m, uint32_t lba, uint32_t n, const void *buf, uint64_t begun)
{
	for (uint32_t i = 0; i < n; i++)
		if (!judge(m, lba + i, (const uint8_t *)buf + (size_t)i * MODEL_BLOCK, JUDGE_READ,
			   begun))
			return false;
	return true;
}

/* What is there is all that there is: one durable write a block. */
static void settle(struct model *m, uint32_t lba, const uint8_t *block)
{
	struct history *h = &m->blocks[lba];
	int64_t id = written_by(m, lba, block);

	h->n = 0;
	history_add(h, (uint32_t)id);
}

static bool check_all(struct model *m, const uint8_t *buf, enum judge how)
{
	for (uint32_t lba = 0; lba < m->nblocks; lba++)
		if (!judge(m, lba, buf + (size_t)lba * MODEL_BLOCK, how, NEVER))
			return false;
	for (uint32_t lba = 0; lba < m->nblocks; lba++)
		settle(m, lba, buf + (size_t)lba * MODEL_BLOCK);
	for (uint32_t i = 0; i < m->nwrites; i++) {
		struct write *w = &m->writes[i];

		if (w->over == NEVER)
			w->over = model_now(m);
		w->good = true;
		w->durable |= how == JUDGE_POWER;
	}
	return true;
}

bool model_check_power_loss(struct model *m, const void *buf)
{
	return check_all(m, buf, JUDGE_POWER);
}

bool model_check_death(struct model *m, const void *buf)
{
	return check_all(m, buf, JUDGE_DEATH);
}
