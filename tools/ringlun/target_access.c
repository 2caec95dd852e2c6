/* Who may log in: ringlun target allow, deny, chap; ringlun discovery chap. */
#include "tools/ringlun/call.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/secret.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/url.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put(json_t *body, const char *key, json_t *value)
{
	if (json_object_set_new(body, key, mem_need(value)))
		mem_need(NULL);
}

/* --- rules -------------------------------------------------------------------------------------
 */

static enum command_status change_rule(struct call *c, const char *verb)
{
	const char *initiator = call_value(c, "initiator"), *address = call_value(c, "address");
	char *url = url_format("/v1/targets/%s/", c->args[0]), *whole;
	json_t *body;

	if (!initiator && !address) {
		free(url);
		return call_usage(c, "target %s %s: whom? --initiator PATTERN or --address ADDRESS",
				  verb, c->args[0]);
	}
	whole = mem_print("%s%s", url, verb);
	free(url);
	if (!strcmp(verb, "deny") && call_has(c, "drop"))
		whole = url_add(whole, "drop", "true");
	body = mem_need(json_object());
	if (initiator)
		put(body, "initiator", json_string(initiator));
	if (address)
		put(body, "address", json_string(address));
	return request_change(c, "POST", whole, body, NULL);
}

static void say_rule(const struct call *c, const char *what)
{
	const char *initiator = call_value(c, "initiator"), *address = call_value(c, "address");

	if (!c->json)
		printf("target %s: %s %s%s%s\n", c->args[0], what,
		       initiator ? initiator : "any initiator", address ? " from " : "",
		       address ? address : "");
}

enum command_status target_allow(struct call *c)
{
	enum command_status status = change_rule(c, "allow");

	if (!status)
		say_rule(c, "allows");
	return status;
}

enum command_status target_deny(struct call *c)
{
	enum command_status status = change_rule(c, "deny");

	if (!status)
		say_rule(c, "has no rule any more that allows");
	return status;
}

/* --- CHAP --------------------------------------------------------------------------------------
 */

/* {"user": .., "secret": ..}; NULL after saying why. */
static json_t *read_user(struct call *c, const char *user, const char *path)
{
	char secret[SECRET_BYTES], why[600], *what = mem_print("secret of %s", user);
	json_t *j = NULL;
	int rc = secret_read(secret, path, what, why, sizeof(why));

	if (rc) {
		call_fail(STATUS_FAILED, "%s", why);
	} else {
		j = json_pack("{s:s, s:s}", "user", user, "secret", secret);
		if (!j)
			call_fail(STATUS_FAILED, "%s: the %s is not UTF-8", path, what);
	}
	explicit_bzero(secret, sizeof(secret));
	(void)c;
	free(what);
	return j;
}

static enum command_status put_users(struct call *c, json_t *body)
{
	json_t *users = mem_need(json_array());
	const char *user;

	put(body, "users", users);
	for (unsigned i = 0; (user = call_nth_value(c, "user", i)); i++) {
		const char *path = call_nth_value(c, "secret-file", i);
		json_t *j;

		if (!path && !isatty(STDIN_FILENO))
			return call_usage(c,
					  "--user %s: its --secret-file is missing (- is standard "
					  "input)",
					  user);
		j = read_user(c, user, path ? path : "-");
		if (!j)
			return STATUS_FAILED;
		if (json_array_append_new(users, j))
			mem_need(NULL);
	}
	return STATUS_OK;
}

static enum command_status put_mutual(struct call *c, json_t *body)
{
	const char *user = call_value(c, "mutual-user"),
		   *path = call_value(c, "mutual-secret-file");
	json_t *j;

	if (!user && !path)
		return STATUS_OK;
	if (!user)
		return call_usage(c, "--mutual-secret-file: whose? --mutual-user USER is missing");
	if (!path && !isatty(STDIN_FILENO))
		return call_usage(c, "--mutual-user %s: its --mutual-secret-file is missing", user);
	j = read_user(c, user, path ? path : "-");
	if (!j)
		return STATUS_FAILED;
	put(body, "mutual", j);
	return STATUS_OK;
}

static enum command_status check_chap(struct call *c)
{
	unsigned users = 0, files = 0;

	while (call_nth_value(c, "user", users))
		users++;
	while (call_nth_value(c, "secret-file", files))
		files++;
	if (call_has(c, "off"))
		return c->noptions && (users || files || call_has(c, "mutual-user") ||
				       call_has(c, "mutual-secret-file"))
			       ? call_usage(c, "--off: without users and secrets")
			       : STATUS_OK;
	if (!users)
		return call_usage(c, "%s: who may log in? --user USER --secret-file FILE, or --off",
				  c->command->words);
	if (files > users)
		return call_usage(c, "--secret-file: there are %u of them, for %u --user", files,
				  users);
	return STATUS_OK;
}

/* @url is taken over. */
static enum command_status change_chap(struct call *c, char *url, const char *whose)
{
	enum command_status status = check_chap(c);
	json_t *body = NULL;
	bool off = call_has(c, "off");

	if (!status && !off) {
		body = mem_need(json_object());
		status = put_users(c, body);
		status = status ? status : put_mutual(c, body);
	}
	if (status) {
		json_decref(body);
		free(url);
		return status;
	}
	status = request_change(c, off ? "DELETE" : "PUT", url, body, NULL);
	if (!status && !c->json)
		printf("%s: %s\n", whose,
		       off ? "no CHAP any more" : "CHAP, for logins from now on");
	return status;
}

enum command_status target_chap(struct call *c)
{
	char *whose = mem_print("target %s", c->args[0]);
	enum command_status status =
		change_chap(c, url_format("/v1/targets/%s/chap", c->args[0]), whose);

	free(whose);
	return status;
}

enum command_status discovery_chap(struct call *c)
{
	return change_chap(c, url_format("/v1/discovery/chap"), "discovery");
}

enum command_status discovery_show(struct call *c)
{
	json_t *answer, *chap, *user;
	size_t i;
	enum command_status status =
		request_get(c, url_format("/v1/discovery/chap"), "chap", &answer);

	if (status)
		return status;
	chap = json_object_get(answer, "chap");
	if (c->json) {
		call_print_json(answer);
	} else if (!json_is_object(chap)) {
		table_line(stdout, "CHAP", "-");
	} else {
		json_array_foreach(json_object_get(chap, "users"), i, user)
			table_line(stdout, "CHAP user", "%s", field_text(user, "user", "?"));
		table_line(stdout, "mutual", "%s",
			   field_text(json_object_get(chap, "mutual"), "user", "-"));
	}
	json_decref(answer);
	return STATUS_OK;
}
