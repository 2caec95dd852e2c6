/* Policies: rules by name and address, portals, users; what cannot be one. */
#include "target/iscsi/policy.h"
#include "target/iscsi/sockaddr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOST "iqn.2004-10.com.example:db1"

static char why[256];

static struct sockaddr_storage at(const char *text)
{
	struct sockaddr_storage sa;

	assert_int_equal(sockaddr_parse(&sa, text), 0);
	return sa;
}

/* As a v6 socket tells a v4 peer. */
static struct sockaddr_storage mapped(const char *text)
{
	struct sockaddr_storage four = at(text), sa = { .ss_family = AF_INET6 };
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&sa;

	six->sin6_port = sockaddr_port(&four);
	memset(six->sin6_addr.s6_addr + 10, 0xff, 2);
	memcpy(six->sin6_addr.s6_addr + 12, &((struct sockaddr_in *)&four)->sin_addr, 4);
	return sa;
}

static struct iscsi_policy *make(const struct policy_spec *spec)
{
	struct iscsi_policy *p = NULL;

	if (policy_new(&p, spec, why, sizeof(why)))
		fail_msg("%s", why);
	assert_int_equal(atomic_load(&p->refs), 1);
	return p;
}

static bool admits(const char *initiator, const char *address, const char *name, const char *peer)
{
	struct policy_rule rule = { initiator, address };
	struct policy_spec spec = { .rules = &rule, .nrules = 1 };
	struct sockaddr_storage sa = at(peer), other = sa;
	struct iscsi_policy *p = make(&spec);
	bool yes = policy_admits(p, name, &sa);

	if (sa.ss_family == AF_INET) {
		other = mapped(peer);
		assert_int_equal(policy_admits(p, name, &other), yes);
	}
	policy_put(p);
	return yes;
}

static void by_name(void **state)
{
	(void)state;
	assert_true(admits(HOST, NULL, HOST, "10.0.0.1"));
	assert_true(admits("IQN.2004-10.com.EXAMPLE:db1", NULL, HOST, "10.0.0.1"));
	assert_true(admits("iqn.2004-10.com.example:db?", NULL, HOST, "10.0.0.1"));
	assert_true(admits("*", NULL, HOST, "10.0.0.1"));
	assert_true(admits("eui.*", NULL, "eui.02004567A425678D", "10.0.0.1"));
	assert_false(admits("iqn.2004-10.com.example:db?", NULL, "iqn.2004-10.com.example:db12",
			    "10.0.0.1"));
	assert_false(admits("iqn.2004-10.com.example:db", NULL, HOST, "10.0.0.1"));
	assert_false(admits("iqn.2004-10.com.example:db?", NULL, "", "10.0.0.1"));
}

