/* Allocations of the fakes themselves: a test that makes malloc fail (tests/component/
 * alloc_fault.h) means the server's, and lets those pass that are made while
 * fake_alloc_ours is not 0. */
#pragma once

#include <stddef.h>
#include <stdlib.h>

extern volatile unsigned fake_alloc_ours; /* compilers believe that malloc looks at nothing */

static inline void fake_alloc_begin(void)
{
	fake_alloc_ours++;
}
static inline void fake_alloc_end(void)
{
	fake_alloc_ours--;
}

void *fake_malloc(size_t len);
void *fake_calloc(size_t n, size_t len);
void *fake_realloc(void *old, size_t len);
