/* ringlun volume: what changes volumes. */
#include "tools/ringlun/call.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/format.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/url.h"
#include "tools/ringlun/volume_print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LUN = 16383 };

static void put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, mem_need(value)))
		mem_need(NULL);
}

static void put_text(const struct call *c, json_t *body, const char *option, const char *key)
{
	const char *text = call_value(c, option);

	if (text)
		put(body, key, json_string(text));
}

static void put_flag(const struct call *c, json_t *body, const char *option, const char *key)
{
	if (call_has(c, option))
		put(body, key, json_true());
}

/* The server has another working folder than we. */
static enum command_status put_path(struct call *c, json_t *body)
{
	const char *path = call_value(c, "path");
	char *here;

	if (!path)
		return STATUS_OK;
	if (*path == '/' || !strcmp(path, "memory:") || !strcmp(path, "null:")) {
		put(body, "path", json_string(path));
		return STATUS_OK;
	}
	if (!*path || !client_is_local(c->client))
		return call_usage(c, "--path '%s': give the whole path, from the server's root",
				  path);
	here = getcwd(NULL, 0);
	if (!here)
		return call_fail(STATUS_FAILED, "--path %s: where is this? getcwd: %s", path,
				 strerror(errno));
	put(body, "path", json_sprintf("%s/%s", here, path));
	free(here);
	return STATUS_OK;
}

static enum command_status put_place(struct call *c, json_t *body)
{
	uint64_t lun = 0;

	if (!call_number(c, "lun", 0, MAX_LUN, &lun))
		return STATUS_USAGE;
	put_text(c, body, "target", "target");
	if (call_has(c, "lun"))
		put(body, "lun", json_integer((json_int_t)lun));
	return STATUS_OK;
}

static enum command_status put_expose(struct call *c, json_t *body)
{
	bool has_place = call_has(c, "target") || call_has(c, "lun");
	json_t *place;

	if (call_has(c, "no-expose") && has_place)
		return call_usage(c, "--no-expose: without --target and --lun");
	if (call_has(c, "no-expose")) {
		put(body, "expose", json_false());
		return STATUS_OK;
	}
	if (!has_place)
		return STATUS_OK; /* the server's default */
	place = mem_need(json_object());
	put(body, "expose", place);
	return put_place(c, place);
}

static enum command_status put_volume(struct call *c, json_t *body)
{
	enum command_status status = request_open(c);
	uint64_t size = 0;

	if (status)
		return status;
	if (!call_has(c, "size") && !call_has(c, "path"))
		return call_usage(c, "volume create: how large? --size SIZE, as in --size 100G");
	if (call_has(c, "size")) {
		if (!call_size(c, "--size", call_value(c, "size"), &size))
			return STATUS_USAGE;
		if (size > INT64_MAX)
			return call_usage(c, "--size %s: larger than any disk can be",
					  call_value(c, "size"));
		put(body, "size", json_integer((json_int_t)size));
	}
	put(body, "name", json_string(c->args[0]));
	put_text(c, body, "pool", "pool");
	put_text(c, body, "cache", "cache");
	put_text(c, body, "id", "id");
	put_flag(c, body, "writethrough", "writethrough");
	put_flag(c, body, "read-only", "read_only");
	put_flag(c, body, "preallocate", "preallocate");
	if (call_has(c, "block-size")) /* one of the choices */
		put(body, "block_size", json_integer(atoi(call_value(c, "block-size"))));
	status = put_path(c, body);
	return status ? status : put_expose(c, body);
}

enum command_status volume_create(struct call *c)
{
	json_t *body = mem_need(json_object()), *answer, *volume = NULL, *portals = NULL;
	enum command_status status = put_volume(c, body);

	if (status) {
		json_decref(body);
		return status;
	}
	status = request_change(c, "POST", url_format("/v1/volumes"), body, &answer);
	if (status)
		return status;
	json_decref(answer);
	if (c->json)
		return STATUS_OK;
	status = request_get(c, url_format("/v1/volumes/%s", c->args[0]), "volume", &volume);
	if (!status)
		status = request_get(c, url_format("/v1/portals"), "portals", &portals);
	if (!status)
		volume_print_next(c, json_object_get(volume, "volume"),
				  json_object_get(portals, "portals"));
	json_decref(volume);
	json_decref(portals);
	return status;
}

