/* A buddy allocator over one lazily touched mapping.
 *
 *     arena   | 1 MiB | 1 MiB | 1 MiB | never handed out yet ... |
 *                                       ^ fresh
 *     pages   one struct page per 4 KiB, beside the arena
 *
 * A free block is split in halves until it fits; a block put back merges with its
 * other half ("buddy", the page number with one bit flipped) as long as that is
 * free. Both take at most eight steps. Free blocks of a size are a stack, so that
 * memory touched last is used first, and whole mebibytes are cut from the untouched
 * end only when no other is left: an idle server stays small.
 *
 * Free lists live beside the arena, not in it: a free block is never written.
 * Under AddressSanitizer free blocks are poisoned and fresh ones filled. */
#include "backstore/base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__) /* gcc */
#define POOL_ASAN 1
#elif defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif

#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>

static void poison(void *p, size_t bytes)
{
	__asan_poison_memory_region(p, bytes);
}

static void unpoison(void *p, size_t bytes)
{
	__asan_unpoison_memory_region(p, bytes);
}

static void fill(struct iovec v)
{
	memset(v.iov_base, 0xff, v.iov_len);
}
#else
static void poison(void *p MAYBE_UNUSED, size_t bytes MAYBE_UNUSED) {}
static void unpoison(void *p MAYBE_UNUSED, size_t bytes MAYBE_UNUSED) {}
static void fill(struct iovec v MAYBE_UNUSED) {}
#endif

enum {
	ORDERS = 9, /* 4 KiB << 0..8 */
	TOP = ORDERS - 1,
	TOP_PAGES = 1 << TOP,
};
static_assert((POOL_MIN_BYTES << TOP) == POOL_MAX_BYTES, "orders span the block sizes");

#define NIL UINT32_MAX

/* What starts at a page. */
enum page_state { PAGE_INSIDE, PAGE_FREE, PAGE_TAKEN };

struct page {
	uint32_t next, prev; /* of the free list, NIL-terminated */
	uint8_t state, order;
};

struct pool {
	uint8_t *arena;
	struct page *pages;
	uint64_t size_bytes, free_bytes;
	uint32_t pages_total, fresh; /* pages; from fresh on nothing was ever handed out */
	uint32_t nonempty;	     /* bit o: heads[o] is not NIL */
	uint32_t heads[ORDERS];
	void *map;
	size_t map_bytes, pages_bytes;
};

