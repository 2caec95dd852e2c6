/* Bodies of calls hold secrets of CHAP, and a parser copies them about: into the strings of the
 * tree, and into a buffer of its own where a token is put together. To wipe the tree alone would
 * miss the latter, and each tree that is dropped on the way to an error; so all that jansson gives
 * back to the heap is wiped there. The API is no data path: the price does not show. */
#include "target/control/api.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void wipe_and_free(void *p)
{
	if (!p)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void api_json_init(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}
