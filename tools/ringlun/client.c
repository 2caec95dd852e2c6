/* libcurl, through its multi interface: a call can then be given up at once when a signal comes.
 *
 * No proxy, no redirect, no protocol but HTTP: a token goes to the server that was named, and to
 * nobody else. */
#include "tools/ringlun/client.h"

#include "tools/ringlun/mem.h"
#include "tools/ringlun/secret.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum {
	CONNECT_S = 5,
	POLL_MS = 100,
	ANSWER_MAX = 256 << 20,
};

struct client {
	CURL *easy;
	CURLM *multi;
	struct curl_slist *headers;
	char *where; /* path or ADDR:PORT */
	bool local;
};

int client_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_wiping_alloc, mem_wiping_free,
				    mem_wiping_realloc, mem_wiping_strdup, mem_wiping_calloc)
		       ? -ENOMEM
		       : 0;
}

static int take_token(struct client *c, const struct client_config *cfg, char *why, size_t why_cap)
{
	char token[SECRET_BYTES];
	char *header;
	int rc;

	if (!cfg->token_file) {
		snprintf(why, why_cap,
			 "--api %s: a token is needed as well: --token-file FILE, with what "
			 "ringlund's --api-token has",
			 cfg->api);
		return -EINVAL;
	}
	rc = secret_read(token, cfg->token_file, "token", why, why_cap);
	if (rc)
		return rc;
	header = mem_print("Authorization: Bearer %s", token);
	c->headers = mem_need(curl_slist_append(c->headers, header));
	explicit_bzero(token, sizeof(token));
	mem_wiping_free(header);
	return 0;
}

static size_t take_bytes(char *bytes, size_t one, size_t n, void *arg)
{
	struct client_answer *a = arg;

	(void)one; /* is 1 */
	if (n > ANSWER_MAX - a->len)
		return 0;
	a->text = mem_need(realloc(a->text, a->len + n + 1));
	memcpy(a->text + a->len, bytes, n);
	a->len += n;
	a->text[a->len] = '\0';
	return n;
}

static void set_options(struct client *c)
{
	CURL *e = c->easy;

	if (c->local)
		curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, c->where);
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L); /* a volume may be called ".." by mistake */
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "ringlun/" RINGLUN_VERSION);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
}

/* Roughly; nothing in it may make another URL of what it becomes a part of. */
static bool is_address(const char *text)
{
	const char *port = strrchr(text, ':');

	return port && port > text && port[1] &&
	       strspn(port + 1, "0123456789") == strlen(port + 1) &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789.-:[]%") == strlen(text);
}

int client_open(struct client **out, const struct client_config *cfg, char *why, size_t why_cap)
{
	const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	struct client *c;
	int rc = 0;

	if (cfg->socket_path && (!*cfg->socket_path || strlen(cfg->socket_path) > longest)) {
		snprintf(why, why_cap, "--socket '%.300s': a path of 1 to %zu bytes is possible",
			 cfg->socket_path, longest);
		return -EINVAL;
	}
	if (!cfg->socket_path && !is_address(cfg->api)) {
		snprintf(why, why_cap, "--api '%.300s': give ADDRESS:PORT, as in 127.0.0.1:3261",
			 cfg->api);
		return -EINVAL;
	}
	c = mem_need(calloc(1, sizeof(*c)));
	c->local = cfg->socket_path != NULL;
	c->where = mem_copy(c->local ? cfg->socket_path : cfg->api);
	c->easy = mem_need(curl_easy_init());
	c->multi = mem_need(curl_multi_init());
	/* "Expect: 100-continue" costs a second where it is not known */
	c->headers = mem_need(curl_slist_append(NULL, "Expect:"));
	c->headers = mem_need(curl_slist_append(c->headers, "Content-Type: application/json"));
	if (!c->local)
		rc = take_token(c, cfg, why, why_cap);
	if (rc) {
		client_close(c);
		return rc;
	}
	set_options(c);
	*out = c;
	return 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	curl_easy_cleanup(c->easy);
	curl_multi_cleanup(c->multi);
	curl_slist_free_all(c->headers);
	free(c->where);
	free(c);
}

const char *client_where(const struct client *c)
{
	return c->where;
}

bool client_is_local(const struct client *c)
{
	return c->local;
}

/* --- one call ----------------------------------------------------------------------------------
 */

static int perform(struct client *c, const struct client_request *request, CURLcode *result)
{
	const volatile sig_atomic_t *given_up = request->given_up;
	CURLMsg *message;
	int running = 1, left, rc = 0;

	*result = CURLE_OUT_OF_MEMORY;
	if (curl_multi_add_handle(c->multi, c->easy))
		return 0;
	while (running && !rc) {
		if (curl_multi_perform(c->multi, &running))
			break;
		if (running)
			curl_multi_poll(c->multi, NULL, 0, POLL_MS, NULL);
		if (running && given_up && *given_up)
			rc = -ECANCELED;
	}
	message = curl_multi_info_read(c->multi, &left);
	if (message && message->msg == CURLMSG_DONE)
		*result = message->data.result;
	curl_multi_remove_handle(c->multi, c->easy);
	return rc;
}

