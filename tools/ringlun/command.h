/* The tree of commands, as one table (tree.c): what is parsed, what --help prints and what
 * completion offers. */
#pragma once

#include "backstore/base/compiler.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum command_status { /* what the process exits with */
		      STATUS_OK = 0,
		      STATUS_FAILED = 1,
		      STATUS_USAGE = 2,
		      STATUS_NOT_FOUND = 3,
		      STATUS_CONFLICT = 4, /* exists already, in use */
		      STATUS_NOT_REACHED = 5,
		      STATUS_UNFINISHED = 6, /* a job runs on */
};

enum word_kind { /* what completes a word */
		 WORD_FREE,
		 WORD_VOLUME,
		 WORD_TARGET,
		 WORD_SESSION,
		 WORD_PORTAL,
		 WORD_POOL,
		 WORD_JOB,
		 WORD_FILE,
		 WORD_FOLDER,
};

enum { COMMAND_MAX_ARGS = 2 };

struct command_arg {
	const char *name; /* "VOLUME"; NULL: no more */
	enum word_kind kind;
};

struct command_option {
	const char *name;    /* without its dashes; NULL: no more */
	const char *value;   /* "SIZE"; NULL: it takes none */
	const char *help;    /* lines, each but the last ends with \n */
	enum word_kind kind; /* of its value */
	const char *choices; /* "direct buffered"; NULL: any value */
	bool many;	     /* may be given more than once */
	char letter;	     /* 0: none */
};

struct call;

struct command {
	const char *words; /* "volume create"; of a group: "volume" */
	const char *summary;
	const char *details; /* NULL: the summary is all */
	struct command_arg args[COMMAND_MAX_ARGS + 1];
	const struct command_option *options;	    /* NULL: none */
	enum command_status (*run)(struct call *c); /* NULL: a group */
};

extern const struct command command_table[]; /* tree.c; groups before theirs; words NULL: the end */
extern const struct command_option command_globals[];

/* The command of these words, or the longest group that begins them; @used: how many they are.
 * NULL: there is none. */
const struct command *command_find(const char *const *words, unsigned n, unsigned *used);
/* Words of @command: 1 or 2. */
unsigned command_depth(const struct command *command);
/* NULL: it has none of that name, nor has any command. */
const struct command_option *command_option_find(const struct command *command, const char *name,
						 size_t len);
const struct command_option *command_letter_find(const struct command *command, char letter);

/* Returns the status to exit with. */
int command_main(int argc, char **argv);
