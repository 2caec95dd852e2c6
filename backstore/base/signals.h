/* What our threads leave to the main one. */
#pragma once

#include <signal.h>

/* All but what a thread's own fault raises: blocked, the kernel ends the process at once, and
 * neither a sanitizer nor a handler says where. */
static inline void signals_of_others(sigset_t *set)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };

	sigfillset(set);
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(set, own[i]);
}
