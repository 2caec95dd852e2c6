/* Who may log in to a target: rules by name and by address, portals, users.
 *
 * A rule holds for whoever meets all that it says; one rule is enough. Addresses compare as bits
 * behind a prefix, those of IPv4 in the disguise of IPv6 as IPv4. Built whole or not at all, and
 * never changed: logins read it without a lock. */
#include "target/iscsi/policy.h"

#include "target/iscsi/sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PATTERN_MAX = 223 }; /* as long as a name */

/* --- subnets --------------------------------------------------------------------- */

static int bad_subnet(const char *text, const char *what, char *why, size_t why_cap)
{
	snprintf(why, why_cap,
		 "'%.100s': %s; give an address or a network in numbers, as in 192.0.2.7, "
		 "10.1.0.0/16 or 2001:db8::/32",
		 text, what);
	return -EINVAL;
}

static bool parse_prefix(const char *text, unsigned max, unsigned *bits)
{
	unsigned long n;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	n = strtoul(text, &end, 10);
	if (*end || n > max)
		return false;
	*bits = (unsigned)n;
	return true;
}

static bool bits_are_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	return !memcmp(a, b, whole) &&
	       (!rest || !((a[whole] ^ b[whole]) & (uint8_t)(0xff00 >> rest)));
}

/* 10.1.2.3/16: was a host meant, or a network? */
static bool has_host_bits(const struct policy_subnet *s)
{
	unsigned all = s->family == AF_INET ? 32 : 128;

	for (unsigned i = s->prefix_bits; i < all; i++)
		if (s->bytes[i / 8] & 0x80 >> i % 8)
			return true;
	return false;
}

int policy_subnet_parse(struct policy_subnet *s, const char *text, char *why, size_t why_cap)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const char *slash = strchr(text, '/');
	char addr[INET6_ADDRSTRLEN];
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned all, bits;

	memset(s, 0, sizeof(*s));
	if (!len || len >= sizeof(addr))
		return bad_subnet(text, "no address", why, why_cap);
	memcpy(addr, text, len);
	addr[len] = '\0';
	if (inet_pton(AF_INET, addr, s->bytes) == 1)
		s->family = AF_INET;
	else if (inet_pton(AF_INET6, addr, s->bytes) == 1)
		s->family = AF_INET6;
	else
		return bad_subnet(text, "no address", why, why_cap);
	all = bits = s->family == AF_INET ? 32 : 128;
	if (slash && !parse_prefix(slash + 1, all, &bits))
		return bad_subnet(text, "no such prefix length", why, why_cap);
	if (s->family == AF_INET6 && bits >= 96 && !memcmp(s->bytes, mapped, sizeof(mapped))) {
		s->family = AF_INET;
		bits -= 96;
		memmove(s->bytes, s->bytes + 12, 4);
		memset(s->bytes + 4, 0, 12);
	}
	s->prefix_bits = (uint8_t)bits;
	if (has_host_bits(s))
		return bad_subnet(text, "it has bits beyond its prefix", why, why_cap);
	return 0;
}

static bool subnet_has(const struct policy_subnet *s, const struct sockaddr_storage *peer)
{
	struct sockaddr_storage sa = *peer;

	if (!s->family)
		return true;
	sockaddr_unmap(&sa);
	if (sa.ss_family != s->family)
		return false;
	return bits_are_equal(s->bytes,
			      sa.ss_family == AF_INET
				      ? (const uint8_t *)&((struct sockaddr_in *)&sa)->sin_addr
				      : ((struct sockaddr_in6 *)&sa)->sin6_addr.s6_addr,
			      s->prefix_bits);
}

/* --- making one -------------------------------------------------------------------- */

/* An address, or a name that was cut short, would let nobody in, and say nothing. */
static bool is_initiator_pattern(const char *p)
{
	if (!*p || strlen(p) > PATTERN_MAX)
		return false;
	return strchr("*?[", *p) || !strncasecmp(p, "iqn.", 4) || !strncasecmp(p, "eui.", 4) ||
	       !strncasecmp(p, "naa.", 4);
}

