/* The log with a writer of its own: nobody waits for standard error, and what is missing in the end
 * was counted and said. */
#include "backstore/base/log.h"
#include "tests/unit/backstore/base/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

enum { OUT_CAP = 4 << 20 };

/* Standard error, as a pipe that somebody reads, or does not. */
struct pipe_end {
	int was, read_fd;
	char *text; /* what came */
	size_t len;
	pthread_t reader;
};

static void *read_all(void *arg)
{
	struct pipe_end *e = arg;
	ssize_t n;

	while ((n = read(e->read_fd, e->text + e->len, OUT_CAP - 1 - e->len)) > 0)
		e->len += (size_t)n;
	return NULL;
}

static void divert(struct pipe_end *e, bool reads)
{
	int p[2];

	*e = (struct pipe_end){ .was = dup(STDERR_FILENO), .text = calloc(1, OUT_CAP) };
	assert_int_equal(pipe(p), 0);
	assert_true(dup2(p[1], STDERR_FILENO) >= 0);
	close(p[1]);
	e->read_fd = p[0];
	if (reads)
		assert_int_equal(pthread_create(&e->reader, NULL, read_all, e), 0);
}

static void read_on(struct pipe_end *e)
{
	assert_int_equal(pthread_create(&e->reader, NULL, read_all, e), 0);
}

/* Nobody has it any more: all has been read. */
static void restore(struct pipe_end *e)
{
	dup2(e->was, STDERR_FILENO);
	close(e->was);
	pthread_join(e->reader, NULL);
	close(e->read_fd);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text++)
		n++;
	return n;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Each with a limit of its own, which it does not reach. */
static void say(enum log_level level, unsigned n, const char *word)
{
	struct log_site *sites = calloc(n, sizeof(*sites));

	for (unsigned i = 0; i < n; i++)
		log_line(&sites[i], level, "%s %u, and something to make it long enough: %0200d",
			 word, i, 0);
	free(sites);
}

static void all_lines_arrive_in_order(void **state)
{
	struct pipe_end e;
	unsigned n = 0, got;

	(void)state;
	unsetenv("JOURNAL_STREAM");
	divert(&e, true);
	assert_int_equal(log_start(), 0);
	say(LOG_INFO, 500, "line");
	log_stop();
	restore(&e);
	for (char *p = e.text; (p = strstr(p, "Z ringlund: info: line ")); p++, n++) {
		assert_int_equal(sscanf(p, "Z ringlund: info: line %u,", &got), 1);
		assert_int_equal(got, n);
	}
	assert_int_equal(n, 500);
	assert_int_equal(count(e.text, "\n"), 500);
	free(e.text);
}

static void who_logs_after_the_end_writes(void **state)
{
	struct pipe_end e;

	(void)state;
	divert(&e, true);
	assert_int_equal(log_start(), 0);
	log_stop();
	log_stop();
	log_info("by myself");
	assert_int_equal(log_start(), 0); /* again */
	log_info("by the writer");
	log_stop();
	restore(&e);
	assert_non_null(strstr(e.text, "info: by myself\n"));
	assert_non_null(strstr(e.text, "info: by the writer\n"));
	free(e.text);
}

static void a_reader_that_stalls_holds_up_nobody(void **state)
{
	struct log_counts before, after;
	unsigned long long missing = 0;
	struct pipe_end e;
	double begin;

	(void)state;
	log_get_counts(&before);
	divert(&e, false);
	assert_int_equal(log_start(), 0);
	begin = seconds();
	say(LOG_INFO, 4000, "info"); /* a megabyte */
	say(LOG_ERROR, 100, "error");
	assert_true(seconds() - begin < 5); /* and not for ever */
	log_get_counts(&after);
	assert_true(after.lost - before.lost > 1000);
	read_on(&e);
	log_stop();
	restore(&e);
	log_get_counts(&after);
	assert_int_equal(count(e.text, "error: error "), 100); /* room was kept for them */
	assert_non_null(strstr(e.text, " lines are missing here"));
	assert_int_equal(sscanf(strstr(e.text, "warn: "), "warn: %llu lines are missing", &missing),
			 1);
	assert_int_equal(missing, after.lost - before.lost);
	assert_int_equal(count(e.text, "info: info ") + missing, 4000);
	assert_int_equal(after.lines[LOG_INFO] - before.lines[LOG_INFO], 4000);
	assert_int_equal(after.lines[LOG_ERROR] - before.lines[LOG_ERROR], 100);
	free(e.text);
}

