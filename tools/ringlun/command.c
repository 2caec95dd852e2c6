/* The tree of commands. */
#include "tools/ringlun/command.h"

#include <stdio.h>

int command_main(int argc, char **argv)
{
	(void)argc;
	fprintf(stderr, "%s: no command is known yet\n", argv[0]);
	return 2;
}
