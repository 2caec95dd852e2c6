/* ringlun: the command of the operator. */
#include "tools/ringlun/command.h"

int main(int argc, char **argv)
{
	return command_main(argc, argv);
}
