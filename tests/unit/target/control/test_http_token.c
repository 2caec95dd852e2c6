/* Who may call: the token's file, the header that has it, the user at the other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/target/control/http_rig.h"

#include "target/control/http_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

static int setup(void **state)
{
	*state = rig_make();
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static const char *write_token(struct rig *rig, const char *text, size_t len, mode_t mode)
{
	static char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/token", rig->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void test_files(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		mode_t mode;
		const char *said; /* NULL: it is good */
	} rows[] = {
#define TEXT(s) (s), sizeof(s) - 1
		{ TEXT(TOKEN "\n"), 0600, NULL },
		{ TEXT(TOKEN), 0400, NULL },
		{ TEXT(TOKEN "\r\n"), 0600, NULL },
		{ TEXT("0123456789abcdef"), 0600, NULL },
		{ TEXT("0123456789abcde"), 0600, "fewer than 16" },
		{ TEXT(""), 0600, "fewer than 16" },
		{ TEXT("\n" TOKEN), 0600, "more than one line" },
		{ TEXT(TOKEN "\n" TOKEN "\n"), 0600, "more than one line" },
		{ TEXT(TOKEN " "), 0600, "space" },
		{ TEXT(TOKEN "\xc3\xa4"), 0600, "ASCII" },
		{ TEXT(TOKEN "\0" TOKEN), 0600, "line" },
		{ TEXT(TOKEN), 0644, "chmod" },
		{ TEXT(TOKEN), 0640, "chmod" },
		{ TEXT(TOKEN), 0602, "chmod" },
	};
	char why[400], big[300];
	struct http_token t;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *path = write_token(*state, rows[i].text, rows[i].len, rows[i].mode);
		int rc = http_token_read(&t, path, why, sizeof(why));

		print_message("row %zu\n", i);
		assert_int_equal(rc, rows[i].said ? -EINVAL : 0);
		if (rows[i].said) {
			assert_non_null(strstr(why, rows[i].said));
			assert_non_null(strstr(why, path));
			assert_null(strstr(why, "0123456789"));
			assert_int_equal(t.text[0], 0);
		} else {
			assert_memory_equal(t.text, TOKEN, strlen(t.text));
		}
		unlink(path);
	}
	memset(big, 'x', sizeof(big));
	assert_int_equal(http_token_read(&t, write_token(*state, big, 256, 0600), why, 400),
			 -EINVAL);
	assert_int_equal(http_token_read(&t, write_token(*state, big, 300, 0600), why, 400),
			 -EINVAL);
	assert_int_equal(http_token_read(&t, write_token(*state, big, 255, 0600), why, 400), 0);
	assert_int_equal(http_token_read(&t, "/nowhere/token", why, sizeof(why)), -ENOENT);
	assert_int_equal(http_token_read(&t, "/tmp", why, sizeof(why)), -EINVAL);
}

static void test_headers(void **state)
{
	struct http_token t = { TOKEN };
	char big[600] = "Bearer ";

	(void)state;
	assert_true(http_token_admits(&t, "Bearer " TOKEN));
	assert_true(http_token_admits(&t, "bearer  " TOKEN));
	assert_false(http_token_admits(&t, NULL));
	assert_false(http_token_admits(&t, ""));
	assert_false(http_token_admits(&t, TOKEN));
	assert_false(http_token_admits(&t, "Bearer"));
	assert_false(http_token_admits(&t, "Bearer "));
	assert_false(http_token_admits(&t, "Basic " TOKEN));
	assert_false(http_token_admits(&t, "Bearer " TOKEN "0"));
	assert_false(http_token_admits(&t, "Bearer " TOKEN " "));
	for (size_t i = 0; i < strlen(TOKEN); i++) {
		char header[64] = "Bearer " TOKEN;

		header[7 + i] ^= 1;
		assert_false(http_token_admits(&t, header));
		header[7 + i] = '\0';
		assert_false(http_token_admits(&t, header));
	}
	memset(big + 7, '0', sizeof(big) - 8);
	assert_false(http_token_admits(&t, big));
	memset(&t, 0, sizeof(t)); /* none: nobody may */
	assert_false(http_token_admits(&t, "Bearer "));
}

