/* The server's table of routes and openapi.json say the same, in both directions. */
#include "target/control/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static json_t *file;

static int setup(void **state)
{
	json_error_t at;

	(void)state;
	file = json_loadb(api_openapi_begin, (size_t)(api_openapi_end - api_openapi_begin),
			  JSON_REJECT_DUPLICATES, &at);
	if (!file)
		print_error("openapi.json: line %d: %s\n", at.line, at.text);
	return file ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	json_decref(file);
	return 0;
}

static const json_t *operation_of(const struct api_route *r)
{
	const json_t *methods = json_object_get(json_object_get(file, "paths"), r->path);
	char method[16];
	unsigned i = 0;

	for (; r->method[i] && i < sizeof(method) - 1; i++)
		method[i] = (char)(r->method[i] | 0x20);
	method[i] = '\0';
	return json_object_get(methods, method);
}

/* Names of parameters that are in @where ("path", "query"), one after the other. */
static void parameters(const json_t *operation, const char *where, char *out, size_t cap)
{
	const json_t *all = json_object_get(operation, "parameters"), *p;
	size_t i;

	*out = '\0';
	json_array_foreach((json_t *)(uintptr_t)all, i, p)
	{
		size_t at = strlen(out);

		if (!strcmp(json_string_value(json_object_get(p, "in")), where))
			snprintf(out + at, cap - at, "%s%s", at ? " " : "",
				 json_string_value(json_object_get(p, "name")));
	}
}

static void names_in_braces(const char *path, char *out, size_t cap)
{
	*out = '\0';
	for (path = strchr(path, '{'); path; path = strchr(path + 1, '{')) {
		size_t at = strlen(out);

		snprintf(out + at, cap - at, "%s%.*s", at ? " " : "", (int)strcspn(path + 1, "}"),
			 path + 1);
	}
}

static void test_routes_are_described(void **state)
{
	(void)state;
	for (const struct api_route *r = api_routes; r->method; r++) {
		const json_t *operation = operation_of(r);
		char in_file[200], in_table[200];

		print_message("%s %s\n", r->method, r->path);
		assert_non_null(r->run);
		assert_non_null(operation);
		assert_string_equal(r->operation,
				    json_string_value(json_object_get(operation, "operationId")));
		assert_int_equal(!!(r->flags & API_BODY),
				 !!json_object_get(operation, "requestBody"));
		parameters(operation, "query", in_file, sizeof(in_file));
		assert_string_equal(r->query ? r->query : "", in_file);
		parameters(operation, "path", in_file, sizeof(in_file));
		names_in_braces(r->path, in_table, sizeof(in_table));
		assert_string_equal(in_table, in_file);
	}
}

static void test_described_are_routes(void **state)
{
	const char *path, *method;
	json_t *methods, *operation;

	(void)state;
	json_object_foreach(json_object_get(file, "paths"), path, methods)
	{
		json_object_foreach(methods, method, operation)
		{
			unsigned found = 0;

			print_message("%s %s\n", method, path);
			for (const struct api_route *r = api_routes; r->method; r++)
				found += operation_of(r) == operation;
			assert_int_equal(found, 1);
		}
	}
}

/* The table is gone through from the top: a row must not hide a later one. */
static void test_no_route_hides_another(void **state)
{
	(void)state;
	for (const struct api_route *r = api_routes; r->method; r++)
		for (const struct api_route *other = api_routes; other != r; other++) {
			assert_false(!strcmp(r->path, other->path) &&
				     !strcmp(r->method, other->method));
			assert_string_not_equal(r->operation, other->operation);
		}
}

static void test_file_is_served(void **state)
{
	const struct api_call call = { 0 };
	struct api_reply reply = { 0 };
	json_t *served;

	(void)state;
	api_show_openapi(&call, &reply);
	assert_string_equal(reply.content_type, "application/json");
	served = json_loads(reply.text, 0, NULL);
	assert_true(json_equal(served, file));
	json_decref(served);
	free(reply.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes_are_described),
		cmocka_unit_test(test_described_are_routes),
		cmocka_unit_test(test_no_route_hides_another),
		cmocka_unit_test(test_file_is_served),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
