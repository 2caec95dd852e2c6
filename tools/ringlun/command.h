/* The tree of commands. */
#pragma once

/* Returns the status to exit with. */
int command_main(int argc, char **argv);