static int connect_tcp(in_port_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = port,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static in_port_t free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return in.sin_port;
}

static int ask_tcp(struct rig *rig, in_port_t port, const char *header, size_t body)
{
	int fd = connect_tcp(port), status;
	char head[400];
	int n = snprintf(head, sizeof(head),
			 "POST /v1/echo HTTP/1.1\r\nHost: x\r\n%s%sContent-Length: %zu\r\n\r\n",
			 header, *header ? "\r\n" : "", body);

	client_send(fd, head, (size_t)n);
	for (; body && send(fd, " ", 1, MSG_NOSIGNAL) == 1; body--)
		;
	status = client_answer(fd, rig->answer, ANSWER_CAP, 0);
	close(fd);
	return status;
}

static void test_tcp(void **state)
{
	struct rig *rig = *state;
	in_port_t port = free_port();
	char text[32], why[400] = "";
	struct http_config cfg = { .socket_path = rig->socket, .tcp = text, .routes = rig_routes };

	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(port));
	assert_int_equal(http_start(&rig->http, &cfg, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "--api-token"));
	rig_start(rig, (struct http_config){
			       .tcp = text, .token_file = write_token(rig, TOKEN "\n", 33, 0600) });
	assert_int_equal(ask_tcp(rig, port, "Authorization: Bearer " TOKEN, 0), 200);
	assert_int_equal(ask_tcp(rig, port, "", 0), 401);
	assert_non_null(strcasestr(rig->answer, "\r\nWWW-Authenticate: Bearer\r\n"));
	assert_non_null(strstr(rig->answer, "\"code\":\"unauthorized\""));
	assert_int_equal(ask_tcp(rig, port, "Authorization: Bearer 0" TOKEN, 0), 401);
	assert_int_equal(ask_tcp(rig, port, "Authorization: Bearer 0" TOKEN, 1000), 401);
	assert_int_equal(rig->calls, 1);
	/* the socket needs none */
	assert_int_equal(client_call(rig->socket, rig->answer, "GET", "/v1/echo", NULL), 200);
}

static void test_bad_tcp(void **state)
{
	static const char *const bad[] = { "127.0.0.1", "127.0.0.1:",	"127.0.0.1:x",	  "::1",
					   "[::1]",	"[::1]:",	"localhost:8080", "",
					   ":80",	"1.2.3.4:99999" };
	struct rig *rig = *state;
	char why[400] = "";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct http_config cfg = { .socket_path = rig->socket,
					   .tcp = bad[i],
					   .token_file = write_token(rig, TOKEN, 32, 0600),
					   .routes = rig_routes };

		print_message("%s\n", bad[i]);
		assert_int_equal(http_start(&rig->http, &cfg, why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, "--api"));
	}
	assert_int_equal(access(rig->socket, F_OK), -1);
}

/* Whoever gets through to the socket all the same is told that they may not. */
static void test_other_user(void **state)
{
	struct rig *rig = *state;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	rig_start(rig, (struct http_config){ 0 });
	assert_int_equal(chmod(rig->dir, 0755), 0);
	assert_int_equal(chmod(rig->socket, 0666), 0);
	pid = fork();
	if (!pid) {
		if (setresuid(65534, 65534, 65534))
			_exit(1);
		status = client_call(rig->socket, rig->answer, "GET", "/v1/echo", NULL);
		_exit(status == 403 && strstr(rig->answer, "\"forbidden\"") ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(rig->calls, 0);
	assert_int_equal(client_call(rig->socket, rig->answer, "GET", "/v1/echo", NULL), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test(test_headers),
		cmocka_unit_test_setup_teardown(test_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_user, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