static int add_rules(struct iscsi_policy *p, const struct policy_spec *spec, char *why,
		     size_t why_cap)
{
	p->rules = spec->nrules ? calloc(spec->nrules, sizeof(*p->rules)) : NULL;
	if (spec->nrules && !p->rules)
		return -ENOMEM;
	for (; p->nrules < spec->nrules; p->nrules++) {
		const struct policy_rule *r = &spec->rules[p->nrules];

		if (r->address &&
		    policy_subnet_parse(&p->rules[p->nrules].from, r->address, why, why_cap))
			return -EINVAL;
		if (!r->initiator)
			continue;
		if (!is_initiator_pattern(r->initiator)) {
			snprintf(why, why_cap,
				 "'%.300s': not an initiator's name; give what is in its "
				 "initiatorname.iscsi, as in iqn.2004-10.com.example:host1, with * "
				 "for any characters",
				 r->initiator);
			return -EINVAL;
		}
		p->rules[p->nrules].initiator = strdup(r->initiator);
		if (!p->rules[p->nrules].initiator)
			return -ENOMEM;
	}
	return 0;
}

static void wipe(struct policy_secret *s)
{
	if (s->bytes)
		explicit_bzero(s->bytes, s->len);
	free(s->bytes);
	free(s->name);
}

/* On failure what was made of it is the caller's to wipe. */
static int copy_user(struct policy_secret *to, const struct policy_user *from, char *why,
		     size_t why_cap)
{
	size_t name_len = from->name ? strlen(from->name) : 0;
	size_t len = from->secret ? strlen(from->secret) : 0;

	if (!name_len || name_len > POLICY_USER_MAX) {
		snprintf(why, why_cap, "a CHAP user's name has 1 to %d bytes, this one %zu",
			 POLICY_USER_MAX, name_len);
		return -EINVAL;
	}
	if (!len || len > POLICY_SECRET_MAX) {
		snprintf(why, why_cap,
			 "the CHAP secret of user %s has %zu bytes; give one of 1 to %d, best 12 "
			 "to 16",
			 from->name, len, POLICY_SECRET_MAX);
		return -EINVAL;
	}
	to->name = strdup(from->name);
	to->bytes = malloc(len);
	if (!to->name || !to->bytes)
		return -ENOMEM;
	memcpy(to->bytes, from->secret, len);
	to->len = len;
	return 0;
}

static int check_users(const struct policy_spec *spec, char *why, size_t why_cap)
{
	if (spec->mutual && !spec->nusers) {
		snprintf(why, why_cap,
			 "mutual CHAP without a user that initiators log in as: the "
			 "target proves itself only to who has done so");
		return -EINVAL;
	}
	for (unsigned i = 0; i < spec->nusers; i++) {
		const struct policy_user *u = &spec->users[i];

		for (unsigned j = 0; j < i; j++)
			if (u->name && spec->users[j].name &&
			    !strcmp(u->name, spec->users[j].name)) {
				snprintf(why, why_cap, "CHAP user %s is there twice", u->name);
				return -EINVAL;
			}
		/* RFC 7143 9.2.1: or each could answer for the other */
		if (spec->mutual && spec->mutual->secret && u->secret &&
		    !strcmp(spec->mutual->secret, u->secret)) {
			snprintf(why, why_cap,
				 "user %s and the target (mutual) have the same CHAP secret; give "
				 "each its own",
				 u->name ? u->name : "");
			return -EINVAL;
		}
	}
	return 0;
}

static int add_users(struct iscsi_policy *p, const struct policy_spec *spec, char *why,
		     size_t why_cap)
{
	int rc = check_users(spec, why, why_cap);

	if (rc || !spec->nusers)
		return rc;
	p->users = calloc(spec->nusers, sizeof(*p->users));
	if (!p->users)
		return -ENOMEM;
	while (!rc && p->nusers < spec->nusers) {
		rc = copy_user(&p->users[p->nusers], &spec->users[p->nusers], why, why_cap);
		p->nusers++; /* policy_put wipes this one, too */
	}
	if (rc || !spec->mutual)
		return rc;
	p->mutual = calloc(1, sizeof(*p->mutual));
	return p->mutual ? copy_user(p->mutual, spec->mutual, why, why_cap) : -ENOMEM;
}

