/* Texts with a form: checked as the rest of the server will want them, and put into the one
 * spelling in which they compare. */
#include "target/control/model_parse.h"

#include "backstore/base/uuid.h"
#include "target/config.h"
#include "target/iscsi/iscsi_name.h"
#include "target/iscsi/policy.h"
#include "target/iscsi/sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int copy(char **out, const char *text, const struct place *at)
{
	*out = strdup(text);
	return *out ? 0 : place_no_memory(at);
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

/* As on the command line (volume_config.c): it becomes the end of an iSCSI name. A path's parts
 * that mean something else are no names of files of a pool. */
int text_of_name(char **out, const char *text, const struct place *at)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.-:");

	if (!n || text[n] || n >= CONFIG_NAME_BYTES || *text == '.' || *text == '-')
		return place_refuse(at,
				    "'%.140s' is no name; give up to %d of a-z, 0-9, '.', '-' and "
				    "':', the first a letter or a digit",
				    text, CONFIG_NAME_BYTES - 1);
	return copy(out, text, at);
}

int text_of_target(char **out, const char *text, const struct place *at)
{
	char name[ISCSI_NAME_MAX + 1];

	if (!iscsi_name_normalise(name, text))
		return copy(out, name, at);
	return place_refuse(at,
			    "'%.230s' is no name of a target; give a whole one, as in "
			    "%sdisk1",
			    text, TARGET_NAME_PREFIX);
}

int text_of_portal(char **out, const char *text, const struct place *at)
{
	char portal[SOCKADDR_TEXT_BYTES];
	struct sockaddr_storage sa;

	if (sockaddr_parse(&sa, text))
		return place_refuse(at,
				    "'%.100s' is no address; give one in numbers with an optional "
				    "port, as in 192.0.2.1:3260 or [2001:db8::1]:3260",
				    text);
	if (!sockaddr_port(&sa))
		return place_refuse(at, "'%.100s': give a port from 1, or none for 3260", text);
	sockaddr_text(&sa, sockaddr_port(&sa), portal);
	return copy(out, portal, at);
}

/* As policy.c wants them; in lower case, as names compare. */
int text_of_initiator(char **out, const char *text, const struct place *at)
{
	char low[ISCSI_NAME_MAX + 1];
	size_t n = strlen(text);

	if (!n || n > ISCSI_NAME_MAX || has_control(text) || !text_is_utf8(text) ||
	    !(strchr("*?[", *text) || !strncasecmp(text, "iqn.", 4) ||
	      !strncasecmp(text, "eui.", 4) || !strncasecmp(text, "naa.", 4)))
		return place_refuse(at,
				    "'%.230s' is no initiator's name; give what is in its "
				    "initiatorname.iscsi, as in iqn.2004-10.com.example:host1, "
				    "with * for any characters",
				    text);
	for (size_t i = 0; i <= n; i++)
		low[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
	return copy(out, low, at);
}

int text_of_subnet(char **out, const char *text, const struct place *at)
{
	char why[CONFIG_WHY_BYTES], addr[INET6_ADDRSTRLEN], subnet[INET6_ADDRSTRLEN + 4];
	struct policy_subnet s;

	if (policy_subnet_parse(&s, text, why, sizeof(why)))
		return place_refuse(at, "%s", why);
	if (!inet_ntop(s.family, s.bytes, addr, sizeof(addr)))
		return place_refuse(at, "'%.100s' is no address", text);
	if (s.prefix_bits == (s.family == AF_INET ? 32 : 128))
		return copy(out, addr, at);
	snprintf(subnet, sizeof(subnet), "%s/%u", addr, s.prefix_bits);
	return copy(out, subnet, at);
}

static bool has_dots(const char *path)
{
	for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
		size_t n = strcspn(s + 1, "/");

		if ((n == 1 && s[1] == '.') || (n == 2 && s[1] == '.' && s[2] == '.'))
			return true;
	}
	return false;
}

