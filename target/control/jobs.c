/* Jobs.
 *
 *     jobs_start ──▶ running ──▶ job_end: done, failed or cancelled ──▶ forgotten, 100 later
 *
 * One lock for all, one condition for all who wait: jobs are few and slow. A job is freed with its
 * last reference; the list has one, and its thread. Threads that have ended are joined by the next
 * job that starts, or at the end. */
#include "target/control/jobs.h"

#include "backstore/base/list.h"
#include "backstore/base/signals.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGE_BYTES = 240 };

enum job_state { JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED };

struct job {
	struct list link;
	struct jobs *jobs;
	unsigned refs;
	uint64_t id;
	const char *kind, *unit;
	char *subject;
	void (*run)(struct job *job, void *arg);
	void (*release)(void *arg);
	void *arg;
	pthread_t thread;
	bool has_thread;

	enum job_state state;
	bool cancelled, committed;
	uint64_t done, total;
	uint64_t news;	  /* counts what there was to tell */
	uint64_t told_ms; /* when that was last */
	char message[MESSAGE_BYTES];
	json_t *result;
	struct api_error error;
	time_t started, ended;
};

struct jobs {
	pthread_mutex_t lock; /* of all of it, and of every job */
	pthread_cond_t news;
	struct list all; /* oldest first */
	unsigned nrunning, nended;
	uint64_t last_id;
	bool stopping;
};

static const char *const state_names[] = { "running", "done", "failed", "cancelled" };

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int jobs_new(struct jobs **out)
{
	struct jobs *js = calloc(1, sizeof(*js));
	pthread_condattr_t attr;

	if (!js)
		return -ENOMEM;
	pthread_mutex_init(&js->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&js->news, &attr);
	pthread_condattr_destroy(&attr);
	list_init(&js->all);
	*out = js;
	return 0;
}

static void drop(struct job *job)
{
	if (--job->refs)
		return;
	json_decref(job->result);
	free(job->subject);
	free(job);
}

void job_put(struct job *job)
{
	struct jobs *js = job->jobs;

	pthread_mutex_lock(&js->lock);
	drop(job);
	pthread_mutex_unlock(&js->lock);
}

static void tell(struct job *job)
{
	job->news++;
	job->told_ms = now_ms();
	pthread_cond_broadcast(&job->jobs->news);
}

/* --- the thread ------------------------------------------------------------------------------ */

static void *job_main(void *arg)
{
	struct job *job = arg;

	pthread_setname_np(pthread_self(), "job");
	job->run(job, job->arg);
	job->release(job->arg);
	job_put(job);
	return NULL;
}

/* With the lock, which is let go meanwhile: their last steps are short. */
static void join_ended(struct jobs *js)
{
	bool found;

	do {
		found = false;
		list_for_each (l, &js->all) {
			struct job *job = list_entry(l, struct job, link);
			pthread_t thread = job->thread;

			if (job->state == JOB_RUNNING || !job->has_thread)
				continue;
			job->has_thread = false; /* from here on it may be forgotten */
			pthread_mutex_unlock(&js->lock);
			pthread_join(thread, NULL);
			pthread_mutex_lock(&js->lock);
			found = true;
			break;
		}
	} while (found);
}

static void forget_oldest(struct jobs *js)
{
	list_for_each_safe (l, &js->all) {
		struct job *job = list_entry(l, struct job, link);

		if (js->nended <= JOBS_KEPT)
			return;
		if (job->state == JOB_RUNNING || job->has_thread)
			continue;
		list_del(&job->link);
		js->nended--;
		drop(job);
	}
}

static int start_thread(struct job *job)
{
	sigset_t all, before;
	int rc;

	signals_of_others(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&job->thread, NULL, job_main, job);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static struct job *job_new(struct jobs *js, const struct job_spec *spec)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	*job = (struct job){
		.jobs = js,
		.refs = 3, /* the list's, the thread's, the caller's */
		.kind = spec->kind,
		.unit = spec->unit,
		.subject = strdup(spec->subject),
		.run = spec->run,
		.release = spec->release,
		.arg = spec->arg,
		.started = time(NULL),
	};
	if (!job->subject) {
		free(job);
		return NULL;
	}
	return job;
}

static int add(struct jobs *js, struct job *job)
{
	int rc;

	if (js->stopping)
		return -ECANCELED;
	if (js->nrunning == JOBS_MAX)
		return -EBUSY;
	rc = start_thread(job);
	if (rc)
		return rc;
	job->has_thread = true;
	job->id = ++js->last_id;
	list_add_tail(&js->all, &job->link);
	js->nrunning++;
	return 0;
}

int jobs_start(struct jobs *js, const struct job_spec *spec, struct job **out)
{
	struct job *job = job_new(js, spec);
	int rc = -ENOMEM;

	if (job) {
		pthread_mutex_lock(&js->lock);
		join_ended(js);
		forget_oldest(js);
		rc = add(js, job);
		pthread_mutex_unlock(&js->lock);
	}
	if (!rc) {
		*out = job;
		return 0;
	}
	if (job) {
		free(job->subject);
		free(job);
	}
	spec->release(spec->arg);
	return rc;
}

/* --- those who watch ------------------------------------------------------------------------- */

struct job *jobs_find(struct jobs *js, uint64_t id)
{
	struct job *found = NULL;

