/* Looking at a pool that nobody serves, changing nothing: the log is replayed, and what it says is
 * compared with what is there. */
#include "snapshot/pool_priv.h"
#include "snapshot/structure_log_priv.h"

#include "backstore/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 300, SENTENCE_BYTES = 1024 };

struct checking {
	struct vpool *p;
	void (*report)(void *arg, const char *what);
	void *arg;
	int found;
};

static void PRINTF(2, 3) found(struct checking *c, const char *fmt, ...)
{
	char text[SENTENCE_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	c->report(c->arg, text);
	c->found++;
}

static int check_volumes(struct checking *c)
{
	char why[SENTENCE_BYTES / 2];

	list_for_each (n, &c->p->state.volumes) {
		const struct pool_volume *v = list_entry(n, struct pool_volume, link);
		struct vpool_volume copy;

		if (v->flags & VOLUME_DELETING) {
			found(c,
			      "the deletion of %s has not been completed; the next start of a "
			      "server does that",
			      v->name);
			continue;
		}
		if (pool_copy_volume(c->p, v, &copy))
			return -ENOMEM;
		if (vpool_check_volume(&copy, why, sizeof(why)))
			found(c, "volume %s: %s", v->name, why);
		vpool_volume_fini(&copy);
	}
	list_for_each (n, &c->p->state.layers) {
		const struct pool_layer *l = list_entry(n, struct pool_layer, link);

		if (!l->volume)
			found(c, "layer %llu belongs to no volume", (unsigned long long)l->number);
	}
	return 0;
}

static int check_name(void *arg, const char *name)
{
	struct checking *c = arg;
	uint64_t number = pool_number_of_file(name);

	if (!number)
		found(c, "%s/%s is no file of a pool", c->p->layers, name);
	else if (!pool_state_find_layer(&c->p->state, number))
		found(c,
		      "%s/%s belongs to no volume; if it holds no data, the next start of a "
		      "server removes it",
		      c->p->layers, name);
	return 0;
}

static int check_contents(struct checking *c, char *why, size_t why_cap)
{
	int rc = check_volumes(c);

	if (rc)
		return why_say(why, why_cap, rc, "out of memory");
	rc = c->p->fs->list(c->p->fs, c->p->layers, check_name, c);
	if (rc)
		found(c, "%s cannot be read: %s", c->p->layers, strerror(-rc));
	return 0;
}

static void check_slots(struct checking *c)
{
	for (unsigned i = 0; i < 2; i++)
		if (c->p->log.slot_bytes[i] < SLOG_BYTES)
			found(c,
			      "%s/%s has %llu bytes, and must have %u: it was cut off; the next "
			      "start of a server makes it whole",
			      c->p->dir, slog_names[i], (unsigned long long)c->p->log.slot_bytes[i],
			      (unsigned)SLOG_BYTES);
}

static int check_open(struct checking *c, char *why, size_t why_cap)
{
	struct vpool *p = c->p;
	char path[POOL_FILE_BYTES];
	int rc = pool_identity_read(&p->id, p->fs, p->dir, &p->json_fd, true, why, why_cap);

	if (!rc) {
		snprintf(path, sizeof(path), "%s/pool.json", p->dir);
		rc = p->fs->lock(p->fs, p->json_fd, path, true, WAIT_MS, why, why_cap);
	}
	if (rc == 0)
		rc = slog_open(&p->log, p->fs, p->dir, p->id.uuid, true, &p->state, why, why_cap);
	if (rc == -EBADMSG) { /* that is what was asked for */
		found(c, "%s", why);
		return 0;
	}
	if (rc)
		return rc;
	check_slots(c);
	return check_contents(c, why, why_cap);
}

int vpool_check(const char *dir, void (*report)(void *arg, const char *what), void *arg, char *why,
		size_t why_cap)
{
	struct checking c = { .report = report, .arg = arg };
	char *real = realpath(dir, NULL);
	int rc;

	if (!real)
		return why_say(why, why_cap, -errno, "there is no pool in %s: %s", dir,
			       strerror(errno));
	c.p = vpool_new(pool_fs_real(), real, "/dev");
	free(real);
	if (!c.p)
		return why_say(why, why_cap, -ENOMEM, "out of memory");
	rc = check_open(&c, why, why_cap);
	vpool_free(c.p);
	return rc ? rc : c.found;
}
