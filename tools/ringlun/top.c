/* ringlun top: two looks at /v1/stats, and the difference as a table; again and again on a
 * terminal. A server that is gone for a while (a restart) is said on the page, and asked on. */
#include "tools/ringlun/top.h"
#include "tools/ringlun/call.h"
#include "tools/ringlun/client.h"
#include "tools/ringlun/field.h"
#include "tools/ringlun/format.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/nouns.h"
#include "tools/ringlun/request.h"
#include "tools/ringlun/screen.h"
#include "tools/ringlun/stats.h"
#include "tools/ringlun/table.h"
#include "tools/ringlun/url.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	HEAD_ROWS = 3, /* title, empty, headings */
	TIMEOUT_S = 10,
};

/* Parsed from what the user may have typed. */
static bool parse_interval(const struct call *c, unsigned *ms)
{
	const char *text = call_value(c, "interval");
	char *end;
	double s = 2;

	if (text)
		s = strtod(text, &end);
	if (text && (end == text || *end || !(s >= 0.1 && s <= 3600))) {
		call_usage(c, "--interval '%s': seconds from 0.1 to 3600 are possible", text);
		return false;
	}
	*ms = (unsigned)(s * 1000 + 0.5);
	return true;
}

static void add_row(struct table *t, const struct stats_row *row)
{
	char a[FORMAT_BYTES];

	table_add(t, row->name);
	for (unsigned dir = 0; dir < STATS_DIRS; dir++) {
		table_add(t, format_rate(row->dir[dir].iops, a));
		table_add(t, format_rate(row->dir[dir].bytes_s / 1e6, a));
		table_add(t, format_latency(row->dir[dir].p50_ns, a));
		table_add(t, format_latency(row->dir[dir].p99_ns, a));
	}
	table_addf(t, "%" PRIu64, row->queue);
	table_add(t, "-"); /* there are none yet */
}

char *top_text(const struct stats *now, const struct stats *before, unsigned rows)
{
	static const char *const heads[] = { "VOLUME",	"> R-IOPS", "> R-MB/S", "> R-P50",
					     "> R-P99", "> W-IOPS", "> W-MB/S", "> W-P50",
					     "> W-P99", ">QUEUE",   "LIMITS",	NULL };
	struct stats_row *all = stats_rows(now, before);
	size_t n = now->n, bytes;
	double iops = 0, bytes_s = 0;
	char *out = NULL, a[FORMAT_BYTES], b[FORMAT_BYTES];
	FILE *f = mem_need(open_memstream(&out, &bytes));
	struct table t;

	for (size_t i = 0; i < n; i++)
		for (unsigned dir = 0; dir < STATS_DIRS; dir++) {
			iops += all[i].dir[dir].iops;
			bytes_s += all[i].dir[dir].bytes_s;
		}
	if (rows && n + HEAD_ROWS > rows)
		n = rows > HEAD_ROWS + 1 ? rows - HEAD_ROWS - 1 : 0;
	fprintf(f, "%zu volume%s: %s operations/s, %s MB/s, over %.1f s\n\n", now->n,
		now->n == 1 ? "" : "s", format_rate(iops, a), format_rate(bytes_s / 1e6, b),
		stats_seconds(now, before));
	table_init(&t, heads);
	for (size_t i = 0; i < n; i++)
		add_row(&t, &all[i]);
	table_print(&t, f, 0);
	table_fini(&t);
	if (n < now->n)
		fprintf(f, "... and %zu more\n", now->n - n);
	fclose(f);
	free(all);
	return mem_need(out);
}

/* --- in place ----------------------------------------------------------------------------------
 */

/* Without a word on standard error, which would tear the page. */
static int look(struct call *c, struct stats *out, char *why, size_t why_cap)
{
	struct client_request request = { .method = "GET",
					  .path = "/v1/stats",
					  .timeout_s = TIMEOUT_S };
	struct client_answer a;
	int rc = client_call(c->client, &request, &a, why, why_cap);

	if (rc)
		return rc;
	rc = a.status == 200 ? stats_parse(out, a.json) : -EPROTO;
	if (rc)
		snprintf(why, why_cap, "%s: HTTP status %u: %s", client_where(c->client), a.status,
			 field_text(json_object_get(a.json, "error"), "message",
				    "no statistics are in the answer"));
	client_answer_fini(&a);
	return rc;
}

static void draw(struct screen *s, const struct stats *now, const struct stats *before,
		 const char *trouble)
{
	char *text = *trouble ? mem_print("%s\nTrying again; q ends this.\n", trouble)
			      : top_text(now, before, s->rows - 1);

	screen_draw(s, text);
	free(text);
}

static void run_in_place(struct call *c, struct stats *first, unsigned ms)
{
	struct stats before = *first, now = { 0 }, next;
	enum screen_event event = SCREEN_TIME;
	char why[CLIENT_WHY_BYTES] = "";
	unsigned wait_ms = MIN(ms, 500u); /* something soon */
	struct screen s;

	screen_begin(&s);
	while ((event = screen_wait(&s, wait_ms)) != SCREEN_QUIT) {
		wait_ms = ms;
		if (event == SCREEN_TIME) {
			*why = '\0';
			if (!look(c, &next, why, sizeof(why))) {
				if (now.volumes) {
					stats_fini(&before);
					before = now;
				}
				now = next;
			}
		}
		if (now.volumes || *why)
			draw(&s, &now, &before, why);
	}
	screen_end(&s);
	stats_fini(&before);
	stats_fini(&now);
}

/* --- line by line ------------------------------------------------------------------------------
 */

static enum command_status get(struct call *c, struct stats *out)
{
	json_t *answer;
	enum command_status status = request_get(c, url_format("/v1/stats"), "bucket_ns", &answer);

	if (status)
		return status;
	if (stats_parse(out, answer))
		status = call_fail(STATUS_FAILED, "%s: no statistics are in its answer",
				   client_where(c->client));
	json_decref(answer);
	return status;
}

static void pause_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		continue;
}

static enum command_status run_in_lines(struct call *c, struct stats *first, unsigned ms, bool once)
{
	struct stats before = *first, now = { 0 };
	enum command_status status;
	char *text;

	do {
		pause_ms(ms);
		status = get(c, &now);
		if (status)
			break;
		text = top_text(&now, &before, 0);
		fputs(text, stdout);
		fputs(once ? "" : "\n", stdout);
		free(text);
		stats_fini(&before);
		before = now;
		now = (struct stats){ 0 };
	} while (!once && !fflush(stdout));
	stats_fini(&before);
	return status;
}

static enum command_status print_json(struct call *c, unsigned ms, bool once)
{
	enum command_status status;
	json_t *answer;

	for (;;) {
		status = request_get(c, url_format("/v1/stats"), "bucket_ns", &answer);
		if (status)
			return status;
		call_print_json(answer);
		json_decref(answer);
		if (once || fflush(stdout))
			return STATUS_OK;
		pause_ms(ms);
	}
}

enum command_status server_top(struct call *c)
{
	bool once = call_has(c, "once");
	enum command_status status;
	struct stats first;
	unsigned ms;

	if (!parse_interval(c, &ms))
		return STATUS_USAGE;
	if (c->json)
		return print_json(c, ms, once);
	status = get(c, &first);
	if (status)
		return status;
	if (once || !isatty(STDOUT_FILENO))
		return run_in_lines(c, &first, ms, once);
	run_in_place(c, &first, ms);
	return STATUS_OK;
}
