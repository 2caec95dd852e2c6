/* What comes out of standard error, read back through a pipe. */
#include "backstore/base/log.h"
#include "tests/unit/backstore/base/unit.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUT_CAP = 1 << 16 };

/* Runs @f with standard error going to a pipe; returns what it wrote. */
static char *output_of(void (*f)(int fd))
{
	char *out = calloc(1, OUT_CAP);
	int was = dup(STDERR_FILENO), p[2];
	size_t len = 0;
	ssize_t n;

	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDERR_FILENO);
	f(p[1]);
	dup2(was, STDERR_FILENO);
	close(was);
	close(p[1]);
	while ((n = read(p[0], out + len, OUT_CAP - 1 - len)) > 0)
		len += (size_t)n;
	close(p[0]);
	return out;
}

static unsigned lines(const char *text)
{
	unsigned n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void say_hello(int fd)
{
	(void)fd;
	errno = EDOM;
	log_warn("hello %s %d", "world", 7);
	assert_int_equal(errno, EDOM);
}

static void a_line_has_time_level_and_text(void **state)
{
	char *out;
	int year, month, day, hour, minute, second, milli, end = 0;

	(void)state;
	unsetenv("JOURNAL_STREAM");
	out = output_of(say_hello);
	assert_int_equal(sscanf(out,
				"%4d-%2d-%2dT%2d:%2d:%2d.%3dZ ringlund: warn: hello world 7\n%n",
				&year, &month, &day, &hour, &minute, &second, &milli, &end),
			 7);
	assert_int_equal(end, strlen(out));
	assert_true(year >= 2024 && month >= 1 && month <= 12 && hour < 24);
	free(out);
}

static void say_to_journal(int fd)
{
	char stream[64];
	struct stat st;

	fstat(fd, &st);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("broken");
	log_info("fine");
	setenv("JOURNAL_STREAM", "1:2", 1); /* another process's, inherited */
	log_info("last");
	unsetenv("JOURNAL_STREAM");
}

static void the_journal_gets_a_priority_and_no_time(void **state)
{
	char *out = output_of(say_to_journal);
	const char *last = "<3>ringlund: error: broken\n<6>ringlund: info: fine\n";

	(void)state;
	assert_memory_equal(out, last, strlen(last));
	assert_int_equal(out[strlen(last)], '2'); /* of the year */
	free(out);
}

static void say_at_all_levels(int fd)
{
	(void)fd;
	log_set_level(LOG_WARN);
	log_error("e");
	log_warn("w");
	log_info("i");
	log_debug("d");
	log_set_level(LOG_INFO);
	log_debug("d");
}

static void the_level_decides(void **state)
{
	char *out = output_of(say_at_all_levels);
	enum log_level level = LOG_ERROR;

	(void)state;
	assert_int_equal(lines(out), 2);
	assert_non_null(strstr(out, "error: e\n"));
	assert_non_null(strstr(out, "warn: w\n"));
	free(out);
	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_DEBUG);
	assert_int_equal(log_level_parse("error", &level), 0);
	assert_int_equal(level, LOG_ERROR);
	assert_int_equal(log_level_parse("Error", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(level, LOG_ERROR);
}

static void say_hostile_things(int fd)
{
	char *huge = malloc(5000);

	(void)fd;
	log_info("name \"%s\"", "a\nringlund: error: forged\r\x1b[31m\x7f\tz");
	memset(huge, 'x', 4999);
	huge[4999] = '\0';
	log_info("%s", huge);
	free(huge);
}

static void nobody_forges_a_line(void **state)
{
	char *out = output_of(say_hostile_things);

	(void)state;
	assert_int_equal(lines(out), 2);
	assert_non_null(strstr(out, "name \"a?ringlund: error: forged??[31m??z\"\n"));
	assert_true(strlen(out) < 2048);
	assert_int_equal(out[strlen(out) - 1], '\n');
	free(out);
}

static void flood(int fd)
{
	(void)fd;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 200; i++)
			log_info("flood");
		for (int i = 0; i < 10; i++) /* another site has a limit of its own */
			log_info("trickle");
		if (round == 0)
			usleep(1100000);
	}
}

static void a_flood_is_cut_and_counted(void **state)
{
	char *out = output_of(flood), *more;
	unsigned floods = 0, dropped = 0;

	(void)state;
	for (char *p = out; (p = strstr(p, "info: flood")); p++)
		floods++;
	/* 20 in each of the seconds that the two bursts touch */
	assert_true(floods >= 40 && floods <= 80);
	assert_int_equal((lines(out) - floods) % 10, 0);
	assert_int_equal(lines(out) - floods, 20);
	more = strstr(out, "flood [1"); /* of 200, 20 to 40 are shown a second */
	assert_non_null(more);
	assert_int_equal(sscanf(more, "flood [%u more like this not shown]", &dropped), 1);
	assert_true(dropped >= 100 && dropped <= 180);
	/* a flood that nothing follows has said so, too */
	assert_non_null(strstr(out, "flood [no more like this in this second]"));
	free(out);
}

static void *chatter(void *arg)
{
	static struct log_site sites[4];

	for (int i = 0; i < 19; i++) /* the limit's 20th would say so */
		log_line(&sites[*(int *)arg], LOG_INFO, "%s",
			 "a line of some length, to be found whole and not mixed with others");
	return NULL;
}

static void chat(int fd)
{
	pthread_t t[4];
	int n[4];

	(void)fd;
	for (int i = 0; i < 4; i++) {
		n[i] = i;
		pthread_create(&t[i], NULL, chatter, &n[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void lines_of_threads_do_not_mix(void **state)
{
	char *out = output_of(chat);
	unsigned whole = 0;

	(void)state;
	for (char *p = out; (p = strstr(p, "Z ringlund: info: a line of some length, to be found "
					   "whole and not mixed with others\n"));
	     p++)
		whole++;
	assert_int_equal(whole, 76);
	assert_int_equal(lines(out), 76);
	free(out);
}

static void record_much(int fd)
{
	(void)fd;
	for (int i = 0; i < 300; i++)
		log_record("record %d", i);
}

static void records_are_never_left_out(void **state)
{
	char *out;

	(void)state;
	out = output_of(record_much);
	assert_int_equal(lines(out), 300);
	assert_non_null(strstr(out, "record 299\n"));
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_never_left_out),
		cmocka_unit_test(a_line_has_time_level_and_text),
		cmocka_unit_test(the_journal_gets_a_priority_and_no_time),
		cmocka_unit_test(the_level_decides),
		cmocka_unit_test(nobody_forges_a_line),
		cmocka_unit_test(a_flood_is_cut_and_counted),
		cmocka_unit_test(lines_of_threads_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
