/* The HTTP server over a real unix socket, with routes that are made for tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/target/control/http_rig.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int setup(void **state)
{
	struct rig *rig = rig_make();

	rig_start(rig, (struct http_config){ 0 });
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

#define call(rig, ...) client_call((rig)->socket, (rig)->answer, __VA_ARGS__)

static void assert_error(struct rig *rig, int status, const char *code)
{
	json_t *j = json_loads(answer_body(rig->answer), 0, NULL), *e = json_object_get(j, "error");

	assert_non_null(e);
	assert_string_equal(json_string_value(json_object_get(e, "code")), code);
	assert_int_equal(json_integer_value(json_object_get(e, "status")), status);
	assert_true(json_string_length(json_object_get(e, "message")) > 5);
	assert_non_null(strcasestr(rig->answer, "Content-Type: application/json\r\n"));
	json_decref(j);
}

#define expect_error(rig, status, code, ...)                                                       \
	do {                                                                                       \
		assert_int_equal(call(rig, __VA_ARGS__), status);                                  \
		assert_error(rig, status, code);                                                   \
	} while (0)

static void test_answers(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(call(rig, "GET", "/v1/echo?q=a%20b%26", NULL), 200);
	assert_string_equal(answer_body(rig->answer),
			    "{\"a\":null,\"b\":null,\"q\":\"a b&\",\"body\":null}");
	assert_non_null(strcasestr(rig->answer, "Cache-Control: no-store\r\n"));
	assert_int_equal(call(rig, "GET", "/v1/echo/iqn.x:%2F/x/y", NULL), 200);
	assert_string_equal(answer_body(rig->answer),
			    "{\"a\":\"iqn.x:/\",\"b\":\"y\",\"q\":null,\"body\":null}");
	assert_int_equal(call(rig, "POST", "/v1/echo", "{\"n\":9007199254740993}"), 200);
	assert_non_null(strstr(rig->answer, "\"body\":{\"n\":9007199254740993}"));
	assert_int_equal(call(rig, "PUT", "/v1/slow", "{\"n\":1}"), 200);
	assert_non_null(strstr(rig->answer, "\"body\":{\"n\":1}"));
	assert_int_equal(call(rig, "POST", "/v1/echo", " \n"), 200);
	assert_int_equal(call(rig, "GET", "/v1/text", NULL), 202);
	assert_string_equal(answer_body(rig->answer), "plain\n");
	assert_non_null(strcasestr(rig->answer, "Content-Type: text/plain; version=0.0.4\r\n"));
	assert_int_equal(call(rig, "DELETE", "/v1/nothing", NULL), 200);
	assert_string_equal(answer_body(rig->answer), "{}");
	assert_int_equal(call(rig, "DELETE", "/v1/nothing", "{}"), 200);
	assert_int_equal(call(rig, "HEAD", "/v1/echo", NULL), 200);
}

static void test_errors(void **state)
{
	struct rig *rig = *state;

	expect_error(rig, 409, "in_use", "GET", "/v1/fail", NULL);
	expect_error(rig, 409, "in_use", "GET", "/v1/fail-slowly", NULL);
	expect_error(rig, 404, "not_found", "GET", "/v1/nowhere", NULL);
	expect_error(rig, 404, "not_found", "BREW", "/v1/nowhere", NULL);
	expect_error(rig, 405, "method_not_allowed", "PATCH", "/v1/echo", NULL);
	assert_non_null(strcasestr(rig->answer, "\r\nAllow: GET, HEAD, POST\r\n"));
	expect_error(rig, 405, "method_not_allowed", "BREW", "/v1/echo", NULL);
	expect_error(rig, 400, "invalid", "GET", "/v1/echo/%zz/x/y", NULL);
	expect_error(rig, 400, "invalid", "GET", "/v1/echo?Q=1", NULL);
	assert_non_null(strstr(rig->answer, "'Q'"));
	expect_error(rig, 400, "invalid", "GET", "/v1/echo?q=1&q=2", NULL);
	expect_error(rig, 400, "invalid", "GET", "/v1/echo?q=%ff", NULL);
	expect_error(rig, 400, "invalid", "GET", "/v1/echo?q=%00", NULL);
	expect_error(rig, 400, "invalid", "DELETE", "/v1/nothing", "{\"a\":1}");
	assert_int_equal(rig->calls, 0);
}

static void test_json(void **state)
{
	struct rig *rig = *state;
	static const struct {
		const char *body, *said;
	} rows[] = {
		{ "{\n  \"a\": }", "line 2, column 8" },
		{ "{\"a\":1,\"a\":2}", "duplicate" },
		{ "[1]", "object" },
		{ "{} {}", "line 1" },
		{ "{\"secret\":\"hunter22", "line 1" },
		{ "{\"secret\":\"\xff\"}", "line 1" },
		{ "{\"secret\":\"\\u0000\"}", "line 1" },
		{ "{\"n\":123456789012345678901234567890}", "integer" },
		{ "nul", "line 1" },
	};
	char *deep = malloc(100001);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		expect_error(rig, 400, "invalid", "POST", "/v1/echo", rows[i].body);
		assert_non_null(strstr(rig->answer, rows[i].said));
		assert_null(strstr(rig->answer, "hunter22"));
	}
	assert_non_null(deep);
	memset(deep, '[', 100000);
	deep[100000] = '\0';
	expect_error(rig, 400, "invalid", "POST", "/v1/echo", deep);
	for (unsigned i = 0; i < 100000; i += 5)
		memcpy(deep + i, "{\"a\":", 5);
	expect_error(rig, 400, "invalid", "POST", "/v1/echo", deep);
	free(deep);
	assert_int_equal(rig->calls, 0);
}

/* The answer comes whole although the body is too large to be taken. */
static void test_large_bodies(void **state)
{
	static const char head[] =
		"POST /v1/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
	struct rig *rig = *state;
	size_t len = (8 << 20) + 1;
	char *body = malloc(len + 1);
	int fd;

	assert_non_null(body);
	memset(body, ' ', len);
	body[len] = '\0';
	expect_error(rig, 413, "too_large", "POST", "/v1/echo", body);
	memcpy(body, "{}", 2);
	body[len - 1] = '\0'; /* 8 MiB: as large as may be */
	assert_int_equal(call(rig, "POST", "/v1/echo", body), 200);

	fd = client_open(rig->socket); /* without a length */
	client_send(fd, head, sizeof(head) - 1);
	for (unsigned i = 0; i < 9; i++) {
		client_send(fd, "100000\r\n", 8);
		client_send(fd, body, 1 << 20);
		client_send(fd, "\r\n", 2);
	}
	client_send(fd, "0\r\n\r\n", 5);
	assert_int_equal(client_answer(fd, rig->answer, ANSWER_CAP, 0), 413);
	assert_error(rig, 413, "too_large");
	/* and the connection goes on */
	assert_int_equal(client_call_on(fd, rig->answer, "GET", "/v1/echo", NULL), 200);
	close(fd);
	free(body);
}

