/* Memory.
 *
 * jansson and libcurl copy the secrets that pass through them, into strings and buffers that they
 * free unwiped: so both get these functions at the start (command_main), and nothing is left of a
 * secret in what was freed. */
#include "tools/ringlun/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *mem_need(void *p)
{
	if (p)
		return p;
	fputs("ringlun: out of memory\n", stderr);
	exit(1);
}

char *mem_copy(const char *text)
{
	return mem_need(strdup(text));
}

char *mem_print(const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return mem_need(len < 0 ? NULL : text);
}

void *mem_wiping_alloc(size_t bytes)
{
	return malloc(bytes);
}

void *mem_wiping_calloc(size_t n, size_t bytes)
{
	return calloc(n, bytes);
}

void mem_wiping_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void *mem_wiping_realloc(void *p, size_t bytes)
{
	void *more;

	if (!p)
		return malloc(bytes);
	more = malloc(bytes ? bytes : 1);
	if (!more)
		return NULL;
	memcpy(more, p, MIN(bytes, malloc_usable_size(p)));
	mem_wiping_free(p);
	return more;
}

char *mem_wiping_strdup(const char *text)
{
	return strdup(text);
}