	pthread_mutex_lock(&js->lock);
	list_for_each (l, &js->all) {
		struct job *job = list_entry(l, struct job, link);

		if (job->id != id)
			continue;
		job->refs++;
		found = job;
		break;
	}
	pthread_mutex_unlock(&js->lock);
	return found;
}

static json_t *time_to_json(time_t at)
{
	struct tm tm;
	char text[32];

	if (!at)
		return json_null();
	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static json_t *to_json(const struct job *job)
{
	json_t *error = json_null();

	if (job->error.status)
		error = json_pack("{s:s, s:s}", "code", job->error.code, "message",
				  job->error.message);
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:o, s:o, s:o}", "id",
			 (json_int_t)job->id, "kind", job->kind, "subject", job->subject, "state",
			 state_names[job->state], "done", (json_int_t)job->done, "total",
			 (json_int_t)job->total, "unit", job->unit, "message", job->message,
			 "error", error, "started", time_to_json(job->started), "ended",
			 time_to_json(job->ended));
}

json_t *job_to_json(struct job *job)
{
	json_t *j;

	pthread_mutex_lock(&job->jobs->lock);
	j = to_json(job);
	pthread_mutex_unlock(&job->jobs->lock);
	return j;
}

json_t *jobs_to_json(struct jobs *js)
{
	json_t *all = json_array();

	pthread_mutex_lock(&js->lock);
	list_for_each (l, &js->all)
		json_array_append_new(all, to_json(list_entry(l, struct job, link)));
	pthread_mutex_unlock(&js->lock);
	return all;
}

bool job_wait(struct job *job, unsigned seconds, bool any_news)
{
	struct jobs *js = job->jobs;
	struct timespec until;
	uint64_t known;
	bool ended;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&js->lock);
	known = job->news;
	while (job->state == JOB_RUNNING && !(any_news && job->news != known) && !js->stopping)
		if (pthread_cond_timedwait(&js->news, &js->lock, &until))
			break;
	ended = job->state != JOB_RUNNING;
	pthread_mutex_unlock(&js->lock);
	return ended;
}

void job_cancel(struct job *job)
{
	pthread_mutex_lock(&job->jobs->lock);
	job->cancelled = true;
	pthread_mutex_unlock(&job->jobs->lock);
}

void job_reply(struct job *job, struct api_reply *reply)
{
	pthread_mutex_lock(&job->jobs->lock);
	if (job->error.status)
		reply->error = job->error;
	else
		reply->body = json_incref(job->result);
	pthread_mutex_unlock(&job->jobs->lock);
}

/* --- the job itself -------------------------------------------------------------------------- */

bool job_progress(struct job *job, uint64_t done, uint64_t total)
{
	bool go_on;

	pthread_mutex_lock(&job->jobs->lock);
	job->done = done;
	job->total = total;
	if (now_ms() - job->told_ms >= JOBS_NOTE_MS)
		tell(job);
	go_on = !job->cancelled || job->committed;
	pthread_mutex_unlock(&job->jobs->lock);
	return go_on;
}

bool job_is_cancelled(struct job *job)
{
	bool yes;

	pthread_mutex_lock(&job->jobs->lock);
	yes = job->cancelled && !job->committed;
	pthread_mutex_unlock(&job->jobs->lock);
	return yes;
}

bool job_commit(struct job *job)
{
	bool may;

	pthread_mutex_lock(&job->jobs->lock);
	may = job->committed || !job->cancelled;
	job->committed = may;
	pthread_mutex_unlock(&job->jobs->lock);
	return may;
}

void job_say(struct job *job, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&job->jobs->lock);
	va_start(args, format);
	vsnprintf(job->message, sizeof(job->message), format, args);
	va_end(args);
	tell(job);
	pthread_mutex_unlock(&job->jobs->lock);
}

void job_end(struct job *job, json_t *result, const struct api_error *error)
{
	struct jobs *js = job->jobs;

	pthread_mutex_lock(&js->lock);
	job->result = result;
	job->error = *error;
	job->message[0] = '\0';
	if (!error->status)
		job->state = JOB_DONE;
	else
		job->state = strcmp(error->code, "cancelled") ? JOB_FAILED : JOB_CANCELLED;
	if (job->state == JOB_DONE)
		job->done = job->total;
	job->ended = time(NULL);
	js->nrunning--;
	js->nended++;
	tell(job);
	pthread_mutex_unlock(&js->lock);
}

/* --- the end --------------------------------------------------------------------------------- */

int jobs_stop(struct jobs *js, unsigned seconds)
{
	struct timespec until;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&js->lock);
	js->stopping = true;
	list_for_each (l, &js->all)
		list_entry(l, struct job, link)->cancelled = true;
	pthread_cond_broadcast(&js->news);
	while (js->nrunning && !rc)
		rc = -pthread_cond_timedwait(&js->news, &js->lock, &until);
	if (!js->nrunning)
		rc = 0;
	join_ended(js);
	pthread_mutex_unlock(&js->lock);
	return rc;
}

bool jobs_are_stopping(struct jobs *js)
{
	bool yes;

	pthread_mutex_lock(&js->lock);
	yes = js->stopping;
	pthread_mutex_unlock(&js->lock);
	return yes;
}

void jobs_free(struct jobs *js)
{
	struct list *l;

	while ((l = list_pop(&js->all)))
		drop(list_entry(l, struct job, link));
	pthread_cond_destroy(&js->news);
	pthread_mutex_destroy(&js->lock);
	free(js);
}
