/* malloc and the like, marked as the fakes' own. */
#include "tests/fakes/fake_alloc.h"

volatile unsigned fake_alloc_ours;

void *fake_malloc(size_t len)
{
	void *p;

	fake_alloc_begin();
	p = malloc(len);
	fake_alloc_end();
	return p;
}

void *fake_calloc(size_t n, size_t len)
{
	void *p;

	fake_alloc_begin();
	p = calloc(n, len);
	fake_alloc_end();
	return p;
}

void *fake_realloc(void *old, size_t len)
{
	void *p;

	fake_alloc_begin();
	p = realloc(old, len);
	fake_alloc_end();
	return p;
}
