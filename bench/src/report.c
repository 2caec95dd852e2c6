/* What was measured, for people and for programs. */
#include "bench/src/load.h"

#include <stdio.h>

static const double percents[] = { 50, 90, 99, 99.9 };
static const char *const percent_names[] = { "p50", "p90", "p99", "p99.9" };

static const char *const error_names[LOAD_ERRORS][2] = {
	[LOAD_CHECK] = { "check condition", "check_condition" },
	[LOAD_STATUS] = { "other status", "other_status" },
	[LOAD_SHORT] = { "short transfer", "short_transfer" },
	[LOAD_MISMATCH] = { "mismatch", "mismatch" },
	[LOAD_PROTOCOL] = { "protocol error", "protocol_error" },
	[LOAD_LOST] = { "connection lost", "connection_lost" },
	[LOAD_TIMEOUT] = { "no answer", "no_answer" },
	[LOAD_INTERNAL] = { "load itself", "load_itself" },
};

const char *load_error_text(enum load_error error, char space)
{
	return error_names[error][space == '_'];
}

uint64_t report_errors(const struct counts *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LOAD_ERRORS; i++)
		sum += c->errors[i];
	return sum;
}

static double per(double value, double of)
{
	return of > 0 ? value / of : 0;
}

static double us(uint64_t ns)
{
	return (double)ns / 1000;
}

static double cpu_us_per_io(const struct counts *c)
{
	return per(us(c->cpu_ns), (double)c->latency_ns.count);
}

static void latency_table(const struct hist *h)
{
	printf("latency  min %.1f  mean %.1f", us(h->min), hist_mean(h) / 1000);
	for (unsigned i = 0; i < ARRAY_SIZE(percents); i++)
		printf("  %s %.1f", percent_names[i], us(hist_percentile(h, percents[i])));
	printf("  max %.1f us\n", us(h->max));
}

static void rate_table(const struct counts *c, double seconds)
{
	printf("rate     %.0f IOPS, %.1f MB/s\n", per((double)c->latency_ns.count, seconds),
	       per((double)c->bytes, seconds) / 1e6);
	latency_table(&c->latency_ns);
	printf("load     %.2f us of CPU per I/O, %.0f %% of a processor\n", cpu_us_per_io(c),
	       per((double)c->cpu_ns, seconds) / 1e7);
}

void report_table(const struct options *o, const struct counts *c, double seconds)
{
	printf("%s\n", o->url);
	printf("%s %s, blocks of %llu bytes, %u connection%s x depth %u, %.2f s\n", o->op,
	       o->random ? "rand" : "seq", (unsigned long long)o->block_bytes, o->connections,
	       o->connections == 1 ? "" : "s", o->depth, seconds);
	if (c->latency_ns.count)
		rate_table(c, seconds);
	else
		printf("rate     no I/O was done\n");
	if (o->verify)
		printf("verified %.1f MB\n", (double)c->verified_bytes / 1e6);
	if (c->busy)
		printf("busy     %llu (tried again)\n", (unsigned long long)c->busy);
	for (unsigned i = 0; i < LOAD_ERRORS; i++)
		if (c->errors[i])
			printf("ERRORS   %llu x %s\n", (unsigned long long)c->errors[i],
			       load_error_text((enum load_error)i, ' '));
}

static void json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned)*text);
		else
			putchar(*text);
	}
	putchar('"');
}

void report_json(const struct options *o, const struct counts *c, double seconds)
{
	const struct hist *h = &c->latency_ns;
	const char *comma = "";

	printf("{\"url\": ");
	json_string(o->url);
	printf(", \"op\": ");
	json_string(o->op);
	printf(", \"pattern\": \"%s\", \"block_bytes\": %llu, \"connections\": %u, \"depth\": %u, "
	       "\"threads\": %u, \"seconds\": %.6f, \"ios\": %llu, \"iops\": %.1f, "
	       "\"bytes_per_s\": %.0f, ",
	       o->random ? "rand" : "seq", (unsigned long long)o->block_bytes, o->connections,
	       o->depth, o->threads, seconds, (unsigned long long)h->count,
	       per((double)h->count, seconds), per((double)c->bytes, seconds));
	printf("\"latency_us\": {\"min\": %.3f, \"mean\": %.3f, ", us(h->min), hist_mean(h) / 1000);
	for (unsigned i = 0; i < ARRAY_SIZE(percents); i++)
		printf("\"%s\": %.3f, ", percent_names[i], us(hist_percentile(h, percents[i])));
	printf("\"max\": %.3f}, \"load_cpu_us_per_io\": %.4f, \"load_cpu_share\": %.4f, ",
	       us(h->max), cpu_us_per_io(c), per((double)c->cpu_ns, seconds) / 1e9);
	printf("\"busy\": %llu, \"errors\": %llu, \"error_kinds\": {", (unsigned long long)c->busy,
	       (unsigned long long)report_errors(c));
	for (unsigned i = 0; i < LOAD_ERRORS; i++) {
		if (!c->errors[i])
			continue;
		printf("%s\"%s\": %llu", comma, load_error_text((enum load_error)i, '_'),
		       (unsigned long long)c->errors[i]);
		comma = ", ";
	}
	/* of the whole run: what the target has counted, too */
	printf("}, \"verified_bytes\": %llu, \"reads\": %llu, \"writes\": %llu}\n",
	       (unsigned long long)c->verified_bytes, (unsigned long long)c->done[0],
	       (unsigned long long)c->done[1]);
}
