/* From a URL to a route. A path is split before its parts are decoded, so that a name may hold a
 * '/' (as %2F); libmicrohttpd is kept from decoding it. The table is gone through from the top: it
 * has some forty rows. */
#include "target/control/http_priv.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_utf8(const char *s)
{
	json_t *j = json_string(s);

	json_decref(j);
	return j;
}

int http_decode(char *s)
{
	char *out = s;
	const char *begin = s;

	while (*s) {
		if (*s == '%') {
			int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);

			if (low < 0 || (!high && !low))
				return -EINVAL;
			*out++ = (char)(high << 4 | low);
			s += 3;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
	return is_utf8(begin) ? 0 : -EINVAL;
}

int http_path_parse(struct http_path *p, const char *url, char *why, size_t why_cap)
{
	char *at, *next;

	*p = (struct http_path){ 0 };
	if (*url != '/') {
		snprintf(why, why_cap, "a path starts with '/', as in /v1/volumes");
		return -EINVAL;
	}
	p->storage = strdup(url + 1);
	if (!p->storage)
		return -ENOMEM;
	for (at = p->storage; at; at = next) {
		next = strchr(at, '/');
		if (next)
			*next++ = '\0';
		if (p->n == HTTP_SEGMENTS_MAX) {
			snprintf(why, why_cap, "a path has %d parts at most", HTTP_SEGMENTS_MAX);
			return -EINVAL;
		}
		if (http_decode(at)) {
			snprintf(why, why_cap,
				 "part %u of the path is not UTF-8 in percent-encoding: a '%%' is "
				 "followed by two hexadecimal digits, and not by 00",
				 p->n + 1);
			return -EINVAL;
		}
		p->segments[p->n++] = at;
	}
	return 0;
}

void http_path_fini(struct http_path *p)
{
	free(p->storage);
	*p = (struct http_path){ 0 };
}

static bool matches(const char *pattern, const struct http_path *p, const char *args[API_MAX_ARGS])
{
	unsigned nargs = 0;

	for (unsigned i = 0; i < p->n; i++) {
		size_t len;

		if (*pattern++ != '/')
			return false;
		len = strcspn(pattern, "/");
		if (*pattern == '{') {
			if (!*p->segments[i] || nargs == API_MAX_ARGS)
				return false;
			args[nargs++] = p->segments[i];
		} else if (strncmp(pattern, p->segments[i], len) != 0 || p->segments[i][len]) {
			return false;
		}
		pattern += len;
	}
	return !*pattern;
}

static void allow_also(char *allow, size_t cap, const char *method)
{
	size_t at = strlen(allow);

	snprintf(allow + at, cap - at, "%s%s%s", at ? ", " : "", method,
		 strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

const struct api_route *http_route_find(const struct api_route *routes, const char *method,
					const struct http_path *p, const char *args[API_MAX_ARGS],
					char *allow, size_t allow_cap)
{
	const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;

	*allow = '\0';
	for (const struct api_route *r = routes; r->method; r++) {
		memset(args, 0, API_MAX_ARGS * sizeof(*args));
		if (!matches(r->path, p, args))
			continue;
		if (strcmp(r->method, wanted) == 0)
			return r;
		allow_also(allow, allow_cap, r->method);
	}
	memset(args, 0, API_MAX_ARGS * sizeof(*args));
	return NULL;
}

bool http_route_takes(const struct api_route *route, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = route->query; at && len; at += strcspn(at, " ")) {
		at += strspn(at, " ");
		if (!*at)
			break;
		if (strcspn(at, " ") == len && memcmp(at, name, len) == 0)
			return true;
	}
	return false;
}