enum command_status volume_list(struct call *c)
{
	json_t *answer;
	enum command_status status = request_get(c, url_format("/v1/volumes"), "volumes", &answer);

	if (status)
		return status;
	if (c->json)
		call_print_json(answer);
	else
		volume_print_list(json_object_get(answer, "volumes"));
	json_decref(answer);
	return STATUS_OK;
}

enum command_status volume_show(struct call *c)
{
	json_t *answer;
	enum command_status status =
		request_get(c, url_format("/v1/volumes/%s", c->args[0]), "volume", &answer);

	if (status)
		return status;
	if (c->json)
		call_print_json(answer);
	else
		volume_print(json_object_get(answer, "volume"));
	json_decref(answer);
	return STATUS_OK;
}

enum command_status volume_resize(struct call *c)
{
	char human[FORMAT_BYTES];
	uint64_t size;
	enum command_status status;

	if (!call_size(c, "SIZE", c->args[1], &size))
		return STATUS_USAGE;
	if (size > INT64_MAX)
		return call_usage(c, "SIZE %s: larger than any disk can be", c->args[1]);
	status = request_change(c, "PATCH", url_format("/v1/volumes/%s", c->args[0]),
				mem_need(json_pack("{s:I}", "size", (json_int_t)size)), NULL);
	if (!status && !c->json)
		printf("volume %s: %s\n", c->args[0], format_size(size, human));
	return status;
}

static bool is_meant(struct call *c, const json_t *volume)
{
	char human[FORMAT_BYTES];
	uint64_t sessions = field_number(volume, "sessions");
	bool external = !strcmp(field_text(volume, "kind", ""), "external");

	return call_confirm(
		c, "volume %s (%s, %s) goes%s%s", field_text(volume, "name", "?"),
		format_size(field_number(volume, "size"), human), field_text(volume, "path", "?"),
		external ? "; what is at its path stays" : " with all of its data, for good",
		sessions ? "; sessions use it now" : "");
}

enum command_status volume_delete(struct call *c)
{
	char *url = url_format("/v1/volumes/%s", c->args[0]);
	enum command_status status;
	json_t *volume;
	bool meant;

	if (!call_has(c, "yes") && isatty(STDIN_FILENO)) {
		status = request_get(c, mem_copy(url), "volume", &volume);
		meant = !status && is_meant(c, json_object_get(volume, "volume"));
		if (!status)
			json_decref(volume);
		if (!meant) {
			free(url);
			return status ? status : call_fail(STATUS_FAILED, "nothing has changed");
		}
	}
	if (call_has(c, "force"))
		url = url_add(url, "force", "true");
	status = request_change(c, "DELETE", url, NULL, NULL);
	if (!status && !c->json)
		printf("volume %s: deleted\n", c->args[0]);
	return status;
}

enum command_status volume_expose(struct call *c)
{
	json_t *body = mem_need(json_object()), *volume;
	enum command_status status = put_place(c, body);

	if (status) {
		json_decref(body);
		return status;
	}
	status = request_change(c, "POST", url_format("/v1/volumes/%s/expose", c->args[0]), body,
				NULL);
	if (status || c->json)
		return status;
	status = request_get(c, url_format("/v1/volumes/%s", c->args[0]), "volume", &volume);
	if (status)
		return status;
	volume_print_places(json_object_get(volume, "volume"));
	json_decref(volume);
	return STATUS_OK;
}

enum command_status volume_unexpose(struct call *c)
{
	json_t *body = mem_need(json_object());
	char *url = url_format("/v1/volumes/%s/unexpose", c->args[0]);
	enum command_status status;

	put_text(c, body, "target", "target");
	if (call_has(c, "force"))
		url = url_add(url, "force", "true");
	status = request_change(c, "POST", url, body, NULL);
	if (!status && !c->json)
		printf("volume %s: not exposed any more%s%s\n", c->args[0],
		       call_has(c, "target") ? " by " : "",
		       call_has(c, "target") ? call_value(c, "target") : "");
	return status;
}

enum command_status volume_recover(struct call *c)
{
	enum command_status status = request_change(
		c, "POST", url_format("/v1/volumes/%s/recover", c->args[0]), NULL, NULL);

	if (!status && !c->json)
		printf("volume %s: takes writes; if a flush had failed, what was not flushed "
		       "before may be lost: check its file system\n",
		       c->args[0]);
	return status;
}