static void test_pipelined(void **state)
{
	static const char three[] = "GET /v1/echo?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"
				    "GET /v1/gate?q=2 HTTP/1.1\r\nHost: x\r\n\r\n"
				    "GET /v1/echo?q=3 HTTP/1.1\r\nHost: x\r\n\r\n";
	struct rig *rig = *state;
	int fd = client_open(rig->socket);

	client_send(fd, three, sizeof(three) - 1);
	assert_int_equal(client_answer(fd, rig->answer, ANSWER_CAP, 0), 200);
	assert_non_null(strstr(rig->answer, "\"q\":\"1\""));
	gate_await(rig, 1);
	gate_set(rig, true);
	assert_int_equal(client_answer(fd, rig->answer, ANSWER_CAP, 0), 200);
	assert_non_null(strstr(rig->answer, "\"q\":\"2\""));
	assert_int_equal(client_answer(fd, rig->answer, ANSWER_CAP, 0), 200);
	assert_non_null(strstr(rig->answer, "\"q\":\"3\""));
	close(fd);
}

static void ask_gate(int fd)
{
	static const char head[] = "GET /v1/gate HTTP/1.1\r\nHost: x\r\n\r\n";

	client_send(fd, head, sizeof(head) - 1);
}

/* While calls wait others are served; one too many is told so. */
static void test_slow_calls(void **state)
{
	struct rig *rig = *state;
	int fds[64];

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		ask_gate(fds[i] = client_open(rig->socket));
	gate_await(rig, ARRAY_SIZE(fds));
	assert_int_equal(call(rig, "GET", "/v1/echo", NULL), 200);
	expect_error(rig, 503, "busy", "GET", "/v1/gate", NULL);
	gate_set(rig, true);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		assert_int_equal(client_answer(fds[i], rig->answer, ANSWER_CAP, 0), 200);
		close(fds[i]);
	}
	assert_int_equal(call(rig, "GET", "/v1/gate", NULL), 200);
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void await_fds(unsigned n)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	for (unsigned i = 0; open_fds() > n; i++) {
		assert_true(i < 4000);
		nanosleep(&pause, NULL);
	}
}

/* Clients that go away in the middle of a head, a body, a call, an answer. */
static void test_vanishing_clients(void **state)
{
	static const char half_head[] = "POST /v1/echo HTTP/1.1\r\nHos";
	static const char half_body[] =
		"POST /v1/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"a\":";
	static const char large[] = "GET /v1/large HTTP/1.1\r\nHost: x\r\n\r\n";
	struct rig *rig = *state;
	unsigned before = open_fds();

	for (unsigned i = 0; i < 20; i++) {
		int fd = client_open(rig->socket);

		client_send(fd, half_head, sizeof(half_head) - 1);
		close(fd);
		fd = client_open(rig->socket);
		client_send(fd, half_body, sizeof(half_body) - 1);
		close(fd);
		fd = client_open(rig->socket);
		client_send(fd, large, sizeof(large) - 1);
		assert_int_equal(recv(fd, rig->answer, 1000, MSG_WAITALL), 1000);
		close(fd);
		ask_gate(fd = client_open(rig->socket));
		gate_await(rig, i + 1);
		close(fd);
	}
	gate_set(rig, true);
	gate_await(rig, 0);
	await_fds(before);
	assert_int_equal(call(rig, "GET", "/v1/echo", NULL), 200);
}

