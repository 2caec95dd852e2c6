/* Bodies of requests: of bounded size each and all together, wiped when they are not needed any
 * more, for there may be secrets in them. */
#include "target/control/http_priv.h"
#include "target/control/model_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	FIRST_BYTES = 4096,
	ALL_BYTES = 64 << 20, /* of all requests: 256 of 8 MiB would be two gigabytes */
};

static bool reserve(struct http *h, size_t more)
{
	bool ok;

	pthread_mutex_lock(&h->lock);
	ok = more <= ALL_BYTES - h->body_bytes;
	if (ok)
		h->body_bytes += more;
	pthread_mutex_unlock(&h->lock);
	return ok;
}

static void release(struct http *h, size_t less)
{
	pthread_mutex_lock(&h->lock);
	h->body_bytes -= less;
	pthread_mutex_unlock(&h->lock);
}

static int grow(struct http *h, struct http_body *b, size_t need)
{
	size_t cap = b->cap ? b->cap : FIRST_BYTES;
	char *data;

	while (cap < need)
		cap *= 2;
	if (!reserve(h, cap))
		return -EAGAIN;
	data = malloc(cap); /* not realloc: what it leaves behind could not be wiped */
	if (!data) {
		release(h, cap);
		return -ENOMEM;
	}
	if (b->len)
		memcpy(data, b->data, b->len);
	need = b->len;
	http_body_fini(h, b);
	*b = (struct http_body){ .data = data, .len = need, .cap = cap };
	return 0;
}

int http_body_add(struct http *h, struct http_body *b, const char *data, size_t len)
{
	if (len > HTTP_BODY_MAX - b->len)
		return -EFBIG;
	if (len > b->cap - b->len) {
		int rc = grow(h, b, b->len + len);

		if (rc)
			return rc;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

void http_body_fini(struct http *h, struct http_body *b)
{
	if (b->data) {
		explicit_bzero(b->data, b->cap);
		free(b->data);
		release(h, b->cap);
	}
	*b = (struct http_body){ 0 };
}

static bool is_blank(const struct http_body *b)
{
	for (size_t i = 0; i < b->len; i++)
		if (!memchr(" \t\r\n", b->data[i], 4))
			return false;
	return true;
}

json_t *http_body_parse(const struct http_body *b, struct api_error *e)
{
	json_error_t at;
	json_t *j;
	char *near;
	int rc;

	if (is_blank(b))
		return NULL;
	rc = json_read(&j, b->data, b->len, &at);
	if (rc == -ENOMEM) {
		api_fail_errno(e, rc, "no memory for the body; try again");
		return NULL;
	}
	if (rc) {
		near = strstr(at.text, " near '"); /* what follows may be a secret */
		if (near)
			*near = '\0';
		api_fail(e, 400, "invalid", "the body is not JSON: line %d, column %d: %s", at.line,
			 at.column, at.text);
		explicit_bzero(&at, sizeof(at));
		return NULL;
	}
	if (!json_is_object(j)) {
		api_fail(e, 400, "invalid", "the body has to be a JSON object: {...}");
		json_decref(j);
		return NULL;
	}
	return j;
}
