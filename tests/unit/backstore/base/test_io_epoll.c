/* The epoll engine against a real kernel: what all engines promise. */
#include "tests/unit/backstore/base/engine_disk_tests.h"
#include "tests/unit/backstore/base/engine_loop_tests.h"
#include "tests/unit/backstore/base/engine_net_tests.h"
#include "tests/unit/backstore/base/engine_rig.h"

int main(void)
{
	static engine_new_fn *make = io_epoll_engine_new;
	struct CMUnitTest tests[] = {
		LOOP_TESTS,
		DISK_TESTS,
		NET_TESTS,
	};

	return engine_run("epoll", tests, ARRAY_SIZE(tests), &make);
}