static void *map_lazily(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct pool *pool_new(uint64_t bytes)
{
	struct pool *p = calloc(1, sizeof(*p));
	uint64_t chunks = MAX(bytes / POOL_MAX_BYTES, 1);
	uintptr_t start;

	if (!p)
		return NULL;
	if (chunks > NIL / TOP_PAGES)
		goto fail;
	p->pages_total = (uint32_t)chunks * TOP_PAGES;
	p->size_bytes = p->free_bytes = chunks * POOL_MAX_BYTES;
	p->map_bytes = p->size_bytes + POOL_MAX_BYTES; /* room to align */
	p->pages_bytes = p->pages_total * sizeof(struct page);
	for (int o = 0; o < ORDERS; o++)
		p->heads[o] = NIL;
	p->map = map_lazily(p->map_bytes);
	if (!p->map)
		goto fail;
	p->pages = map_lazily(p->pages_bytes);
	if (!p->pages)
		goto fail_map;
	start = ((uintptr_t)p->map + POOL_MAX_BYTES - 1) & ~((uintptr_t)POOL_MAX_BYTES - 1);
	p->arena = (uint8_t *)p->map + (start - (uintptr_t)p->map);
	return p;

fail_map:
	munmap(p->map, p->map_bytes);
fail:
	free(p);
	return NULL;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	assert(p->free_bytes == p->size_bytes);
	unpoison(p->map, p->map_bytes);
	munmap(p->map, p->map_bytes);
	munmap(p->pages, p->pages_bytes);
	free(p);
}

static uint8_t *page_addr(const struct pool *p, uint32_t page)
{
	return p->arena + (uint64_t)page * POOL_MIN_BYTES;
}

static void push(struct pool *p, uint32_t page, unsigned order)
{
	p->pages[page] = (struct page){
		.next = p->heads[order], .prev = NIL, .state = PAGE_FREE, .order = (uint8_t)order
	};
	if (p->heads[order] != NIL)
		p->pages[p->heads[order]].prev = page;
	p->heads[order] = page;
	p->nonempty |= 1u << order;
}

static void unlink_free(struct pool *p, uint32_t page)
{
	struct page *b = &p->pages[page];

	if (b->next != NIL)
		p->pages[b->next].prev = b->prev;
	if (b->prev != NIL)
		p->pages[b->prev].next = b->next;
	else
		p->heads[b->order] = b->next;
	if (p->heads[b->order] == NIL)
		p->nonempty &= ~(1u << b->order);
	b->state = PAGE_INSIDE;
}

/* A free block of at least @order, or where there is none the largest below it;
 * then *order tells. NIL: the arena is full. */
static uint32_t find(struct pool *p, unsigned *order)
{
	uint32_t fitting = p->nonempty >> *order << *order;

	if (fitting)
		return p->heads[__builtin_ctz(fitting)];
	if (p->fresh < p->pages_total) {
		uint32_t page = p->fresh;

		p->fresh += TOP_PAGES;
		push(p, page, TOP);
		poison(page_addr(p, page), POOL_MAX_BYTES);
		return page;
	}
	if (!p->nonempty)
		return NIL;
	*order = 31 - (unsigned)__builtin_clz(p->nonempty);
	return p->heads[*order];
}

/* Takes a block of *order, or of the largest order below that there is (then it
 * says which). Halves that are not needed become free. */
static uint32_t take(struct pool *p, unsigned *order)
{
	uint32_t page = find(p, order);
	unsigned have;

	if (page == NIL)
		return NIL;
	have = p->pages[page].order;
	unlink_free(p, page);
	while (have > *order) {
		have--;
		push(p, page + (1u << have), have);
	}
	p->pages[page] = (struct page){ .state = PAGE_TAKEN, .order = (uint8_t)*order };
	p->free_bytes -= (uint64_t)POOL_MIN_BYTES << *order;
	return page;
}

static void give_back(struct pool *p, uint32_t page, unsigned order)
{
	/* A block put back twice, or with another length, is a bug that corrupts data. */
	assert(page < p->pages_total && p->pages[page].state == PAGE_TAKEN &&
	       p->pages[page].order == order);
	poison(page_addr(p, page), (size_t)POOL_MIN_BYTES << order);
	p->free_bytes += (uint64_t)POOL_MIN_BYTES << order;
	p->pages[page].state = PAGE_INSIDE;
	for (; order < TOP; order++) {
		uint32_t buddy = page ^ 1u << order;

		if (p->pages[buddy].state != PAGE_FREE || p->pages[buddy].order != order)
			break;
		unlink_free(p, buddy);
		page = MIN(page, buddy);
	}
	push(p, page, order);
}

static uint64_t pages_of(uint64_t len)
{
	return len / POOL_MIN_BYTES + (len % POOL_MIN_BYTES != 0);
}

/* The smallest block that holds @len bytes; at most TOP. */
static unsigned order_above(uint64_t len)
{
	uint64_t n = pages_of(len);

	if (n >= TOP_PAGES)
		return TOP;
	return n <= 1 ? 0 : 32 - (unsigned)__builtin_clz((unsigned)n - 1);
}

/* The largest block that @len bytes fill, the last page rounded up. */
static unsigned order_below(uint64_t len)
{
	uint64_t n = pages_of(len);

	return n >= TOP_PAGES ? TOP : 31 - (unsigned)__builtin_clz((unsigned)n);
}

int pool_get(struct pool *p, uint64_t len, struct iovec *iov, int max)
{
	uint64_t rest = len;
	int n = 0;

	assert(len > 0 && max > 0);
	if (len > p->free_bytes || pool_cost_bytes(len) > p->free_bytes)
		return -ENOMEM;
	while (rest && n < max) {
		/* The last piece allowed may be larger than it need be. */
		unsigned order = n == max - 1 ? order_above(rest) : order_below(rest);
		uint32_t page = take(p, &order);

		if (page == NIL)
			break;
		iov[n].iov_base = page_addr(p, page);
		iov[n].iov_len = (size_t)MIN(rest, (uint64_t)POOL_MIN_BYTES << order);
		rest -= iov[n].iov_len;
		unpoison(iov[n].iov_base, iov[n].iov_len);
		n++;
	}
	if (rest) {
		pool_put(p, iov, n);
		return -ENOMEM;
	}
	for (int i = 0; i < n; i++)
		fill(iov[i]);
	return n;
}

void pool_put(struct pool *p, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		uint64_t off = (uint64_t)((const uint8_t *)iov[i].iov_base - p->arena);

		assert(off < p->size_bytes && off % POOL_MIN_BYTES == 0);
		give_back(p, (uint32_t)(off / POOL_MIN_BYTES), order_above(iov[i].iov_len));
	}
}

uint64_t pool_size_bytes(const struct pool *p)
{
	return p->size_bytes;
}

uint64_t pool_free_bytes(const struct pool *p)
{
	return p->free_bytes;
}

uint64_t pool_cost_bytes(uint64_t len)
{
	return pages_of(len) * POOL_MIN_BYTES;
}
