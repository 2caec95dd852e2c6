/* Parses a command line: words of the command, then its arguments and options in any order. Options
 * of every command may come before those words, too. */
#include "tools/ringlun/call.h"

#include "backstore/base/size.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/help.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/suggest.h"
#include "tools/ringlun/text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct parser {
	char **argv;
	int argc, at;
	const char *words[2]; /* of the command, as far as they have come */
	unsigned nwords;
	bool only_args; /* "--" has been */
};

/* --- messages ----------------------------------------------------------------------------------
 */

PRINTF(1, 0) static void say(const char *format, va_list args)
{
	char *text, *shown;
	int len = vasprintf(&text, format, args);

	mem_need(len < 0 ? NULL : text);
	shown = text_escape(text, "\n");
	fflush(stdout); /* in the order of what happened, where both go to one place */
	fprintf(stderr, "ringlun: %s\n", shown);
	free(shown);
	free(text);
}

enum command_status call_fail(enum command_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return status;
}

enum command_status call_usage(const struct call *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	fprintf(stderr, "See: ringlun %s%s--help\n", c->command ? c->command->words : "",
		c->command ? " " : "");
	return STATUS_USAGE;
}

bool call_confirm(const struct call *c, const char *format, ...)
{
	char answer[16] = "";
	va_list args;

	if (call_has(c, "yes") || !isatty(STDIN_FILENO))
		return true;
	if (!isatty(STDERR_FILENO)) {
		call_fail(STATUS_FAILED,
			  "standard error is no terminal, so that the question would "
			  "not be seen; --yes says that you mean it");
		return false;
	}
	va_start(args, format);
	say(format, args);
	va_end(args);
	fputs("Go on? [y/N] ", stderr);
	if (!fgets(answer, sizeof(answer), stdin))
		fputs("\n", stderr);
	return !strcmp(answer, "y\n") || !strcmp(answer, "yes\n") || !strcmp(answer, "Y\n");
}

enum command_status call_print_json(const json_t *j)
{
	char *text = mem_need(json_dumps(j, JSON_INDENT(2)));

	puts(text);
	mem_wiping_free(text);
	return STATUS_OK;
}

/* --- parsing -----------------------------------------------------------------------------------
 */

static void add_option(struct call *c, const struct command_option *option, const char *value)
{
	c->options = mem_need(realloc(c->options, (c->noptions + 1) * sizeof(*c->options)));
	c->options[c->noptions++] = (struct call_option){ option, value };
}

static enum command_status unknown_option(const struct call *c, const char *word)
{
	size_t len = strcspn(word, "=");
	char *typed = mem_print("%.*s", (int)len, word);
	struct suggest s = { .typed = typed + strspn(typed, "-") };
	enum command_status status;

	for (const struct command_option *o = command_globals; o->name; o++)
		suggest_consider(&s, o->name);
	for (const struct command_option *o = c->command ? c->command->options : NULL; o && o->name;
	     o++)
		suggest_consider(&s, o->name);
	status = call_usage(c, "%s: %s has no such option%s%s%s", typed,
			    c->command ? c->command->words : "ringlun (before a command)",
			    s.best ? "; did you mean --" : "", s.best ? s.best : "",
			    s.best ? "?" : "");
	free(typed);
	return status;
}

static bool is_among(const char *choices, const char *value)
{
	size_t len = strlen(value);

	while (*choices) {
		size_t n = strcspn(choices, " ");

		if (n == len && !strncmp(choices, value, n))
			return true;
		choices += n + strspn(choices + n, " ");
	}
	return false;
}

static enum command_status take_option(struct call *c, struct parser *p)
{
	const char *word = p->argv[p->at++];
	const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
	const char *value = equals ? equals + 1 : word[1] != '-' && word[2] ? word + 2 : NULL;
	size_t len = equals ? (size_t)(equals - word) - 2 : strlen(word + 1) - 1;
	const struct command_option *o = word[1] == '-'
						 ? command_option_find(c->command, word + 2, len)
						 : command_letter_find(c->command, word[1]);

	if (!o)
		return unknown_option(c, word);
	if (!o->value && value)
		return call_usage(c, "%s: --%s takes no value", word, o->name);
	if (o->value && !value) {
		if (p->at == p->argc)
			return call_usage(c, "--%s: its %s is missing", o->name, o->value);
		value = p->argv[p->at++];
	}
	if (!o->many && o->value && call_has(c, o->name))
		return call_usage(c, "--%s: given twice", o->name);
	if (o->value && o->choices && !is_among(o->choices, value))
		return call_usage(c, "--%s '%s': one of these is possible: %s", o->name, value,
				  o->choices);
	add_option(c, o, value);
	return STATUS_OK;
}

