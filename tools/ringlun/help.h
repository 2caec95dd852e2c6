/* --help, on every level. */
#pragma once

#include "tools/ringlun/command.h"

/* @command NULL: of the program. */
void help_print(const struct command *command, FILE *f);
/* "ringlun volume create NAME [OPTION...]" */
void help_print_usage(const struct command *command, FILE *f);
/* The whole table, one line a command, for tests: WORDS, ARGUMENTS, OPTIONS, between tabs. */
void help_print_tree(FILE *f);
