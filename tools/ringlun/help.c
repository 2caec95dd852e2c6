/* Help, printed from the table. */
#include "tools/ringlun/help.h"

#include "tools/ringlun/mem.h"

#include <stdlib.h>
#include <string.h>

enum { INDENT = 28 };

static bool is_of_group(const struct command *c, const struct command *group)
{
	size_t len = strlen(group->words);

	return c != group && !strncmp(c->words, group->words, len) && c->words[len] == ' ';
}

static char *with_args(const struct command *c)
{
	char *text = mem_copy(c->words);

	for (const struct command_arg *a = c->args; a->name; a++) {
		char *longer = mem_print("%s %s", text, a->name);

		free(text);
		text = longer;
	}
	return text;
}

/* The help of an entry, its further lines indented as the first. */
static void print_entry(FILE *f, const char *what, const char *help)
{
	int gap = INDENT - 4 - (int)strlen(what);

	if (gap < 0)
		fprintf(f, "  %s\n%*s", what, INDENT, "");
	else
		fprintf(f, "  %s%*s", what, gap + 2, "");
	for (; *help; help++)
		if (*help == '\n')
			fprintf(f, "\n%*s", INDENT, "");
		else
			fputc(*help, f);
	fputc('\n', f);
}

static void print_options(FILE *f, const struct command_option *o)
{
	for (; o->name; o++) {
		char *letter = o->letter ? mem_print("-%c, ", o->letter) : mem_copy("");
		char *what = mem_print("%s--%s%s%s%s", letter, o->name, o->value ? " " : "",
				       o->value ? o->value : "", o->many ? " ..." : "");

		print_entry(f, what, o->help);
		free(what);
		free(letter);
	}
}

void help_print_usage(const struct command *command, FILE *f)
{
	char *text = command ? with_args(command) : mem_copy("[OPTION...] COMMAND");

	fprintf(f, "ringlun %s%s\n", text,
		command && !command->run      ? " COMMAND"
		: command && command->options ? " [OPTION...]"
					      : "");
	free(text);
}

static void print_commands(FILE *f, const struct command *group)
{
	bool in_group = false;

	for (const struct command *c = command_table; c->words; c++) {
		char *text = with_args(c);

		if (!group && c->run && command_depth(c) == 1 && in_group)
			fputs("\nThe whole server:\n", f);
		in_group = !c->run || command_depth(c) == 2;
		if (!c->run && !group)
			fprintf(f, "\n%s: %s\n", c->words, c->summary);
		else if (c->run && (!group || is_of_group(c, group)))
			print_entry(f, text, c->summary);
		free(text);
	}
}

static void print_program(FILE *f)
{
	fputs("ringlun " RINGLUN_VERSION " - manages ringlund, the iSCSI target server\n\n", f);
	help_print_usage(NULL, f);
	print_commands(f, NULL);
	fputs("\nOptions of every command:\n", f);
	print_options(f, command_globals);
	fputs("\nVOLUME is a name or a UUID; TARGET a whole name, or what follows "
	      "iqn.2026-11.io.ringlun: in it;\n"
	      "SIZE a number of bytes, or 512K, 100M, 100G, 1T (powers of 1024).\n"
	      "\n"
	      "Exit status: 0 done, 1 failed, 2 not understood, 3 there is no such thing, 4 it "
	      "exists "
	      "or is in use,\n"
	      "5 the server is not reached, 6 not finished yet.\n"
	      "Environment: RINGLUN_SOCKET, RINGLUN_API, RINGLUN_TOKEN_FILE. See ringlun(1).\n",
	      f);
}

void help_print(const struct command *command, FILE *f)
{
	if (!command) {
		print_program(f);
		return;
	}
	help_print_usage(command, f);
	fprintf(f, "\n%s%s%s.\n", command->run ? "" : command->words, command->run ? "" : ": ",
		command->summary);
	if (command->details)
		fprintf(f, "\n%s", command->details);
	fputs("\n", f);
	if (!command->run)
		print_commands(f, command);
	else if (command->options)
		print_options(f, command->options);
	fprintf(f, "%sOptions of every command, exit status: ringlun --help\n",
		!command->run || command->options ? "\n" : "");
}

void help_print_tree(FILE *f)
{
	for (const struct command *c = command_table; c->words; c++) {
		fprintf(f, "%s\t", c->words);
		for (const struct command_arg *a = c->args; a->name; a++)
			fprintf(f, "%s%s", a == c->args ? "" : " ", a->name);
		fputc('\t', f);
		for (const struct command_option *o = c->options; o && o->name; o++)
			fprintf(f, "%s--%s%s%s", o == c->options ? "" : " ", o->name,
				o->value ? "=" : "", o->value ? o->value : "");
		fputc('\n', f);
	}
	fputs("\t\t", f);
	for (const struct command_option *o = command_globals; o->name; o++)
		fprintf(f, "%s--%s%s%s", o == command_globals ? "" : " ", o->name,
			o->value ? "=" : "", o->value ? o->value : "");
	fputc('\n', f);
}
