/* ringlun target: listing, making, deleting, and what a target is. Who may log in:
 * target_access.c. */
#include "tools/ringlun/call.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/url.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What @add says of each member of @array, with commas between; "-" for none; to be freed. */
static char *join(const json_t *array, char *(*say)(const json_t *member), const char *none)
{
	char *text = mem_copy(json_array_size(array) ? "" : none);
	const json_t *member;
	size_t i;

	json_array_foreach(array, i, member)
	{
		char *one = say(member), *more = mem_print("%s%s%s", text, i ? ", " : "", one);

		free(one);
		free(text);
		text = more;
	}
	return text;
}

static char *say_lun(const json_t *lun)
{
	return mem_print("%" PRIu64 "=%s", field_number(lun, "lun"),
			 field_text(lun, "volume", "?"));
}

static char *say_rule(const json_t *rule)
{
	const char *initiator = field_text(rule, "initiator", NULL);
	const char *address = field_text(rule, "address", NULL);

	return mem_print("%s%s%s",
			 initiator ? initiator
			 : address ? ""
				   : "anybody",
			 initiator && address ? " from "
			 : address	      ? "from "
					      : "",
			 address ? address : "");
}

static char *say_text(const json_t *text)
{
	const char *s = json_string_value(text);

	return mem_copy(s ? s : "?");
}

static char *say_user(const json_t *user)
{
	return mem_copy(field_text(user, "user", "?"));
}

/* What keeps initiators away comes first: one that is sent elsewhere is not served here. */
static char *say_access(const json_t *target)
{
	const json_t *redirect = json_object_get(target, "redirect");

	if (json_is_object(redirect))
		return mem_print("sent to %s", field_text(redirect, "address", "?"));
	if (!field_is_given(target, "allow"))
		return mem_copy("the server's own rules");
	return join(json_object_get(target, "allow"), say_rule, "nobody");
}

static char *say_chap(const json_t *target)
{
	const json_t *chap = json_object_get(target, "chap");
	char *users, *text;

	if (!json_is_object(chap))
		return mem_copy("-");
	users = join(json_object_get(chap, "users"), say_user, "-");
	text = mem_print("%s%s%s", users, field_is_given(chap, "mutual") ? "; mutual: " : "",
			 field_is_given(chap, "mutual")
				 ? field_text(json_object_get(chap, "mutual"), "user", "?")
				 : "");
	free(users);
	return text;
}

static void print_list(const json_t *targets)
{
	static const char *const heads[] = { "TARGET", "LUNS",	    "ACCESS", "CHAP",
					     "SHARED", ">SESSIONS", NULL };
	const json_t *target;
	struct table t;
	size_t i;

	table_init(&t, heads);
	json_array_foreach(targets, i, target)
	{
		char *luns = join(json_object_get(target, "luns"), say_lun, "-");
		char *access = say_access(target), *chap = say_chap(target);

		table_add(&t, field_text(target, "name", "?"));
		table_add(&t, luns);
		table_add(&t, access);
		table_add(&t, chap);
		table_add(&t, field_is_true(target, "shared") ? "yes" : "no");
		table_addf(&t, "%" PRIu64, field_number(target, "sessions"));
		free(luns);
		free(access);
		free(chap);
	}
	table_print(&t, stdout, 0);
	table_fini(&t);
}

static void print_target(const json_t *t)
{
	const json_t *redirect = json_object_get(t, "redirect"), *part;
	char *portals = join(json_object_get(t, "portals"), say_text, "all");
	char *chap = say_chap(t);
	size_t i;

	table_line(stdout, "target", "%s", field_text(t, "name", "?"));
	json_array_foreach(json_object_get(t, "luns"), i, part)
		table_line(stdout, "LUN", "%" PRIu64 "  %s", field_number(part, "lun"),
			   field_text(part, "volume", "?"));
	if (!json_array_size(json_object_get(t, "luns")))
		table_line(stdout, "LUN", "none");
	if (!field_is_given(t, "allow"))
		table_line(stdout, "access", "the server's own rules (--allow, --open)");
	else if (!json_array_size(json_object_get(t, "allow")))
		table_line(stdout, "access", "nobody");
	json_array_foreach(json_object_get(t, "allow"), i, part)
	{
		char *rule = say_rule(part);

		table_line(stdout, "access", "%s", rule);
		free(rule);
	}
	table_line(stdout, "CHAP", "%s", chap);
	table_line(stdout, "shared", "%s", field_is_true(t, "shared") ? "yes" : "no");
	table_line(stdout, "portals", "%s", portals);
	if (json_is_object(redirect))
		table_line(stdout, "redirect", "%s%s", field_text(redirect, "address", "?"),
			   field_is_true(redirect, "permanent") ? ", permanently" : "");
	table_line(stdout, "sessions", "%" PRIu64, field_number(t, "sessions"));
	if (!strcmp(field_text(t, "origin", ""), "command-line"))
		table_line(stdout, "origin", "ringlund's command line: it cannot be changed here");
	free(portals);
	free(chap);
}