static void *stop_main(void *arg)
{
	struct rig *rig = arg;

	assert_int_equal(http_stop(rig->http, 60), 0);
	rig->http = NULL;
	return NULL;
}

/* Calls under way are answered, new ones are not taken. */
static void test_stop(void **state)
{
	struct rig *rig = *state;
	int waits = client_open(rig->socket), idle = client_open(rig->socket);
	pthread_t thread;

	assert_int_equal(client_call_on(idle, rig->answer, "GET", "/v1/echo", NULL), 200);
	ask_gate(waits);
	gate_await(rig, 1);
	http_quiesce(rig->http);
	assert_int_equal(access(rig->socket, F_OK), -1);
	assert_int_equal(client_call_on(idle, rig->answer, "GET", "/v1/echo", NULL), 503);
	assert_error(rig, 503, "busy");
	assert_int_equal(http_stop(rig->http, 1), -ETIMEDOUT);
	assert_int_equal(pthread_create(&thread, NULL, stop_main, rig), 0);
	gate_set(rig, true);
	assert_int_equal(client_answer(waits, rig->answer, ANSWER_CAP, 0), 200);
	pthread_join(thread, NULL);
	assert_int_equal(recv(idle, rig->answer, 1, 0), 0);
	close(idle);
	close(waits);
}

static void test_socket(void **state)
{
	struct rig *rig = *state;
	struct http_config cfg = { .socket_path = rig->socket, .routes = rig_routes };
	struct http *second;
	char why[400] = "", path[300];
	struct stat st;

	assert_int_equal(stat(rig->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(http_start(&second, &cfg, why, sizeof(why)), -EADDRINUSE);
	assert_non_null(strstr(why, rig->socket));
	assert_int_equal(call(rig, "GET", "/v1/echo", NULL), 200);
	snprintf(path, sizeof(path), "%s/%0150d", rig->dir, 1);
	cfg.socket_path = path;
	assert_int_equal(http_start(&second, &cfg, why, sizeof(why)), -ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s/nowhere/api.sock", rig->dir);
	assert_int_equal(http_start(&second, &cfg, why, sizeof(why)), -ENOENT);
	snprintf(path, sizeof(path), "%s", rig->dir);
	assert_int_equal(http_start(&second, &cfg, why, sizeof(why)), -EEXIST);
}

/* What a server that was killed left behind is replaced; what is no socket is not. */
static void test_dead_socket(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct rig *rig = *state;
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(http_stop(rig->http, 60), 0);
	strcpy(un.sun_path, rig->socket);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd);
	assert_int_equal(chmod(rig->socket, 0777), 0);
	rig_start(rig, (struct http_config){ 0 });
	assert_int_equal(stat(rig->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(call(rig, "GET", "/v1/echo", NULL), 200);
}

/* Many at once, of whom most wait in the queue; then all go: their places are free at once. */
static void test_crowd(void **state)
{
	struct rig *rig = *state;
	int fds[740];

	assert_int_equal(http_stop(rig->http, 60), 0);
	rig_start(rig, (struct http_config){ 0 });
	for (unsigned wave = 0; wave < 30; wave++) {
		for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
			fds[i] = client_open(rig->socket);
			client_send(fds[i], "GET /v1 HT", 10);
		}
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL); /* it has taken some */
		for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
			close(fds[i]);
		assert_int_equal(call(rig, "GET", "/v1/echo", NULL), 200);
	}
}

/* One byte now and then does not hold a connection; nor does silence. */
static void test_slow_clients(void **state)
{
	static const char head[] = "GET /v1/echo HTTP/1.1\r\nHost: x\r\nX-Slow: ";
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct rig *rig = *state;
	int slow, silent;
	unsigned i;

	assert_int_equal(http_stop(rig->http, 60), 0);
	rig_start(rig, (struct http_config){ .request_ms = 300, .max_connections = 2 });
	slow = client_open(rig->socket);
	silent = client_open(rig->socket);
	client_send(slow, head, sizeof(head) - 1);
	for (i = 0; i < 1000 && send(slow, "x", 1, MSG_NOSIGNAL) == 1; i++)
		nanosleep(&pause, NULL);
	assert_true(i > 5 && i < 1000);
	assert_int_equal(recv(silent, rig->answer, 1, 0), 0);
	/* both places were taken; a third waited, and has its turn now */
	assert_int_equal(call(rig, "GET", "/v1/echo", NULL), 200);
	/* a call may take longer than a request */
	close(silent);
	silent = client_open(rig->socket);
	ask_gate(silent);
	gate_await(rig, 1);
	nanosleep(&(struct timespec){ .tv_nsec = 700000000 }, NULL);
	gate_set(rig, true);
	assert_int_equal(client_answer(silent, rig->answer, ANSWER_CAP, 0), 200);
	close(silent);
	close(slow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pipelined, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vanishing_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_clients, setup, teardown),
	};

	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) { /* of both ends of a crowd */
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
