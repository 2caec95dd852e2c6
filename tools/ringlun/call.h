/* One call of a command: what was asked for, and the server that is asked. */
#pragma once

#include "tools/ringlun/command.h"

struct client;

struct call_option {
	const struct command_option *option;
	const char *value; /* borrowed from argv; NULL: it takes none */
};

struct call {
	const struct command *command; /* NULL: none was named */
	const char *args[COMMAND_MAX_ARGS];
	unsigned nargs;
	struct call_option *options;
	unsigned noptions;
	struct client *client; /* NULL until it is needed */
	bool json;
};

/* STATUS_OK, or STATUS_USAGE after saying why; call_fini in any case. */
enum command_status call_parse(struct call *c, int argc, char **argv) MUST_CHECK;
void call_fini(struct call *c);

/* By name, without dashes: of the command or of all commands. */
bool call_has(const struct call *c, const char *option);
const char *call_value(const struct call *c, const char *option); /* NULL: not given */
const char *call_nth_value(const struct call *c, const char *option, unsigned n); /* same */
/* False, after saying why, where it is no number from @least to @most; *@out stays as it is where
 * the option is not given. */
bool call_number(const struct call *c, const char *option, uint64_t least, uint64_t most,
		 uint64_t *out) MUST_CHECK;
/* The same for a size, as in 100G. @what: "--size". */
bool call_size(const struct call *c, const char *what, const char *text, uint64_t *out) MUST_CHECK;

/* One line to standard error, escaped. They return @status. */
enum command_status call_fail(enum command_status status, const char *format, ...) PRINTF(2, 3);
/* STATUS_USAGE, and where help is. */
enum command_status call_usage(const struct call *c, const char *format, ...) PRINTF(2, 3);
/* "Sure? [y/N]" where a terminal can be asked and --yes was not given; else true. */
bool call_confirm(const struct call *c, const char *format, ...) PRINTF(2, 3);

/* STATUS_OK, or STATUS_FAILED where it cannot be written. @j is not taken over. */
enum command_status call_print_json(const json_t *j);
