/* Completion, from the table, and with the names that the server knows. Whatever fails here offers
 * nothing, and says nothing: somebody is in the middle of a line. */
#include "tools/ringlun/complete.h"

#include "tools/ringlun/call.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/text.h"

#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_S = 2 };

struct line {
	const char *last; /* the unfinished word */
	const char *words[2];
	unsigned nwords, nargs;
	const struct command *command;	      /* group or command so far; NULL: none */
	const struct command_option *pending; /* an option whose value comes next */
	struct client_config server;
};

static void offer(const struct line *l, const char *prefix, const char *word)
{
	char *whole = mem_print("%s%s", prefix, word);

	/* a line each, and nothing that the shell would have to quote */
	if (!strncmp(whole, l->last, strlen(l->last)) && !strpbrk(whole, "\n\"'\\ \t$`"))
		puts(whole);
	free(whole);
}

/* --- what the server knows ---------------------------------------------------------------------
 */

static void offer_members(const struct line *l, const char *prefix, const json_t *members)
{
	char room[FIELD_ID_BYTES];
	const json_t *m;
	size_t i;

	json_array_foreach(members, i, m)
	{
		const char *name = field_text(m, "name", field_text(m, "address", NULL));
		bool is_session = field_is_given(m, "initiator");

		if (!name || is_session)
			name = field_id(m, room);
		if (!text_is_good_utf8(name))
			continue;
		offer(l, prefix, name);
		if (!strcmp(field_short_target(name), name))
			continue;
		offer(l, prefix, field_short_target(name));
	}
}

static void offer_from_server(const struct line *l, const char *prefix, const char *path,
			      const char *key)
{
	struct client_request request = { .method = "GET", .path = path, .timeout_s = TIMEOUT_S };
	struct client_config cfg = l->server;
	struct client_answer a;
	struct client *client;
	char why[CLIENT_WHY_BYTES];

	if (cfg.socket_path && cfg.api)
		return;
	if (!cfg.socket_path && cfg.token_file && !strcmp(cfg.token_file, "-"))
		return; /* would be asked for */
	if (client_open(&client, &cfg, why, sizeof(why)))
		return;
	if (!client_call(client, &request, &a, why, sizeof(why))) {
		offer_members(l, prefix, json_object_get(a.json, key));
		client_answer_fini(&a);
	}
	client_close(client);
}

static void offer_kind(const struct line *l, const char *prefix, enum word_kind kind)
{
	switch (kind) {
	case WORD_VOLUME:
		offer_from_server(l, prefix, "/v1/volumes", "volumes");
		break;
	case WORD_TARGET:
		offer_from_server(l, prefix, "/v1/targets", "targets");
		break;
	case WORD_SESSION:
		offer_from_server(l, prefix, "/v1/sessions", "sessions");
		break;
	case WORD_PORTAL:
		offer_from_server(l, prefix, "/v1/portals", "portals");
		break;
	case WORD_POOL:
		offer_from_server(l, prefix, "/v1/pools", "pools");
		break;
	case WORD_JOB:
		offer_from_server(l, prefix, "/v1/jobs", "jobs");
		break;
	case WORD_FILE:
		puts(":files");
		break;
	case WORD_FOLDER:
		puts(":folders");
		break;
	case WORD_FREE:
		break;
	}
}

/* --- what the table knows ----------------------------------------------------------------------
 */

static void offer_value(const struct line *l, const char *prefix, const struct command_option *o)
{
	const char *choices = o->choices ? o->choices : "";

	while (*choices) {
		size_t n = strcspn(choices, " ");
		char *choice = mem_print("%.*s", (int)n, choices);

		offer(l, prefix, choice);
		free(choice);
		choices += n + strspn(choices + n, " ");
	}
	offer_kind(l, prefix, o->kind);
}

static void offer_options(const struct line *l)
{
	const struct command_option *lists[] = { l->command ? l->command->options : NULL,
						 command_globals };

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++)
		for (const struct command_option *o = lists[i]; o && o->name; o++)
			offer(l, "--", o->name);
}

static void offer_words(const struct line *l)
{
	const char *group = l->command ? l->command->words : NULL;
	size_t len = group ? strlen(group) : 0;

	for (const struct command *c = command_table; c->words; c++) {
		if (!group && command_depth(c) == 1)
			offer(l, "", c->words);
		else if (group && !strncmp(c->words, group, len) && c->words[len] == ' ')
			offer(l, "", c->words + len + 1);
	}
}

/* --- the words before --------------------------------------------------------------------------
 */

static void take_value(struct line *l, const struct command_option *o, const char *value)
{
	if (!strcmp(o->name, "socket"))
		l->server.socket_path = value;
	else if (!strcmp(o->name, "api"))
		l->server.api = value;
	else if (!strcmp(o->name, "token-file"))
		l->server.token_file = value;
}

static const struct command_option *option_of(const struct line *l, const char *word)
{
	if (word[1] != '-')
		return word[1] ? command_letter_find(l->command, word[1]) : NULL;
	return command_option_find(l->command, word + 2, strcspn(word + 2, "="));
}

static void take(struct line *l, const char *word)
{
	const struct command_option *o;
	unsigned used;

	if (l->pending) {
		take_value(l, l->pending, word);
		l->pending = NULL;
	} else if (word[0] == '-' && word[1]) {
		o = option_of(l, word);
		if (o && o->value && strchr(word, '='))
			take_value(l, o, strchr(word, '=') + 1);
		else if (o && o->value)
			l->pending = o;
	} else if (l->command && l->command->run) {
		l->nargs++;
	} else if (l->nwords < ARRAY_SIZE(l->words)) {
		l->words[l->nwords++] = word;
		l->command = command_find(l->words, l->nwords, &used);
	}
}

static void choose_server(struct line *l)
{
	const char *socket_path = getenv("RINGLUN_SOCKET"), *api = getenv("RINGLUN_API");

	if (!l->server.token_file)
		l->server.token_file = getenv("RINGLUN_TOKEN_FILE");
	if (l->server.socket_path || l->server.api)
		return;
	if (socket_path && *socket_path)
		l->server.socket_path = socket_path;
	else if (api && *api)
		l->server.api = api;
	else
		l->server.socket_path = "/run/ringlun/api.sock";
}

void complete_print(int n, char **words)
{
	struct line l = { .last = n > 0 ? words[n - 1] : "" };
	const char *equals = !strncmp(l.last, "--", 2) ? strchr(l.last, '=') : NULL;

	for (int i = 0; i + 1 < n; i++)
		take(&l, words[i]);
	choose_server(&l);
	if (l.pending) {
		offer_value(&l, "", l.pending);
	} else if (equals) {
		const struct command_option *o = option_of(&l, l.last);
		char *prefix = mem_print("%.*s=", (int)(equals - l.last), l.last);

		if (o && o->value)
			offer_value(&l, prefix, o);
		free(prefix);
	} else if (*l.last == '-') {
		offer_options(&l);
	} else if (!l.command || !l.command->run) {
		if (l.nwords == (l.command ? command_depth(l.command) : 0))
			offer_words(&l);
	} else if (l.nargs < COMMAND_MAX_ARGS && l.command->args[l.nargs].name) {
		offer_kind(&l, "", l.command->args[l.nargs].kind);
	}
}