static void by_address(void **state)
{
	static const struct {
		const char *subnet, *peer;
		bool yes;
	} rows[] = {
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.8", false },
		{ "192.0.2.7", "[2001:db8::7]", false },
		{ "10.1.0.0/16", "10.1.255.255", true },
		{ "10.1.0.0/16", "10.2.0.0", false },
		{ "10.1.0.0/17", "10.1.127.255", true },
		{ "10.1.0.0/17", "10.1.128.0", false },
		{ "10.1.0.128/25", "10.1.0.127", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "::1", true },
		{ "::/0", "10.0.0.1", false },
		{ "128.0.0.0/1", "127.255.255.255", false },
		{ "128.0.0.0/1", "128.0.0.0", true },
		{ "192.0.2.6/31", "192.0.2.7", true },
		{ "2001:db8::/32", "[2001:db8:ffff::1]", true },
		{ "2001:db8::/32", "[2001:db9::1]", false },
		{ "2001:db8::/33", "[2001:db8:7fff::1]", true },
		{ "2001:db8::/33", "[2001:db8:8000::1]", false },
		{ "2001:db8::1", "[2001:db8::1]", true },
		{ "2001:db8::1", "[2001:db8::2]", false },
		{ "::ffff:10.1.0.0/112", "10.1.2.3", true }, /* v4 in disguise */
		{ "::ffff:10.1.0.0/112", "10.2.2.3", false },
		{ "::ffff:192.0.2.7", "192.0.2.7", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (admits(NULL, rows[i].subnet, HOST, rows[i].peer) != rows[i].yes)
			fail_msg("%s has %s?", rows[i].subnet, rows[i].peer);
}

static void by_both(void **state)
{
	static const struct policy_rule rules[] = { { "iqn.2004-10.com.example:*", "10.0.0.0/8" },
						    { "iqn.2004-10.com.example:db2", NULL },
						    { NULL, "::1" } };
	struct policy_spec spec = { .rules = rules, .nrules = 3 };
	struct sockaddr_storage ten = at("10.9.9.9"), other = at("192.0.2.1"), six = at("[::1]"),
				none = { .ss_family = AF_UNSPEC };
	struct iscsi_policy *p = make(&spec);

	(void)state;
	assert_true(policy_admits(p, HOST, &ten));
	assert_false(policy_admits(p, HOST, &other));
	assert_true(policy_admits(p, "iqn.2004-10.com.example:db2", &other));
	assert_true(policy_admits(p, "iqn.2004-10.com.example:db2", &none));
	assert_false(policy_admits(p, HOST, &none)); /* whoever has no address is in no network */
	assert_true(policy_admits(p, "eui.1", &six));
	assert_false(policy_admits(p, "eui.1", &ten));
	policy_put(p);
	spec.nrules = 0;
	p = make(&spec);
	assert_false(policy_admits(p, HOST, &ten)); /* no rules: nobody */
	policy_put(p);
}

static void behind_portals(void **state)
{
	static const char *const portals[] = { "192.0.2.1", "[2001:db8::1]:3261", "0.0.0.0:4000" };
	struct policy_spec spec = { .portals = portals, .nportals = 3 };
	struct sockaddr_storage sa;
	struct iscsi_policy *p = make(&spec);
	static const struct {
		const char *here;
		bool yes;
	} rows[] = {
		{ "192.0.2.1:3260", true },	 { "192.0.2.1:3261", false },
		{ "192.0.2.2:3260", false },	 { "[2001:db8::1]:3261", true },
		{ "[2001:db8::1]:3260", false }, { "198.51.100.1:4000", true },
		{ "[2001:db8::9]:4000", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		sa = at(rows[i].here);
		assert_int_equal(policy_is_behind(p, &sa), rows[i].yes);
	}
	sa = mapped("192.0.2.1:3260");
	assert_true(policy_is_behind(p, &sa));
	sa.ss_family = AF_UNSPEC;
	assert_false(policy_is_behind(p, &sa));
	policy_put(p);
	spec.nportals = 0;
	p = make(&spec);
	assert_true(policy_is_behind(p, &sa));
	policy_put(p);
}

static void refused(const struct policy_spec *spec, const char *named)
{
	struct iscsi_policy *p;

	*why = '\0';
	assert_int_equal(policy_new(&p, spec, why, sizeof(why)), -EINVAL);
	if (!strstr(why, named))
		fail_msg("'%s' does not name %s", why, named);
}

static void what_is_no_rule(void **state)
{
	static const char *const addresses[] = {
		"",
		"10.0.0",
		"10.0.0.1/33",
		"10.0.0.1/",
		"10.0.0.1/-1",
		"10.0.0.1/16",
		"10.0.0.0/8x",
		"2001:db8::/129",
		"2001:db8::1/32",
		"host.example",
		"10.0.0.1:3260",
		"/8",
		"::ffff:10.1.2.3/112",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	static const char *const names[] = { "", "host1", "10.0.0.1", "iqm.2004-10.com.example:x" };
	char longest[300];

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct policy_rule rule = { .address = addresses[i] };

		refused(&(struct policy_spec){ .rules = &rule, .nrules = 1 }, addresses[i]);
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct policy_rule rule = { .initiator = names[i] };

		refused(&(struct policy_spec){ .rules = &rule, .nrules = 1 }, names[i]);
	}
	memset(longest, '*', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	refused(&(struct policy_spec){ .rules = &(struct policy_rule){ .initiator = longest },
				       .nrules = 1 },
		"***");
}

static void what_is_no_place(void **state)
{
	static const char *const bad[] = { "",
					   "host:3260",
					   "192.0.2.1:0",
					   "192.0.2.1:65536",
					   "[2001:db8::1",
					   "192.0.2.1:3260,1" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused(&(struct policy_spec){ .portals = &bad[i], .nportals = 1 }, bad[i]);
		refused(&(struct policy_spec){ .redirect = bad[i] }, bad[i]);
	}
	refused(&(struct policy_spec){ .redirect = "0.0.0.0:3260" }, "0.0.0.0");
	refused(&(struct policy_spec){ .redirect = "[::]:3260" }, "[::]");
}

static void redirects_are_told_in_one_form(void **state)
{
	struct iscsi_policy *p = make(
		&(struct policy_spec){ .redirect = "2001:DB8:0::5", .redirect_forever = true });

	(void)state;
	assert_string_equal(p->redirect, "[2001:db8::5]:3260");
	assert_true(p->redirect_forever);
	policy_put(p);
}

static void users_and_their_secrets(void **state)
{
	static const struct policy_user two[] = { { "alice", "alice's secret" },
						  { "bob", "bob's secret" } };
	static const struct policy_user twice[] = { { "alice", "one secret" },
						    { "alice", "another one" } };
	static const struct policy_user us = { "target", "our own secret" };
	static const struct policy_user same = { "target", "bob's secret" };
	struct policy_spec spec = { .users = two, .nusers = 2, .mutual = &us };
	struct iscsi_policy *p = make(&spec), *q;
	char long_secret[300];

	(void)state;
	assert_int_equal(p->nusers, 2);
	assert_string_equal(p->users[1].name, "bob");
	assert_int_equal(p->users[1].len, 12);
	assert_memory_equal(p->users[1].bytes, "bob's secret", 12);
	assert_string_equal(p->mutual->name, "target");
	q = policy_get(p);
	policy_put(p);
	assert_memory_equal(q->mutual->bytes, "our own secret", 14);
	policy_put(q);
	spec.mutual = &same; /* RFC 7143 9.2.1 */
	refused(&spec, "bob");
	assert_null(strstr(why, "bob's secret"));
	refused(&(struct policy_spec){ .mutual = &us }, "mutual");
	refused(&(struct policy_spec){ .users = twice, .nusers = 2 }, "alice");
	memset(long_secret, 'x', sizeof(long_secret) - 1);
	long_secret[sizeof(long_secret) - 1] = '\0';
	refused(&(struct policy_spec){ .users = &(struct policy_user){ "carol", long_secret },
				       .nusers = 1 },
		"carol");
	assert_null(strstr(why, "xxx"));
	refused(&(struct policy_spec){ .users = &(struct policy_user){ "carol", "" }, .nusers = 1 },
		"carol");
	refused(&(struct policy_spec){ .users = &(struct policy_user){ "", "secret" },
				       .nusers = 1 },
		"name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_name),
		cmocka_unit_test(by_address),
		cmocka_unit_test(by_both),
		cmocka_unit_test(behind_portals),
		cmocka_unit_test(what_is_no_rule),
		cmocka_unit_test(what_is_no_place),
		cmocka_unit_test(redirects_are_told_in_one_form),
		cmocka_unit_test(users_and_their_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
