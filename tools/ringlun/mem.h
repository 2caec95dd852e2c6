/* Memory of a command that runs once: no memory ends it. What may have held a secret is wiped. */
#pragma once

#include "backstore/base/compiler.h"

#include <stddef.h>

/* @p, or the end of the process where it is NULL. */
void *mem_need(void *p);
char *mem_copy(const char *text);
char *mem_print(const char *format, ...) PRINTF(1, 2);

/* For libraries that copy what they are given: what they free is wiped. */
void *mem_wiping_alloc(size_t bytes);
void *mem_wiping_calloc(size_t n, size_t bytes);
void *mem_wiping_realloc(void *p, size_t bytes);
char *mem_wiping_strdup(const char *text);
void mem_wiping_free(void *p);
