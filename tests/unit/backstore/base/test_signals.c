/* A thread's own faults reach whoever handles them; others' signals do not reach it. */
#include "backstore/base/compiler.h"
#include "backstore/base/signals.h"
#include "tests/unit/backstore/base/unit.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANDLED = 7 };

static void handled(int sig MAYBE_UNUSED)
{
	_exit(HANDLED);
}

static void *faults(void *arg)
{
	sigset_t set;

	signals_of_others(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	pthread_kill(pthread_self(), *(int *)arg);
	return NULL;
}

/* Whether a thread with our mask runs the handler of @sig, which it sends itself. */
static bool reaches_handler(int sig)
{
	pid_t child = fork();
	int status;

	if (!child) {
		pthread_t thread;

		signal(sig, handled);
		if (!pthread_create(&thread, NULL, faults, &sig))
			pthread_join(thread, NULL);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == HANDLED;
}

static void faults_are_ones_own(void **state)
{
	(void)state;
	assert_true(reaches_handler(SIGSEGV));
	assert_true(reaches_handler(SIGBUS));
	assert_true(reaches_handler(SIGABRT));
	assert_false(reaches_handler(SIGTERM));
	assert_false(reaches_handler(SIGHUP));
	assert_false(reaches_handler(SIGALRM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_ones_own),
	};

	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
