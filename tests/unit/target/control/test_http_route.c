/* From URLs to routes. */
#include "target/control/http_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct api_route table[] = {
	{ .method = "GET", .path = "/v1", .operation = "root" },
	{ .method = "GET", .path = "/v1/things", .operation = "list" },
	{ .method = "POST", .path = "/v1/things", .operation = "create" },
	{ .method = "GET", .path = "/v1/things/{thing}", .operation = "show", .query = "a wait" },
	{ .method = "DELETE", .path = "/v1/things/{thing}/of/{other}", .operation = "delete" },
	{ 0 },
};

static const char *args[API_MAX_ARGS];
static char allow[64];

static const char *find(const char *method, const char *url, struct http_path *p)
{
	char why[200] = "";
	const struct api_route *r;

	assert_int_equal(http_path_parse(p, url, why, sizeof(why)), 0);
	r = http_route_find(table, method, p, args, allow, sizeof(allow));
	return r ? r->operation : "none";
}

static void test_found(void **state)
{
	static const struct {
		const char *method, *url, *operation, *arg0, *arg1;
	} rows[] = {
		{ "GET", "/v1", "root", NULL, NULL },
		{ "HEAD", "/v1", "root", NULL, NULL },
		{ "GET", "/v1/things", "list", NULL, NULL },
		{ "POST", "/v1/things", "create", NULL, NULL },
		{ "GET", "/v1/things/a", "show", "a", NULL },
		{ "GET", "/%761/thing%73/a", "show", "a", NULL },
		{ "GET", "/v1/things/iqn.2026-11.io.ringlun:a", "show", "iqn.2026-11.io.ringlun:a",
		  NULL },
		{ "GET", "/v1/things/a%2Fb%3ac%25", "show", "a/b:c%", NULL },
		{ "GET", "/v1/things/%c3%A4", "show", "\xc3\xa4", NULL },
		{ "GET", "/v1/things/%7Bthing%7D", "show", "{thing}", NULL },
		{ "DELETE", "/v1/things/a/of/b", "delete", "a", "b" },
		{ "GET", "/v1/", "none", NULL, NULL },
		{ "GET", "/v1/things/", "none", NULL, NULL },
		{ "GET", "/v1/thing", "none", NULL, NULL },
		{ "GET", "/v1/thingsx", "none", NULL, NULL },
		{ "GET", "/v1/things/a/of", "none", NULL, NULL },
		{ "DELETE", "/v1/things//of/b", "none", NULL, NULL },
		{ "GET", "/v1%2Fthings", "none", NULL, NULL },
		{ "GET", "/", "none", NULL, NULL },
		{ "GET", "//v1", "none", NULL, NULL },
		{ "get", "/v1", "none", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_path p;

		print_message("%s %s\n", rows[i].method, rows[i].url);
		assert_string_equal(find(rows[i].method, rows[i].url, &p), rows[i].operation);
		for (unsigned a = 0; a < 2; a++) {
			const char *want = a ? rows[i].arg1 : rows[i].arg0;

			if (want)
				assert_string_equal(args[a], want);
			else
				assert_null(args[a]);
		}
		http_path_fini(&p);
	}
}

static void test_allow(void **state)
{
	struct http_path p;

	(void)state;
	assert_string_equal(find("PUT", "/v1/things", &p), "none");
	assert_string_equal(allow, "GET, HEAD, POST");
	http_path_fini(&p);
	assert_string_equal(find("HEAD", "/v1/things/a/of/b", &p), "none");
	assert_string_equal(allow, "DELETE");
	http_path_fini(&p);
	assert_string_equal(find("PUT", "/v2", &p), "none");
	assert_string_equal(allow, "");
	http_path_fini(&p);
}

static void test_bad_paths(void **state)
{
	static const char *const bad[] = { "",
					   "v1",
					   "*",
					   "/%",
					   "/%4",
					   "/v1/%zz",
					   "/a%00b",
					   "/%c3",
					   "/%ff",
					   "/\xff",
					   "/%c0%80",
					   "/%ed%a0%80",
					   "/a/%2",
					   "/%-1",
					   "/%+1",
					   "/% 1",
					   "/1/2/3/4/5/6/7/8/9/10/11/12/13" };
	struct http_path p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char why[200] = "";

		print_message("%s\n", bad[i]);
		assert_int_equal(http_path_parse(&p, bad[i], why, sizeof(why)), -EINVAL);
		assert_true(*why);
		http_path_fini(&p);
	}
}

static void test_parameters(void **state)
{
	const struct api_route *show = &table[3];

	(void)state;
	assert_true(http_route_takes(show, "a"));
	assert_true(http_route_takes(show, "wait"));
	assert_false(http_route_takes(show, "wai"));
	assert_false(http_route_takes(show, "waits"));
	assert_false(http_route_takes(show, "a wait"));
	assert_false(http_route_takes(show, ""));
	assert_false(http_route_takes(&table[0], "a"));
}

static void test_messages_are_utf8(void **state)
{
	struct api_error e = { 0 };
	char long_text[API_WHY_BYTES + 10];
	json_t *j;

	(void)state;
	api_fail(&e, 400, "invalid", "\xff%s\xc3", "\xc3\xa4\xe2\x82");
	assert_string_equal(e.message, "?\xc3\xa4???");
	memset(long_text, 'x', sizeof(long_text));
	strcpy(long_text + API_WHY_BYTES - 2, "\xc3\xa4"); /* cut in the middle */
	api_fail(&e, 400, "invalid", "%s", long_text);
	j = api_error_to_json(&e);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "error"), "status")),
			 400);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_bad_paths),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_messages_are_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