static int explain_no_connection(const struct client *c, CURLcode result, char *why, size_t why_cap)
{
	long number = 0;
	int err;

	curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &number);
	err = (int)number;
	if (!c->local)
		snprintf(why, why_cap,
			 "no ringlund is reached at %s: %s; is it running with --api %s, and does "
			 "nothing between here and there keep that port shut?",
			 c->where, err ? strerror(err) : curl_easy_strerror(result), c->where);
	else if (err == ENOENT)
		snprintf(why, why_cap,
			 "no ringlund is reached at %s: there is no such socket; start it "
			 "(systemctl start ringlund), or say where its socket is (--socket PATH)",
			 c->where);
	else if (err == EACCES || err == EPERM)
		snprintf(why, why_cap,
			 "no ringlund is reached at %s: %s; only root and the user that it runs as "
			 "may use it: try sudo",
			 c->where, strerror(err));
	else
		snprintf(why, why_cap,
			 "no ringlund is reached at %s: %s; it has ended, or was killed: start it "
			 "(systemctl start ringlund)",
			 c->where, err ? strerror(err) : curl_easy_strerror(result));
	return -ENOTCONN;
}

static int explain(const struct client *c, const struct client_request *request, CURLcode result,
		   char *why, size_t why_cap)
{
	bool changes = strcmp(request->method, "GET") != 0;
	const char *look = changes ? "; whether it has done what was asked is not known: look, "
				     "before you ask again"
				   : "";
	curl_off_t connected_us = 0;

	switch ((int)result) {
	case CURLE_OUT_OF_MEMORY:
		mem_need(NULL);
		return -ENOMEM;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return explain_no_connection(c, result, why, why_cap);
	case CURLE_OPERATION_TIMEDOUT:
		curl_easy_getinfo(c->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
		if (!connected_us)
			return explain_no_connection(c, result, why, why_cap);
		snprintf(why, why_cap, "ringlund at %s does not answer, after %u s%s", c->where,
			 request->timeout_s, look);
		return -ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		snprintf(why, why_cap, "ringlund at %s has closed the connection (%s)%s", c->where,
			 curl_easy_strerror(result), look);
		return -ENOTCONN;
	case CURLE_URL_MALFORMAT:
		snprintf(why, why_cap, "--api %s: give ADDRESS:PORT, as in 127.0.0.1:3261",
			 c->where);
		return -EINVAL;
	case CURLE_WRITE_ERROR:
		snprintf(why, why_cap, "%s: the answer is longer than %d MiB: is it a ringlund?",
			 c->where, ANSWER_MAX >> 20);
		return -EPROTO;
	default:
		snprintf(why, why_cap, "what answers at %s is no ringlund: %s", c->where,
			 curl_easy_strerror(result));
		return -EPROTO;
	}
}

static int take_json(const struct client *c, struct client_answer *a, char *why, size_t why_cap)
{
	const char *type = NULL;
	json_error_t error;

	curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type);
	if (!a->len || !type || strncmp(type, "application/json", 16) != 0)
		return 0;
	a->json = json_loadb(a->text, a->len, 0, &error);
	if (json_is_object(a->json))
		return 0;
	snprintf(why, why_cap,
		 "what answers at %s is no ringlund: its answer is no JSON object (%s)", c->where,
		 a->json ? "something else" : error.text);
	return -EPROTO;
}

int client_call(struct client *c, const struct client_request *request, struct client_answer *out,
		char *why, size_t why_cap)
{
	char *url = mem_print("http://%s%s", c->local ? "ringlund" : c->where, request->path);
	char *body = NULL;
	CURLcode result;
	long status = 0;
	int rc;

	*out = (struct client_answer){ 0 };
	if (request->body)
		body = mem_need(json_dumps(request->body, JSON_COMPACT));
	curl_easy_setopt(c->easy, CURLOPT_URL, url);
	curl_easy_setopt(c->easy, CURLOPT_HTTPGET, 1L); /* forgets the last body */
	if (body) {
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, body);
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
	}
	curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(c->easy, CURLOPT_TIMEOUT, (long)request->timeout_s);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, out);
	rc = perform(c, request, &result);
	if (rc)
		snprintf(why, why_cap, "given up");
	else if (result)
		rc = explain(c, request, result, why, why_cap);
	else
		rc = take_json(c, out, why, why_cap);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	out->status = (unsigned)status;
	if (rc)
		client_answer_fini(out);
	mem_wiping_free(body);
	free(url);
	return rc;
}

void client_answer_fini(struct client_answer *a)
{
	json_decref(a->json);
	free(a->text);
	*a = (struct client_answer){ 0 };
}
