/* Plain data: made, copied, looked up, let go.
 *
 * A copy is made piece by piece into what was zeroed, and a piece that failed half-way is counted,
 * too; so on failure model_fini and its like take back exactly what there is. */
#include "target/control/model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- letting go -------------------------------------------------------------------- */

static void user_fini(struct model_user *u)
{
	if (u->secret)
		explicit_bzero(u->secret, strlen(u->secret));
	free(u->secret);
	free(u->name);
	*u = (struct model_user){ .name = NULL };
}

static void texts_fini(char **texts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

void model_pool_fini(struct model_pool *p)
{
	free(p->name);
	free(p->path);
	free(p->volume_group);
	*p = (struct model_pool){ .name = NULL };
}

void model_volume_fini(struct model_volume *v)
{
	free(v->name);
	free(v->pool);
	free(v->path);
	*v = (struct model_volume){ .name = NULL };
}

void model_rule_fini(struct model_rule *r)
{
	free(r->initiator);
	free(r->address);
	*r = (struct model_rule){ .initiator = NULL };
}

void model_chap_fini(struct model_chap *c)
{
	for (unsigned i = 0; i < c->nusers; i++)
		user_fini(&c->users[i]);
	free(c->users);
	user_fini(&c->mutual);
	*c = (struct model_chap){ .users = NULL };
}

void model_target_fini(struct model_target *t)
{
	free(t->name);
	for (unsigned i = 0; i < t->nluns; i++)
		free(t->luns[i].volume);
	free(t->luns);
	for (unsigned i = 0; i < t->nallow; i++)
		model_rule_fini(&t->allow[i]);
	free(t->allow);
	model_chap_fini(&t->chap);
	texts_fini(t->portals, t->nportals);
	free(t->redirect);
	*t = (struct model_target){ .name = NULL };
}

void model_intent_fini(struct model_intent *i)
{
	free(i->pool);
	free(i->volume);
	free(i->target);
	*i = (struct model_intent){ .pool = NULL };
}

void model_fini(struct model *m)
{
	for (unsigned i = 0; i < m->npools; i++)
		model_pool_fini(&m->pools[i]);
	free(m->pools);
	for (unsigned i = 0; i < m->nvolumes; i++)
		model_volume_fini(&m->volumes[i]);
	free(m->volumes);
	for (unsigned i = 0; i < m->ntargets; i++)
		model_target_fini(&m->targets[i]);
	free(m->targets);
	texts_fini(m->portals, m->nportals);
	model_chap_fini(&m->discovery);
	for (unsigned i = 0; i < m->nintents; i++)
		model_intent_fini(&m->intents[i]);
	free(m->intents);
	*m = (struct model){ .pools = NULL };
}

/* --- copies ------------------------------------------------------------------------ */

static int copy_text(char **out, const char *text)
{
	*out = text ? strdup(text) : NULL;
	return text && !*out ? -ENOMEM : 0;
}

/* Zeroed room for a copy of a list. NULL, with *@rc set, where there is none. */
static void *room(size_t n, size_t size, int *rc)
{
	void *p = n ? calloc(n, size) : NULL;

	if (n && !p)
		*rc = -ENOMEM;
	return p;
}

static int copy_texts(char ***out, unsigned *n, char *const *texts, unsigned ntexts)
{
	int rc = 0;

	*out = room(ntexts, sizeof(**out), &rc);
	for (*n = 0; !rc && *n < ntexts; ++*n)
		rc = copy_text(&(*out)[*n], texts[*n]);
	return rc;
}

static int copy_user(struct model_user *out, const struct model_user *u)
{
	int rc = copy_text(&out->name, u->name);

	return rc ? rc : copy_text(&out->secret, u->secret);
}

int model_chap_copy(struct model_chap *out, const struct model_chap *c)
{
	int rc = 0;

	*out = (struct model_chap){ .has_mutual = c->has_mutual };
	out->users = room(c->nusers, sizeof(*out->users), &rc);
	for (; !rc && out->nusers < c->nusers; out->nusers++)
		rc = copy_user(&out->users[out->nusers], &c->users[out->nusers]);
	if (!rc)
		rc = copy_user(&out->mutual, &c->mutual);
	if (rc)
		model_chap_fini(out);
	return rc;
}

static int copy_rule(struct model_rule *out, const struct model_rule *r)
{
	int rc = copy_text(&out->initiator, r->initiator);

	return rc ? rc : copy_text(&out->address, r->address);
}

int model_target_copy(struct model_target *out, const struct model_target *t)
{
	int rc;

	*out = (struct model_target){ .shared = t->shared,
				      .has_allow = t->has_allow,
				      .redirect_forever = t->redirect_forever,
				      .left_out = t->left_out };
	rc = copy_text(&out->name, t->name);
	out->luns = room(t->nluns, sizeof(*out->luns), &rc);
	for (; !rc && out->nluns < t->nluns; out->nluns++) {
		out->luns[out->nluns].lun = t->luns[out->nluns].lun;
		rc = copy_text(&out->luns[out->nluns].volume, t->luns[out->nluns].volume);
	}
	out->allow = room(t->nallow, sizeof(*out->allow), &rc);
	for (; !rc && out->nallow < t->nallow; out->nallow++)
		rc = copy_rule(&out->allow[out->nallow], &t->allow[out->nallow]);
	if (!rc)
		rc = model_chap_copy(&out->chap, &t->chap);
	if (!rc)
		rc = copy_texts(&out->portals, &out->nportals, t->portals, t->nportals);
	if (!rc)
		rc = copy_text(&out->redirect, t->redirect);
	if (rc)
		model_target_fini(out);
	return rc;
}

static int copy_pool(struct model_pool *out, const struct model_pool *p)
{
	int rc = copy_text(&out->name, p->name);

	if (!rc)
		rc = copy_text(&out->path, p->path);
	return rc ? rc : copy_text(&out->volume_group, p->volume_group);
}

static int copy_volume(struct model_volume *out, const struct model_volume *v)
{
	int rc;

	*out = *v;
	out->name = out->pool = out->path = NULL;
	rc = copy_text(&out->name, v->name);
	if (!rc)
		rc = copy_text(&out->pool, v->pool);
	return rc ? rc : copy_text(&out->path, v->path);
}

static int copy_intent(struct model_intent *out, const struct model_intent *i)
{
	int rc;

	*out = *i;
	out->pool = out->volume = out->target = NULL;
	rc = copy_text(&out->pool, i->pool);
	if (!rc)
		rc = copy_text(&out->volume, i->volume);
	return rc ? rc : copy_text(&out->target, i->target);
}

int model_copy(struct model *out, const struct model *m)
{
	int rc = 0;

	*out = (struct model){ .has_pools = m->has_pools,
			       .has_volumes = m->has_volumes,
			       .has_targets = m->has_targets,
			       .has_portals = m->has_portals,
			       .has_discovery = m->has_discovery };
	out->pools = room(m->npools, sizeof(*out->pools), &rc);
	for (; !rc && out->npools < m->npools; out->npools++)
		rc = copy_pool(&out->pools[out->npools], &m->pools[out->npools]);
	out->volumes = room(m->nvolumes, sizeof(*out->volumes), &rc);
	for (; !rc && out->nvolumes < m->nvolumes; out->nvolumes++)
		rc = copy_volume(&out->volumes[out->nvolumes], &m->volumes[out->nvolumes]);
	out->targets = room(m->ntargets, sizeof(*out->targets), &rc);
	for (; !rc && out->ntargets < m->ntargets; out->ntargets++)
		rc = model_target_copy(&out->targets[out->ntargets], &m->targets[out->ntargets]);
	out->intents = room(m->nintents, sizeof(*out->intents), &rc);
	for (; !rc && out->nintents < m->nintents; out->nintents++)
		rc = copy_intent(&out->intents[out->nintents], &m->intents[out->nintents]);
	if (!rc)
		rc = copy_texts(&out->portals, &out->nportals, m->portals, m->nportals);
	if (!rc)
		rc = model_chap_copy(&out->discovery, &m->discovery);
	if (rc)
		model_fini(out);
	return rc;
}

/* --- looking up, putting ------------------------------------------------------------ */

struct model_target *model_find_target(const struct model *m, const char *name)
{
	for (unsigned i = 0; i < m->ntargets; i++)
		if (!strcasecmp(m->targets[i].name, name))
			return &m->targets[i];
	return NULL;
}

struct model_volume *model_find_volume(const struct model *m, const char *name)
{
	for (unsigned i = 0; i < m->nvolumes; i++)
		if (!strcmp(m->volumes[i].name, name))
			return &m->volumes[i];
	return NULL;
}

struct model_pool *model_find_pool(const struct model *m, const char *name)
{
	for (unsigned i = 0; i < m->npools; i++)
		if (!strcmp(m->pools[i].name, name))
			return &m->pools[i];
	return NULL;
}

struct model_lun *model_find_lun(const struct model_target *t, unsigned lun)
{
	for (unsigned i = 0; i < t->nluns; i++)
		if (t->luns[i].lun == lun)
			return &t->luns[i];
	return NULL;
}

bool model_shows(const struct model_target *t, const char *volume)
{
	for (unsigned i = 0; i < t->nluns; i++)
		if (!strcmp(t->luns[i].volume, volume))
			return true;
	return false;
}

static bool texts_are_same(const char *a, const char *b)
{
	return a && b ? !strcasecmp(a, b) : a == b;
}

bool model_rule_is_same(const struct model_rule *a, const struct model_rule *b)
{
	return texts_are_same(a->initiator, b->initiator) && texts_are_same(a->address, b->address);
}

int model_put_target(struct model *m, struct model_target *t)
{
	struct model_target *old = model_find_target(m, t->name), *more;

	if (old) {
		model_target_fini(old);
		*old = *t;
	} else {
		/* what moves has only pointers to secrets */
		more = reallocarray(m->targets, m->ntargets + 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		m->targets = more;
		m->targets[m->ntargets++] = *t;
	}
	*t = (struct model_target){ .name = NULL };
	return 0;
}

void model_remove_target(struct model *m, const char *name)
{
	struct model_target *t = model_find_target(m, name);

	if (!t)
		return;
	model_target_fini(t);
	m->ntargets--;
	memmove(t, t + 1, (size_t)(m->targets + m->ntargets - t) * sizeof(*t));
}
