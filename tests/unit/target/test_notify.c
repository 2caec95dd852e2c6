/* The datagram of sd_notify(3), to a path and to an abstract address. */
#include "target/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A manager's socket at @name ('@': abstract). */
static int manager_at(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(addr.sun_path, name, strlen(name));
	if (*name == '@')
		addr.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

static void expect(int fd, const char *wanted)
{
	char got[64] = "";

	assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), (int)strlen(wanted));
	assert_string_equal(got, wanted);
	assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
}

static void to_a_path(void **state)
{
	char dir[] = "/tmp/notify.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	fd = manager_at(path);
	setenv("NOTIFY_SOCKET", path, 1);
	notify_manager("READY=1");
	expect(fd, "READY=1");
	close(fd);
	unlink(path);
	notify_manager("STOPPING=1"); /* gone: logged, no harm */
	rmdir(dir);
}

static void to_an_abstract_address(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@ringlun-test-%d", getpid());
	fd = manager_at(name);
	setenv("NOTIFY_SOCKET", name, 1);
	notify_manager("STOPPING=1");
	expect(fd, "STOPPING=1");
	close(fd);
}

static void to_nobody(void **state)
{
	char too_long[200];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_manager("READY=1");
	memset(too_long, '/', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	setenv("NOTIFY_SOCKET", too_long, 1);
	notify_manager("READY=1");
	unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(to_a_path),
		cmocka_unit_test(to_an_abstract_address),
		cmocka_unit_test(to_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
