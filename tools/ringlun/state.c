/* ringlun state, ringlun apply.
 *
 * apply asks the server twice: what would be done, which is shown, and then to do it. What it has
 * then done is compared with what was shown: somebody may have changed something in between. */
#include "tools/ringlun/call.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/diff.h"
#include "tools/ringlun/document.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/url.h"

#include <stdlib.h>
#include <string.h>

enum command_status state_show(struct call *c)
{
	json_t *answer;
	enum command_status status = request_get(c, url_format("/v1/state"), NULL, &answer);

	if (status)
		return status;
	call_print_json(answer);
	json_decref(answer);
	return STATUS_OK;
}

static char *url_of(const struct call *c, bool dry_run)
{
	char *url = url_format("/v1/state");

	if (dry_run)
		url = url_add(url, "dry_run", "true");
	if (call_has(c, "delete-volumes"))
		url = url_add(url, "delete_volumes", "true");
	return url;
}

static void print_sum(const json_t *steps, const char *what)
{
	unsigned create = 0, change = 0, gone = 0;
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		const char *action = field_text(step, "action", "");

		create += !strcmp(action, "create");
		change += !strcmp(action, "change");
		gone += !strcmp(action, "delete");
	}
	printf("%u to make, %u to change, %u to delete: %s\n", create, change, gone, what);
}

/* Shows the difference; *@go: there is one, and it is to be made. */
static enum command_status preview(struct call *c, json_t *document, json_t **steps, bool *go)
{
	bool json = c->json, dry_run = call_has(c, "dry-run");
	enum command_status status;
	json_t *answer;

	*go = false;
	c->json = json && dry_run;
	status = request_change(c, "PUT", url_of(c, true), json_incref(document), &answer);
	c->json = json;
	if (status)
		return status;
	*steps = json_incref(json_object_get(answer, "steps"));
	json_decref(answer);
	if (!json_is_array(*steps))
		return call_fail(STATUS_FAILED,
				 "%s says not what it would do: is it a ringlund of "
				 "our version?",
				 client_where(c->client));
	*go = !dry_run && json_array_size(*steps);
	if (json) {
		*go = !dry_run; /* its answer is wanted in any case */
		return STATUS_OK;
	}
	diff_print(*steps, stdout);
	if (!json_array_size(*steps))
		puts("nothing to change");
	else if (dry_run)
		print_sum(*steps, "not done (--dry-run)");
	if (dry_run && diff_deletes_volumes(*steps) && !call_has(c, "delete-volumes"))
		puts("volumes that the document leaves out go with their data only by "
		     "--delete-volumes");
	return STATUS_OK;
}

static enum command_status apply(struct call *c, json_t *document, const json_t *shown)
{
	enum command_status status;
	json_t *answer, *steps;

	/* without the option the server refuses, and says why */
	if (diff_deletes_volumes(shown) && call_has(c, "delete-volumes") &&
	    !call_confirm(c, "volumes (- volume) go with all of their data, for good"))
		return call_fail(STATUS_FAILED, "nothing has changed");
	status = request_change(c, "PUT", url_of(c, false), json_incref(document), &answer);
	if (status)
		return status;
	steps = json_object_get(answer, "steps");
	if (!c->json && steps && !json_equal(steps, shown)) {
		puts("In the meantime something had changed; this was done:");
		diff_print(steps, stdout);
	}
	if (!c->json)
		print_sum(steps ? steps : shown, "done");
	json_decref(answer);
	return STATUS_OK;
}

enum command_status state_apply(struct call *c)
{
	const char *path = call_value(c, "file");
	char why[CLIENT_WHY_BYTES];
	json_t *document, *steps = NULL;
	enum command_status status;
	bool go;

	if (!path)
		return call_usage(c, "apply: what? -f FILE is missing (- is standard input)");
	if (document_read(&document, path, why, sizeof(why)))
		return call_fail(STATUS_FAILED, "%s", why);
	status = preview(c, document, &steps, &go);
	if (!status && go)
		status = apply(c, document, steps);
	json_decref(steps);
	json_decref(document);
	return status;
}
