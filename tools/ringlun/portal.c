/* ringlun portal. */
#include "tools/ringlun/portal.h"

#include "tools/ringlun/call.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/url.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Documents have portals as plain texts. */
static const char *address(const json_t *portal)
{
	return json_is_string(portal) ? json_string_value(portal)
				      : field_text(portal, "address", "?");
}

bool portal_is_loopback(const char *portal)
{
	return !strncmp(portal, "127.", 4) || !strncmp(portal, "[::1]", 5);
}

static bool is_any(const char *portal)
{
	return !strncmp(portal, "0.0.0.0:", 8) || !strncmp(portal, "[::]:", 5);
}

char *portal_for_people(const json_t *portals, const char *server, bool server_is_local)
{
	char host[HOST_NAME_MAX + 1] = "localhost";
	const json_t *portal;
	const char *best = NULL;
	int len;
	size_t i;

	json_array_foreach(portals, i, portal) if (!best || (portal_is_loopback(best) &&
							     !portal_is_loopback(address(portal))))
		best = address(portal);
	if (!best || !is_any(best))
		return best ? mem_copy(best) : NULL;
	if (server_is_local) {
		gethostname(host, sizeof(host) - 1);
		return mem_print("%s%s", host, strrchr(best, ':'));
	}
	len = (int)(strrchr(server, ':') - server);
	return mem_print("%.*s%s", len, server, strrchr(best, ':'));
}

enum command_status portal_list(struct call *c)
{
	static const char *const heads[] = { "ADDRESS", "ORIGIN", NULL };
	const json_t *portal;
	struct table t;
	json_t *answer;
	size_t i;
	enum command_status status = request_get(c, url_format("/v1/portals"), "portals", &answer);

	if (status)
		return status;
	if (c->json) {
		call_print_json(answer);
	} else {
		table_init(&t, heads);
		json_array_foreach(json_object_get(answer, "portals"), i, portal)
		{
			table_add(&t, address(portal));
			table_add(&t, field_text(portal, "origin", "-"));
		}
		table_print(&t, stdout, 0);
		table_fini(&t);
	}
	json_decref(answer);
	return STATUS_OK;
}

enum command_status portal_add(struct call *c)
{
	enum command_status status =
		request_change(c, "POST", url_format("/v1/portals"),
			       mem_need(json_pack("{s:s}", "address", c->args[0])), NULL);

	if (!status && !c->json)
		printf("portal %s: initiators come in there now\n", c->args[0]);
	return status;
}

enum command_status portal_remove(struct call *c)
{
	enum command_status status =
		request_change(c, "DELETE", url_format("/v1/portals/%s", c->args[0]), NULL, NULL);

	if (!status && !c->json)
		printf("portal %s: removed\n", c->args[0]);
	return status;
}
