/* ringlun pool, ringlun check. */
#include "backstore/base/log.h"
#include "snapshot/volume_pool.h"
#include "tools/ringlun/call.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/text.h"
#include "tools/ringlun/url.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum command_status pool_list(struct call *c)
{
	static const char *const heads[] = { "NAME",  "FOLDER",	  "VOLUME GROUP",
					     "STATE", ">VOLUMES", NULL };
	const json_t *pool;
	struct table t;
	json_t *answer;
	size_t i;
	enum command_status status = request_get(c, url_format("/v1/pools"), "pools", &answer);

	if (status)
		return status;
	if (c->json) {
		call_print_json(answer);
		json_decref(answer);
		return STATUS_OK;
	}
	table_init(&t, heads);
	json_array_foreach(json_object_get(answer, "pools"), i, pool)
	{
		table_add(&t, field_text(pool, "name", "?"));
		table_add(&t, field_text(pool, "path", "?"));
		table_add(&t, field_text(pool, "volume_group", "-"));
		table_add(&t, field_text(pool, "state", "-"));
		table_addf(&t, "%" PRIu64, field_number(pool, "volumes"));
	}
	table_print(&t, stdout, 0);
	table_fini(&t);
	json_array_foreach(json_object_get(answer, "pools"), i,
			   pool) if (field_is_given(pool, "error"))
		table_line(stdout, "error:", "%s: %s", field_text(pool, "name", "?"),
			   field_text(pool, "error", "?"));
	json_decref(answer);
	return STATUS_OK;
}

/* The server has another working folder than we; NULL after saying why. */
static char *whole_path(struct call *c, const char *path)
{
	char *here, *whole;

	if (*path == '/')
		return mem_copy(path);
	if (!client_is_local(c->client)) {
		call_usage(c, "'%s': give the whole path, from the server's root", path);
		return NULL;
	}
	here = getcwd(NULL, 0);
	if (!here) {
		call_fail(STATUS_FAILED, "%s: where is this? getcwd: %s", path, strerror(errno));
		return NULL;
	}
	whole = mem_print("%s/%s", here, path);
	free(here);
	if (text_is_good_utf8(whole))
		return whole;
	call_fail(STATUS_FAILED, "%s: its whole path is not UTF-8", path);
	free(whole);
	return NULL;
}

static enum command_status add_pool(struct call *c, bool import, const char *done)
{
	enum command_status status = request_open(c);
	char *path = status ? NULL : whole_path(c, c->args[1]);
	json_t *body;

	if (!path)
		return status ? status : STATUS_USAGE;
	body = mem_need(json_pack("{s:s, s:s, s:b}", "name", c->args[0], "path", path, "import",
				  (int)import));
	if (!import && call_has(c, "volume-group") &&
	    json_object_set_new(body, "volume_group", json_string(call_value(c, "volume-group"))))
		mem_need(NULL);
	status = request_change(c, "POST", url_format("/v1/pools"), body, NULL);
	if (!status && !c->json)
		printf("pool %s: %s %s\n", c->args[0], done, path);
	free(path);
	return status;
}

enum command_status pool_create(struct call *c)
{
	return add_pool(c, false, "made in");
}

enum command_status pool_import(struct call *c)
{
	return add_pool(c, true, "serves what is in");
}

enum command_status pool_remove(struct call *c)
{
	enum command_status status =
		request_change(c, "DELETE", url_format("/v1/pools/%s", c->args[0]), NULL, NULL);

	if (!status && !c->json)
		printf("pool %s: not served any more; its data stays\n", c->args[0]);
	return status;
}

/* --- check, without a server -------------------------------------------------------------------
 */

static void report(void *arg, const char *what)
{
	json_t *problems = arg;

	if (json_array_append_new(problems, json_string(what)))
		mem_need(NULL);
}

enum command_status pool_check(struct call *c)
{
	json_t *problems = mem_need(json_array()), *problem, *answer;
	char why[CLIENT_WHY_BYTES] = "";
	size_t i;
	int rc;

	log_set_level(LOG_WARN); /* its words are the server's */
	rc = vpool_check(c->args[0], report, problems, why, sizeof(why));
	if (rc < 0) {
		json_decref(problems);
		return call_fail(rc == -ENOENT	? STATUS_NOT_FOUND
				 : rc == -EBUSY ? STATUS_CONFLICT
						: STATUS_FAILED,
				 "%s", *why ? why : strerror(-rc));
	}
	if (c->json) {
		answer = mem_need(json_pack("{s:i, s:O}", "count", rc, "problems", problems));
		call_print_json(answer);
		json_decref(answer);
	} else if (!rc) {
		printf("pool %s: all is well\n", c->args[0]);
	} else {
		json_array_foreach(problems, i, problem)
			table_line(stdout, "problem:", "%s", json_string_value(problem));
		printf("pool %s: %d problem%s\n", c->args[0], rc, rc == 1 ? "" : "s");
	}
	json_decref(problems);
	return rc ? STATUS_FAILED : STATUS_OK;
}
