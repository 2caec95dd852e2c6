/* A slot is a place for one block. When verifying, each has a word:
 *
 *     bit 31      under way
 *     bit 30      a write of it failed: what it holds is not known
 *     bits 0-29   the last write's generation; 0 = this run has not written it
 *
 * The table is mapped, not allocated: of a large disk only the pages of slots that
 * are used take memory. */
#include "bench/src/picker.h"

#include "backstore/base/compiler.h"

#include <errno.h>
#include <sys/mman.h>

__extension__ typedef unsigned __int128 uint128;

#define UNDER_WAY  0x80000000u
#define UNCERTAIN  0x40000000u
#define GENERATION 0x3fffffffu

static uint64_t rng_next(struct picker *p)
{
	uint64_t z = p->rng += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static uint64_t rng_below(struct picker *p, uint64_t n)
{
	return (uint64_t)((uint128)rng_next(p) * n >> 64);
}

int picker_init(struct picker *p, uint64_t off_bytes, uint64_t len_bytes, uint64_t block_bytes,
		bool verify)
{
	void *map;

	p->first_off_bytes = off_bytes;
	p->block_bytes = block_bytes;
	p->slots = len_bytes / block_bytes;
	p->next_slot = p->readback_slot = 0;
	p->states = NULL;
	if (!verify)
		return 0;
	map = mmap(NULL, p->slots * sizeof(*p->states), PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED)
		return -errno;
	p->states = map;
	return 0;
}

void picker_fini(struct picker *p)
{
	if (p->states)
		munmap(p->states, p->slots * sizeof(*p->states));
	p->states = NULL;
}

static uint32_t known_generation(uint32_t state)
{
	return state & UNCERTAIN ? 0 : state & GENERATION;
}

static void fill_pick(struct picker *p, struct pick *pick, uint64_t slot, bool is_write)
{
	uint32_t *state = p->states ? &p->states[slot] : NULL;

	*pick = (struct pick){
		.off_bytes = p->first_off_bytes + slot * p->block_bytes,
		.slot = slot,
		.is_write = is_write,
	};
	if (!state)
		return;
	/* after 2^30 writes of one block it would begin again at 1 */
	pick->generation =
		is_write ? (*state & GENERATION) % GENERATION + 1 : known_generation(*state);
	*state |= UNDER_WAY;
}

/* Goes on from @slot to one that is not under way; p->slots where all are. */
static uint64_t free_slot(const struct picker *p, uint64_t slot)
{
	if (!p->states)
		return slot;
	for (uint64_t tries = 0; tries < p->slots; tries++) {
		if (!(p->states[slot] & UNDER_WAY))
			return slot;
		if (++slot == p->slots)
			slot = 0;
	}
	return p->slots;
}

bool picker_next(struct picker *p, struct pick *pick)
{
	bool is_write = false;
	uint64_t slot;

	slot = free_slot(p, p->random ? rng_below(p, p->slots) : p->next_slot);
	if (slot == p->slots)
		return false;
	p->next_slot = slot + 1 == p->slots ? 0 : slot + 1;
	if (p->read_percent < 100)
		is_write = p->read_percent == 0 || rng_below(p, 100) >= p->read_percent;
	fill_pick(p, pick, slot, is_write);
	return true;
}

bool picker_next_written(struct picker *p, struct pick *pick)
{
	while (p->states && p->readback_slot < p->slots) {
		uint64_t slot = p->readback_slot++;

		if (!known_generation(p->states[slot]))
			continue;
		fill_pick(p, pick, slot, false);
		return true;
	}
	return false;
}

void picker_done(struct picker *p, const struct pick *pick, enum picker_end end)
{
	uint32_t *state;

	if (!p->states)
		return;
	state = &p->states[pick->slot];
	*state &= ~UNDER_WAY;
	if (end == PICKER_WRITTEN)
		*state = pick->generation;
	else if (end == PICKER_UNKNOWN)
		*state = UNCERTAIN | pick->generation;
}
