/* Jobs: work that may take long, each on a thread of its own, watched, waited for and cancelled by
 * others.
 *
 * From any thread. A job that has ended is remembered, as one of the last JOBS_KEPT. */
#pragma once

#include "target/control/api.h"

#include <stdint.h>

enum {
	JOBS_MAX = 64, /* at a time */
	JOBS_KEPT = 100,
	JOBS_NOTE_MS = 100, /* progress is told no more often than that */
};

struct job;
struct jobs;

struct job_spec {
	const char *kind; /* "volume-create"; static */
	const char *subject;
	const char *unit; /* of progress: "bytes" or "steps"; static */
	/* On the job's thread; ends with job_end. */
	void (*run)(struct job *job, void *arg);
	void (*release)(void *arg); /* always called, on any thread, even where no job began */
	void *arg;
};

int jobs_new(struct jobs **out) MUST_CHECK;
/* Takes no more, cancels all, waits for them that long. -ETIMEDOUT: one still runs. */
int jobs_stop(struct jobs *js, unsigned seconds) MUST_CHECK;
bool jobs_are_stopping(struct jobs *js);
/* jobs_stop has returned 0. */
void jobs_free(struct jobs *js);

/* @out is held: job_put. -EBUSY: there are as many as there may be; -ECANCELED: they are stopping;
 * -ENOMEM, -EAGAIN: there is no memory or no thread for it. */
int jobs_start(struct jobs *js, const struct job_spec *spec, struct job **out) MUST_CHECK;
/* NULL: there is none, or it has been forgotten. Held. */
struct job *jobs_find(struct jobs *js, uint64_t id);
json_t *jobs_to_json(struct jobs *js); /* an array, oldest first */

/* --- by whoever has one ---------------------------------------------------------------------- */

void job_put(struct job *job);
json_t *job_to_json(struct job *job);
/* True when it has ended, false when the time is over, or, @any_news, when it has got on. */
bool job_wait(struct job *job, unsigned seconds, bool any_news);
void job_cancel(struct job *job);
/* It has ended: what it has said. */
void job_reply(struct job *job, struct api_reply *reply);

/* --- by the job itself ----------------------------------------------------------------------- */

/* False: it is to stop, with -ECANCELED. @total 0: nobody knows. */
bool job_progress(struct job *job, uint64_t done, uint64_t total);
bool job_is_cancelled(struct job *job);
/* What it does, or waits for, in a few words; "" for nothing. */
void job_say(struct job *job, const char *format, ...) PRINTF(2, 3);
/* From now on it goes through: cancelling it does nothing. False: it has been cancelled already. */
bool job_commit(struct job *job);
/* Takes @result over (NULL where it failed, as @error says). */
void job_end(struct job *job, json_t *result, const struct api_error *error);
