/* Secrets come and go in JSON: they are overwritten before their memory is free for others.
 *
 * Jansson's parser has copies of its own (the token's text), so there are two ways: the texts of a
 * tree, wherever it came from, and everything that jansson frees, from the start of a process on.
 */
#include "target/control/model_json.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void wipe_text(json_t *j)
{
	/* the memory is the tree's own; only its type is const */
	explicit_bzero((char *)(uintptr_t)json_string_value(j), json_string_length(j));
}

/* As deep as the parser lets a text be: JSON_PARSER_MAX_DEPTH, 2048. */
void json_wipe(json_t *j)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(j))
		wipe_text(j);
	json_array_foreach(j, i, value) json_wipe(value);
	json_object_foreach(j, key, value) json_wipe(value);
}

static _Thread_local bool ran_out; /* jansson's calls have no argument for it */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void *noting_malloc(size_t len)
{
	void *p = malloc(len);

	if (!p)
		ran_out = true;
	return p;
}

static void wiping_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void set_functions(void)
{
	json_set_alloc_funcs(noting_malloc, wiping_free);
}

void json_wipe_always(void)
{
	pthread_once(&once, set_functions);
}

int json_read(json_t **out, const char *text, size_t len, json_error_t *error)
{
	json_t *j;

	json_wipe_always();
	ran_out = false;
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES, error);
	if (j && !ran_out) {
		*out = j;
		return 0;
	}
	json_wipe(j);
	json_decref(j);
	return ran_out ? -ENOMEM : -EINVAL;
}
