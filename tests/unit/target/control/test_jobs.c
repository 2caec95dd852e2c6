/* Jobs: begun, watched, waited for, cancelled, remembered, and all of them stopped. */
#include "target/control/jobs.h"

#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a job of a test does: tells that it runs, waits for leave, ends. */
struct work {
	sem_t begun, leave;
	unsigned released;
	bool ask_commit, committed;
	unsigned steps;
	_Atomic bool was_cancelled; /* several jobs may have one */
};

static void work_init(struct work *w)
{
	memset(w, 0, sizeof(*w));
	sem_init(&w->begun, 0, 0);
	sem_init(&w->leave, 0, 0);
}

static void run(struct job *job, void *arg)
{
	struct work *w = arg;
	struct api_error e = { .status = 0 };

	job_say(job, "step %u", w->steps);
	if (w->ask_commit)
		w->committed = job_commit(job);
	sem_post(&w->begun);
	sem_wait(&w->leave);
	while (w->steps && job_progress(job, 10, 100))
		w->steps--;
	w->was_cancelled = job_is_cancelled(job);
	if (w->was_cancelled)
		api_fail(&e, 409, "cancelled", "it was to stop");
	job_end(job, w->was_cancelled ? NULL : json_pack("{s:i}", "answer", 42), &e);
}

static void fail_at_once(struct job *job, void *arg)
{
	struct api_error e;

	(void)arg;
	api_fail(&e, 507, "no_space", "there is no room for %s", "it");
	job_end(job, NULL, &e);
}

static void at_once(struct job *job, void *arg)
{
	struct api_error e = { .status = 0 };

	(void)arg;
	job_end(job, json_object(), &e);
}

static void release(void *arg)
{
	struct work *w = arg;

	if (w)
		__atomic_add_fetch(&w->released, 1, __ATOMIC_SEQ_CST);
}

static struct job *start(struct jobs *js, void (*fn)(struct job *, void *), struct work *w)
{
	const struct job_spec spec = { "volume-create", "db1", "bytes", fn, release, w };
	struct job *job = NULL;

	return jobs_start(js, &spec, &job) ? NULL : job;
}

static const char *text_of(struct job *job, const char *key)
{
	static char text[256];
	json_t *j = job_to_json(job);
	const json_t *value = json_object_get(j, key);

	assert_non_null(value);
	if (json_is_string(value))
		snprintf(text, sizeof(text), "%s", json_string_value(value));
	else if (json_is_null(value))
		strcpy(text, "null");
	else
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
	json_decref(j);
	return text;
}

static void a_job_runs_and_has_a_result(void **state)
{
	struct api_reply reply = { .status = 0 };
	struct jobs *js;
	struct work w;
	struct job *job, *found;

	(void)state;
	work_init(&w);
	assert_int_equal(jobs_new(&js), 0);
	job = start(js, run, &w);
	assert_non_null(job);
	sem_wait(&w.begun);
	assert_string_equal(text_of(job, "state"), "running");
	assert_string_equal(text_of(job, "message"), "step 0");
	assert_string_equal(text_of(job, "kind"), "volume-create");
	assert_string_equal(text_of(job, "subject"), "db1");
	assert_string_equal(text_of(job, "ended"), "null");
	assert_string_equal(text_of(job, "id"), "1");
	assert_false(job_wait(job, 0, false));
	sem_post(&w.leave);
	assert_true(job_wait(job, 30, false));
	assert_string_equal(text_of(job, "state"), "done");
	assert_string_equal(text_of(job, "error"), "null");
	assert_int_equal(strlen(text_of(job, "ended")), strlen("2026-11-21T06:00:00Z"));
	job_reply(job, &reply);
	assert_int_equal(reply.error.status, 0);
	assert_int_equal(json_integer_value(json_object_get(reply.body, "answer")), 42);
	json_decref(reply.body);
	found = jobs_find(js, 1);
	assert_ptr_equal(found, job);
	job_put(found);
	assert_null(jobs_find(js, 2));
	job_put(job);
	assert_int_equal(jobs_stop(js, 30), 0);
	assert_int_equal(w.released, 1);
	jobs_free(js);
}

static void progress_wakes_who_wants_news(void **state)
{
	struct jobs *js;
	struct work w;
	struct job *job;

	(void)state;
	work_init(&w);
	w.steps = 100000000; /* until it is cancelled */
	assert_int_equal(jobs_new(&js), 0);
	job = start(js, run, &w);
	sem_wait(&w.begun);
	sem_post(&w.leave);
	assert_false(job_wait(job, 30, true));
	assert_string_equal(text_of(job, "done"), "10");
	assert_string_equal(text_of(job, "total"), "100");
	job_cancel(job);
	assert_true(job_wait(job, 30, false));
	assert_string_equal(text_of(job, "state"), "cancelled");
	assert_true(w.was_cancelled && w.steps);
	job_put(job);
	assert_int_equal(jobs_stop(js, 30), 0);
	jobs_free(js);
}

