/* malloc, calloc and realloc of this program, one of which can be made to fail: only
 * while armed, and never the fakes' own (fake_alloc.h). To be included by one file. */
#pragma once

#include "tests/fakes/fake_alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* ThreadSanitizer allocates before anything of ours may run: there, nothing can fail. */
#if defined(__SANITIZE_THREAD__)
#define ALLOC_FAULT 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ALLOC_FAULT 0
#endif
#endif
#ifndef ALLOC_FAULT
#define ALLOC_FAULT 1
#endif

/* The sanitizer's, where there is one; glibc's otherwise. */
void *__interceptor_malloc(size_t len) __attribute__((weak));
void *__interceptor_calloc(size_t n, size_t len) __attribute__((weak));
void *__interceptor_realloc(void *old, size_t len) __attribute__((weak));
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t n, size_t len);
void *__libc_realloc(void *old, size_t len);

static struct {
	volatile bool armed; /* likewise */
	bool fired;
	uint64_t fail_at; /* this allocation from now; UINT64_MAX: none */
	uint64_t seen;
} alloc_fault = { .fail_at = UINT64_MAX };

#if ALLOC_FAULT
static bool alloc_fails(void)
{
	if (!alloc_fault.armed || fake_alloc_ours)
		return false;
	alloc_fault.seen++;
	if (alloc_fault.fail_at == UINT64_MAX || alloc_fault.fail_at-- > 0)
		return false;
	alloc_fault.fail_at = UINT64_MAX;
	alloc_fault.fired = true;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t len)
{
	if (alloc_fails())
		return NULL;
	return __interceptor_malloc ? __interceptor_malloc(len) : __libc_malloc(len);
}

void *calloc(size_t n, size_t len)
{
	if (alloc_fails())
		return NULL;
	return __interceptor_calloc ? __interceptor_calloc(n, len) : __libc_calloc(n, len);
}

void *realloc(void *old, size_t len)
{
	if (alloc_fails())
		return NULL;
	return __interceptor_realloc ? __interceptor_realloc(old, len) : __libc_realloc(old, len);
}
#endif
