/* Finds what was asked for in the table, and runs it. */
#include "tools/ringlun/command.h"

#include "tools/ringlun/call.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/complete.h"
#include "tools/ringlun/help.h"
#include "tools/ringlun/mem.h"

#include <errno.h>
#include <locale.h>
#include <string.h>

unsigned command_depth(const struct command *command)
{
	return strchr(command->words, ' ') ? 2 : 1;
}

static bool begins(const struct command *c, const char *const *words, unsigned n)
{
	size_t len = strlen(words[0]);

	if (strncmp(c->words, words[0], len) != 0)
		return false;
	if (command_depth(c) == 1)
		return !c->words[len];
	return n > 1 && c->words[len] == ' ' && !strcmp(c->words + len + 1, words[1]);
}

const struct command *command_find(const char *const *words, unsigned n, unsigned *used)
{
	const struct command *found = NULL;

	*used = 0;
	for (const struct command *c = command_table; n && c->words; c++)
		if (begins(c, words, n) && command_depth(c) > *used) {
			found = c;
			*used = command_depth(c);
		}
	return found;
}

static const struct command_option *find_in(const struct command_option *options, const char *name,
					    size_t len, char letter)
{
	for (const struct command_option *o = options; o && o->name; o++)
		if (letter ? o->letter == letter : !strncmp(o->name, name, len) && !o->name[len])
			return o;
	return NULL;
}

const struct command_option *command_option_find(const struct command *command, const char *name,
						 size_t len)
{
	const struct command_option *o = find_in(command_globals, name, len, 0);

	return o ? o : find_in(command ? command->options : NULL, name, len, 0);
}

const struct command_option *command_letter_find(const struct command *command, char letter)
{
	const struct command_option *o = find_in(command_globals, "", 0, letter);

	return o ? o : find_in(command ? command->options : NULL, "", 0, letter);
}

static enum command_status flush(enum command_status status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	return call_fail(status ? status : STATUS_FAILED, "the output cannot be written: %s",
			 strerror(errno));
}

static enum command_status run(struct call *c)
{
	if (call_has(c, "help")) {
		help_print(c->command, stdout);
		return STATUS_OK;
	}
	if (call_has(c, "version")) {
		puts("ringlun " RINGLUN_VERSION);
		return STATUS_OK;
	}
	c->json = call_has(c, "json");
	return c->command->run(c);
}

static enum command_status parse_and_run(int argc, char **argv)
{
	struct call c;
	enum command_status status = call_parse(&c, argc, argv);

	if (!status)
		status = run(&c);
	call_fini(&c);
	return status;
}

int command_main(int argc, char **argv)
{
	enum command_status status = STATUS_OK;

	setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth */
	json_set_alloc_funcs(mem_wiping_alloc, mem_wiping_free);
	if (client_init())
		status = call_fail(STATUS_FAILED, "libcurl cannot be used");
	else if (argc > 1 && !strcmp(argv[1], "__complete"))
		complete_print(argc - 2, argv + 2);
	else if (argc > 1 && !strcmp(argv[1], "__tree"))
		help_print_tree(stdout);
	else
		status = parse_and_run(argc, argv);
	return (int)flush(status);
}