static void what_has_been_committed_is_not_cancelled(void **state)
{
	struct jobs *js;
	struct work w;
	struct job *job;

	(void)state;
	work_init(&w);
	w.ask_commit = true;
	w.steps = 1000;
	assert_int_equal(jobs_new(&js), 0);
	job = start(js, run, &w);
	sem_wait(&w.begun);
	assert_true(w.committed);
	job_cancel(job);
	sem_post(&w.leave);
	assert_true(job_wait(job, 30, false));
	assert_string_equal(text_of(job, "state"), "done");
	assert_int_equal(w.steps, 0);
	job_put(job);
	assert_int_equal(jobs_stop(js, 30), 0);
	jobs_free(js);
}

static void a_failure_is_told(void **state)
{
	struct api_reply reply = { .status = 0 };
	struct jobs *js;
	struct job *job;
	json_t *j;

	(void)state;
	assert_int_equal(jobs_new(&js), 0);
	job = start(js, fail_at_once, NULL);
	assert_true(job_wait(job, 30, false));
	job_reply(job, &reply);
	assert_int_equal(reply.error.status, 507);
	assert_string_equal(reply.error.message, "there is no room for it");
	assert_null(reply.body);
	j = job_to_json(job);
	assert_string_equal(json_string_value(json_object_get(j, "state")), "failed");
	assert_string_equal(json_string_value(json_object_get(json_object_get(j, "error"), "code")),
			    "no_space");
	json_decref(j);
	job_put(job);
	assert_int_equal(jobs_stop(js, 30), 0);
	jobs_free(js);
}

static bool one_has_ended(struct job *jobs[static JOBS_MAX])
{
	for (unsigned i = 0; i < JOBS_MAX; i++)
		if (job_wait(jobs[i], 0, false))
			return true;
	return false;
}

static void there_is_an_end_to_how_many(void **state)
{
	struct job *jobs[JOBS_MAX], *more;
	struct work w, refused;
	struct jobs *js;

	(void)state;
	work_init(&w);
	work_init(&refused);
	assert_int_equal(jobs_new(&js), 0);
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		jobs[i] = start(js, run, &w);
		assert_non_null(jobs[i]);
	}
	assert_null(start(js, run, &refused));
	assert_int_equal(refused.released, 1);
	sem_post(&w.leave);
	while (!one_has_ended(jobs))
		;
	more = start(js, at_once, NULL);
	assert_non_null(more);
	job_put(more);
	for (unsigned i = 1; i < JOBS_MAX; i++)
		sem_post(&w.leave);
	for (unsigned i = 0; i < JOBS_MAX; i++)
		job_put(jobs[i]);
	assert_int_equal(jobs_stop(js, 30), 0);
	assert_int_equal(w.released, JOBS_MAX);
	jobs_free(js);
}

static void the_last_hundred_are_remembered(void **state)
{
	struct jobs *js;
	json_t *all;

	(void)state;
	assert_int_equal(jobs_new(&js), 0);
	for (unsigned i = 0; i < JOBS_KEPT + 10; i++) {
		struct job *job = start(js, at_once, NULL);

		assert_non_null(job);
		assert_true(job_wait(job, 30, false));
		job_put(job);
	}
	all = jobs_to_json(js);
	assert_in_range(json_array_size(all), JOBS_KEPT, JOBS_KEPT + 1);
	assert_int_equal(json_integer_value(json_object_get(
				 json_array_get(all, json_array_size(all) - 1), "id")),
			 JOBS_KEPT + 10);
	json_decref(all);
	assert_null(jobs_find(js, 1));
	assert_int_equal(jobs_stop(js, 30), 0);
	jobs_free(js);
}

static void stopping_cancels_and_has_a_bound(void **state)
{
	struct work stuck, willing;
	struct jobs *js;
	struct job *a, *b;

	(void)state;
	work_init(&stuck);
	work_init(&willing);
	willing.steps = 100000000;
	assert_int_equal(jobs_new(&js), 0);
	a = start(js, run, &stuck);
	b = start(js, run, &willing);
	sem_wait(&stuck.begun);
	sem_wait(&willing.begun);
	sem_post(&willing.leave);
	assert_int_equal(jobs_stop(js, 1), -ETIMEDOUT);
	assert_true(job_wait(b, 0, false));
	assert_null(start(js, at_once, NULL)); /* it takes no more */
	sem_post(&stuck.leave);
	assert_int_equal(jobs_stop(js, 30), 0);
	assert_true(stuck.was_cancelled && willing.was_cancelled);
	job_put(a);
	job_put(b);
	jobs_free(js);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_runs_and_has_a_result),
		cmocka_unit_test(progress_wakes_who_wants_news),
		cmocka_unit_test(what_has_been_committed_is_not_cancelled),
		cmocka_unit_test(a_failure_is_told),
		cmocka_unit_test(there_is_an_end_to_how_many),
		cmocka_unit_test(the_last_hundred_are_remembered),
		cmocka_unit_test(stopping_cancels_and_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