int text_of_path(char **out, const char *text, const struct place *at)
{
	size_t n = strlen(text);

	if (*text != '/' || n >= PATH_MAX || has_control(text) || has_dots(text))
		return place_refuse(at,
				    "'%.300s' is no path from the root; give one that begins with "
				    "'/', without '.' and '..'",
				    text);
	if (copy(out, text, at))
		return -ENOMEM;
	while (n > 1 && (*out)[n - 1] == '/')
		(*out)[--n] = '\0';
	return 0;
}

/* lvm(8): the name stands on the command lines of lvm2's commands, too. */
int text_of_group(char **out, const char *text, const struct place *at)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				"+_.-");

	if (!n || text[n] || n > 127 || *text == '-' || *text == '.')
		return place_refuse(at,
				    "'%.140s' is no name of a volume group; give one as vgs(8) "
				    "shows it",
				    text);
	return copy(out, text, at);
}

int text_of_user(char **out, const char *text, const struct place *at)
{
	size_t n = strlen(text);

	if (!n || n > POLICY_USER_MAX || has_control(text) || !text_is_utf8(text))
		return place_refuse(at,
				    "'%.140s' is no name of a CHAP user; give 1 to %d bytes "
				    "without control characters",
				    text, POLICY_USER_MAX);
	return copy(out, text, at);
}

/* RFC 7143 9.2.1: without IPsec a secret has at least 96 bits. It is not in the sentence. */
int text_of_secret(char **out, const char *text, const struct place *at)
{
	size_t n = strlen(text);

	if (n < MODEL_MIN_SECRET)
		return place_refuse(at,
				    "the secret has %zu bytes, and whoever listens to one login "
				    "can try them all; give one of %d to %d",
				    n, MODEL_MIN_SECRET, MODEL_MAX_SECRET);
	if (n > MODEL_MAX_SECRET)
		return place_refuse(at, "the secret has %zu bytes; give one of %d to %d", n,
				    MODEL_MIN_SECRET, MODEL_MAX_SECRET);
	if (has_control(text))
		return place_refuse(at, "the secret has a control character, maybe the end of a "
					"line; leave it out");
	return copy(out, text, at);
}

int uuid_of_text(uint8_t out[static 16], const char *text, const struct place *at)
{
	static const uint8_t nil[UUID_BYTES];
	uint8_t id[UUID_BYTES];

	if (uuid_parse(text, id) || !memcmp(id, nil, sizeof(nil)))
		return place_refuse(at,
				    "'%.60s' is no UUID; give one of its own, as uuidgen prints "
				    "them",
				    text);
	memcpy(out, id, sizeof(id));
	return 0;
}

/* --- alone --------------------------------------------------------------------------- */

int model_name_parse(char **out, const char *text, char *why, size_t why_cap)
{
	struct place at = place_top("name", why, why_cap);

	*out = NULL;
	return text_of_name(out, text, &at);
}

/* What follows our own prefix is enough, as on the command line. */
int model_target_name_parse(char **out, const char *text, char *why, size_t why_cap)
{
	struct place at = place_top("target", why, why_cap);
	char whole[ISCSI_NAME_MAX + 1];
	char *name;
	int n;

	*out = NULL;
	if (!strncasecmp(text, "iqn.", 4) || !strncasecmp(text, "eui.", 4) ||
	    !strncasecmp(text, "naa.", 4))
		return text_of_target(out, text, &at);
	if (text_of_name(&name, text, &at))
		return -EINVAL;
	n = snprintf(whole, sizeof(whole), "%s%s", TARGET_NAME_PREFIX, name);
	free(name);
	return n < (int)sizeof(whole) ? text_of_target(out, whole, &at) : -EINVAL;
}

int model_portal_parse(char **out, const char *text, char *why, size_t why_cap)
{
	struct place at = place_top("address", why, why_cap);

	*out = NULL;
	return text_of_portal(out, text, &at);
}