static int parse_portal(struct sockaddr_storage *sa, const char *what, const char *text, char *why,
			size_t why_cap)
{
	int rc = sockaddr_parse(sa, text);

	if (rc || !sockaddr_port(sa)) {
		snprintf(why, why_cap,
			 "%s '%.100s': not an address; give it in numbers, as in 192.0.2.1:3260 or "
			 "[2001:db8::1]:3260",
			 what, text);
		return -EINVAL;
	}
	return 0;
}

static int add_portals(struct iscsi_policy *p, const struct policy_spec *spec, char *why,
		       size_t why_cap)
{
	p->portals = spec->nportals ? calloc(spec->nportals, sizeof(*p->portals)) : NULL;
	if (spec->nportals && !p->portals)
		return -ENOMEM;
	for (; p->nportals < spec->nportals; p->nportals++)
		if (parse_portal(&p->portals[p->nportals], "portal", spec->portals[p->nportals],
				 why, why_cap))
			return -EINVAL;
	return 0;
}

static int add_redirect(struct iscsi_policy *p, const struct policy_spec *spec, char *why,
			size_t why_cap)
{
	char text[SOCKADDR_TEXT_BYTES];
	struct sockaddr_storage sa;

	p->redirect_forever = spec->redirect_forever;
	if (!spec->redirect)
		return 0;
	if (parse_portal(&sa, "redirect to", spec->redirect, why, why_cap))
		return -EINVAL;
	if (sockaddr_is_any(&sa)) {
		snprintf(why, why_cap, "redirect to '%.100s': that is no place to go to",
			 spec->redirect);
		return -EINVAL;
	}
	sockaddr_text(&sa, sockaddr_port(&sa), text);
	p->redirect = strdup(text);
	return p->redirect ? 0 : -ENOMEM;
}

int policy_new(struct iscsi_policy **out, const struct policy_spec *spec, char *why, size_t why_cap)
{
	struct iscsi_policy *p = calloc(1, sizeof(*p));
	int rc = p ? 0 : -ENOMEM;

	snprintf(why, why_cap, "out of memory");
	if (!p)
		return rc;
	atomic_init(&p->refs, 1);
	p->shared = spec->shared;
	p->by_default = spec->by_default;
	rc = add_rules(p, spec, why, why_cap);
	if (!rc)
		rc = add_users(p, spec, why, why_cap);
	if (!rc)
		rc = add_portals(p, spec, why, why_cap);
	if (!rc)
		rc = add_redirect(p, spec, why, why_cap);
	if (rc) {
		policy_put(p);
		return rc;
	}
	*out = p;
	return 0;
}

struct iscsi_policy *policy_get(struct iscsi_policy *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void policy_put(struct iscsi_policy *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (unsigned i = 0; i < p->nrules; i++)
		free(p->rules[i].initiator);
	for (unsigned i = 0; i < p->nusers; i++)
		wipe(&p->users[i]);
	if (p->mutual)
		wipe(p->mutual);
	free(p->rules);
	free(p->users);
	free(p->mutual);
	free(p->portals);
	free(p->redirect);
	free(p);
}

/* --- asking it ---------------------------------------------------------------------- */

bool policy_admits(const struct iscsi_policy *p, const char *initiator,
		   const struct sockaddr_storage *peer)
{
	for (unsigned i = 0; i < p->nrules; i++) {
		const char *pattern = p->rules[i].initiator;

		if ((!pattern || !fnmatch(pattern, initiator, FNM_CASEFOLD)) &&
		    subnet_has(&p->rules[i].from, peer))
			return true;
	}
	return false;
}

bool policy_is_behind(const struct iscsi_policy *p, const struct sockaddr_storage *here)
{
	struct sockaddr_storage sa = *here;

	if (!p->nportals)
		return true;
	sockaddr_unmap(&sa);
	if (sa.ss_family != AF_INET && sa.ss_family != AF_INET6)
		return false;
	for (unsigned i = 0; i < p->nportals; i++)
		if (sockaddr_covers(&p->portals[i], &sa))
			return true;
	return false;
}