enum command_status target_list(struct call *c)
{
	json_t *answer;
	enum command_status status = request_get(c, url_format("/v1/targets"), "targets", &answer);

	if (status)
		return status;
	if (c->json)
		call_print_json(answer);
	else
		print_list(json_object_get(answer, "targets"));
	json_decref(answer);
	return STATUS_OK;
}

enum command_status target_show(struct call *c)
{
	json_t *answer;
	enum command_status status =
		request_get(c, url_format("/v1/targets/%s", c->args[0]), "target", &answer);

	if (status)
		return status;
	if (c->json)
		call_print_json(answer);
	else
		print_target(json_object_get(answer, "target"));
	json_decref(answer);
	return STATUS_OK;
}

enum command_status target_create(struct call *c)
{
	json_t *answer;
	enum command_status status =
		request_change(c, "POST", url_format("/v1/targets"),
			       mem_need(json_pack("{s:s}", "name", c->args[0])), &answer);

	if (status)
		return status;
	if (!c->json)
		printf("target %s: made, without LUNs: ringlun volume expose VOLUME --target %s\n",
		       c->args[0], c->args[0]);
	json_decref(answer);
	return STATUS_OK;
}

enum command_status target_delete(struct call *c)
{
	char *url = url_format("/v1/targets/%s", c->args[0]);
	enum command_status status;

	if (call_has(c, "force"))
		url = url_add(url, "force", "true");
	status = request_change(c, "DELETE", url, NULL, NULL);
	if (!status && !c->json)
		printf("target %s: deleted\n", c->args[0]);
	return status;
}

/* --- set ---------------------------------------------------------------------------------------
 */

static json_t *portals_of(const struct call *c)
{
	json_t *portals = mem_need(json_array());
	const char *portal;

	for (unsigned i = 0; (portal = call_nth_value(c, "portal", i)); i++)
		if (json_array_append_new(portals, mem_need(json_string(portal))))
			mem_need(NULL);
	return portals;
}

static void put(json_t *body, const char *key, json_t *value)
{
	if (json_object_set_new(body, key, mem_need(value)))
		mem_need(NULL);
}

static json_t *what_to_set(const struct call *c)
{
	json_t *body = mem_need(json_object());

	if (call_has(c, "shared"))
		put(body, "shared", json_boolean(!strcmp(call_value(c, "shared"), "yes")));
	if (call_has(c, "redirect"))
		put(body, "redirect",
		    json_pack("{s:s, s:b}", "address", call_value(c, "redirect"), "permanent",
			      (int)call_has(c, "permanent")));
	if (call_has(c, "no-redirect"))
		put(body, "redirect", json_null());
	if (call_has(c, "portal") || call_has(c, "all-portals"))
		put(body, "portals", portals_of(c));
	if (call_has(c, "default-access"))
		put(body, "allow", json_null());
	return body;
}

enum command_status target_set(struct call *c)
{
	enum command_status status;
	json_t *body;

	if (call_has(c, "redirect") && call_has(c, "no-redirect"))
		return call_usage(c, "--redirect and --no-redirect: one of them");
	if (call_has(c, "permanent") && !call_has(c, "redirect"))
		return call_usage(c, "--permanent: says how --redirect ADDR:PORT is meant");
	if (call_has(c, "portal") && call_has(c, "all-portals"))
		return call_usage(c, "--portal and --all-portals: one of them");
	body = what_to_set(c);
	if (!json_object_size(body)) {
		json_decref(body);
		return call_usage(c, "target set %s: what? Give an option", c->args[0]);
	}
	status = request_change(c, "PATCH", url_format("/v1/targets/%s", c->args[0]), body, NULL);
	if (!status && !c->json)
		printf("target %s: changed\n", c->args[0]);
	return status;
}