static enum command_status unknown_word(const struct call *c, const char *word)
{
	struct suggest s = { .typed = word };
	const char *group = c->command ? c->command->words : "";
	size_t len = strlen(group);

	for (const struct command *d = command_table; d->words; d++) {
		bool below = len ? !strncmp(d->words, group, len) && d->words[len] == ' '
				 : command_depth(d) == 1;

		if (below)
			suggest_consider(&s, len ? d->words + len + 1 : d->words);
	}
	return call_usage(c, "there is no command \"%s%s%s\"%s%s%s%s%s%s", group, len ? " " : "",
			  word, s.best ? "; did you mean \"" : "", s.best ? group : "",
			  s.best && len ? " " : "", s.best ? s.best : "", s.best ? "\"" : "",
			  s.best ? "?" : "");
}

static enum command_status take_word(struct call *c, struct parser *p)
{
	const char *word = p->argv[p->at++];
	unsigned used;

	if (c->command && c->command->run) {
		unsigned max = 0;

		while (c->command->args[max].name)
			max++;
		if (c->nargs == max)
			return call_usage(c, "'%s': one word too many for %s", word,
					  c->command->words);
		c->args[c->nargs++] = word;
		return STATUS_OK;
	}
	p->words[p->nwords] = word;
	if (command_find(p->words, p->nwords + 1, &used) == NULL || used != p->nwords + 1)
		return unknown_word(c, word);
	p->nwords++;
	c->command = command_find(p->words, p->nwords, &used);
	return STATUS_OK;
}

static enum command_status check(const struct call *c)
{
	if (call_has(c, "help") || call_has(c, "version"))
		return STATUS_OK;
	if (!c->command || !c->command->run) {
		help_print(c->command, stderr);
		return STATUS_USAGE;
	}
	if (c->command->args[c->nargs].name)
		return call_usage(c, "%s: its %s is missing", c->command->words,
				  c->command->args[c->nargs].name);
	for (unsigned i = 0; i < c->nargs; i++)
		if (!*c->args[i])
			return call_usage(c, "%s: its %s is empty", c->command->words,
					  c->command->args[i].name);
	if (call_has(c, "socket") && call_has(c, "api"))
		return call_usage(c, "--socket and --api: one of them says where the server is");
	return STATUS_OK;
}

enum command_status call_parse(struct call *c, int argc, char **argv)
{
	struct parser p = { .argv = argv, .argc = argc, .at = 1 };
	enum command_status status = STATUS_OK;

	*c = (struct call){ 0 };
	for (int i = 1; i < argc; i++)
		if (!text_is_good_utf8(argv[i])) /* JSON has nothing else */
			return call_usage(c, "'%s': this is not UTF-8", argv[i]);
	while (!status && p.at < argc) {
		const char *word = argv[p.at];

		if (!p.only_args && !strcmp(word, "--")) {
			p.only_args = true;
			p.at++;
		} else if (!p.only_args && word[0] == '-' && word[1]) {
			status = take_option(c, &p);
		} else {
			status = take_word(c, &p);
		}
	}
	return status ? status : check(c);
}

void call_fini(struct call *c)
{
	client_close(c->client);
	free(c->options);
}

/* --- what was asked for ------------------------------------------------------------------------
 */

const char *call_nth_value(const struct call *c, const char *option, unsigned n)
{
	assert(command_option_find(c->command, option, strlen(option)));
	for (unsigned i = 0; i < c->noptions; i++)
		if (!strcmp(c->options[i].option->name, option) && !n--)
			return c->options[i].value;
	return NULL;
}

const char *call_value(const struct call *c, const char *option)
{
	return call_nth_value(c, option, 0);
}

bool call_has(const struct call *c, const char *option)
{
	for (unsigned i = 0; i < c->noptions; i++)
		if (!strcmp(c->options[i].option->name, option))
			return true;
	return false;
}

bool call_number(const struct call *c, const char *option, uint64_t least, uint64_t most,
		 uint64_t *out)
{
	const char *text = call_value(c, option);
	unsigned long long n;
	char *end;

	if (!text)
		return true;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && n >= least && n <= most) {
		*out = n;
		return true;
	}
	call_usage(c, "--%s '%s': a number from %llu to %llu is possible", option, text,
		   (unsigned long long)least, (unsigned long long)most);
	return false;
}

bool call_size(const struct call *c, const char *what, const char *text, uint64_t *out)
{
	int rc = size_parse(text, out);

	if (rc || !*out)
		call_usage(c,
			   rc == -ERANGE ? "%s '%s': larger than any disk can be"
					 : "%s '%s': no size; give bytes, or as in 512M, 100G, 1T "
					   "(powers of 1024; 100GiB is the same as 100G)",
			   what, text);
	return !rc && *out;
}