static void the_end_waits_for_a_second(void **state)
{
	struct pipe_end e;
	double begin, took;

	(void)state;
	divert(&e, false);
	assert_int_equal(log_start(), 0);
	say(LOG_INFO, 500, "info");
	begin = seconds();
	log_stop();
	took = seconds() - begin;
	assert_true(took > 0.5 && took < 10);
	log_error("too late, and waits for nobody");
	read_on(&e);
	log_stop(); /* this time it can */
	log_error("by myself");
	restore(&e);
	assert_int_equal(count(e.text, "info: info "), 500);
	assert_non_null(strstr(e.text, "too late"));
	assert_non_null(strstr(e.text, "by myself"));
	free(e.text);
}

static void a_flood_is_told_of_when_it_is_over(void **state)
{
	struct log_counts before, after;
	struct pipe_end e;
	unsigned left_out = 0, n, shown;
	char *at;

	(void)state;
	log_get_counts(&before);
	divert(&e, true);
	assert_int_equal(log_start(), 0);
	for (unsigned i = 0; i < 200; i++)
		log_warn("flood %u of \"%s\"", i, "a\nb");
	usleep(2500000); /* nothing follows */
	log_get_counts(&after);
	assert_int_equal(
		after.flood - before.flood + after.lines[LOG_WARN] - before.lines[LOG_WARN], 200);
	log_info("the end");
	log_stop();
	restore(&e);
	shown = count(e.text, "warn: flood ");
	assert_true(shown >= 20 && shown <= 40);
	for (at = e.text; (at = strstr(at, "more like this not shown]")); at++) {
		char *from = at;

		while (*from != '[')
			from--;
		assert_int_equal(sscanf(from, "[%u more", &n), 1);
		left_out += n;
	}
	at = strstr(e.text, "warn: [");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "warn: [%u lines like this were left out] flood", &n), 1);
	assert_non_null(strstr(at, "of \"a?b\"\n"));
	assert_true(strstr(e.text, "the end") > at);
	assert_int_equal(shown + left_out + n, 200);
	free(e.text);
}

static void a_flood_is_told_of_at_the_end(void **state)
{
	struct pipe_end e;
	unsigned n = 0;
	char *at;

	(void)state;
	divert(&e, true);
	assert_int_equal(log_start(), 0);
	for (unsigned i = 0; i < 100; i++)
		log_info("brief");
	log_stop();
	restore(&e);
	at = strstr(e.text, "info: [");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "info: [%u lines like this were left out] brief\n", &n), 1);
	assert_true(n >= 40 && n <= 80);
	free(e.text);
}

static void *talk(void *arg)
{
	say(LOG_INFO, 500, arg);
	return NULL;
}

static void threads_share_the_writer(void **state)
{
	static char words[4][2] = { "a", "b", "c", "d" };
	struct log_counts before, after;
	struct pipe_end e;
	pthread_t t[4];

	(void)state;
	log_get_counts(&before);
	divert(&e, true);
	assert_int_equal(log_start(), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, talk, words[i]), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	log_stop();
	restore(&e);
	log_get_counts(&after);
	for (unsigned i = 0; i < 4; i++) {
		char what[32];
		int last = -1, got;

		snprintf(what, sizeof(what), "Z ringlund: info: %s ", words[i]);
		for (char *p = e.text; (p = strstr(p, what)); p++) {
			assert_int_equal(sscanf(p + strlen(what), "%d,", &got), 1);
			assert_true(got > last);
			last = got;
		}
	}
	/* whole, each of them, but for what found no room */
	assert_int_equal(count(e.text, "Z ringlund: "), count(e.text, "\n"));
	assert_int_equal(count(e.text, "info: ") + after.lost - before.lost, 2000);
	free(e.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_lines_arrive_in_order),
		cmocka_unit_test(who_logs_after_the_end_writes),
		cmocka_unit_test(a_reader_that_stalls_holds_up_nobody),
		cmocka_unit_test(a_flood_is_told_of_when_it_is_over),
		cmocka_unit_test(a_flood_is_told_of_at_the_end),
		cmocka_unit_test(threads_share_the_writer),
		cmocka_unit_test(the_end_waits_for_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
