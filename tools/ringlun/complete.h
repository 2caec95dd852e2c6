/* What could stand in the place of a command line's last word: for tools/completion. */
#pragma once

/* The words after "ringlun", the last of them unfinished (and be it ""). One candidate a line;
 * those that are files or folders are the shell's to find: ":files" or ":folders". */
void complete_print(int n, char **words);
