/* What a document leaves out stays as it is: so a document without "chap" never takes the
 * authentication off a target, and one can be kept without its secrets. */
#include "target/control/model.h"

#include "backstore/why.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(char *why, size_t why_cap)
{
	return why_say(why, why_cap, -ENOMEM, "out of memory");
}

/* --- secrets ------------------------------------------------------------------------ */

static const struct model_user *find_user(const struct model_chap *c, const char *name)
{
	for (unsigned i = 0; i < c->nusers; i++)
		if (!strcmp(c->users[i].name, name))
			return &c->users[i];
	return NULL;
}

/* @old: of this name, or NULL. */
static int inherit_secret(struct model_user *u, const struct model_user *old, const char *where,
			  char *why, size_t why_cap)
{
	if (u->secret)
		return 0;
	if (!old || !old->secret)
		return why_say(why, why_cap, -ENOKEY,
			       "%s: user '%.100s' has no secret yet; give \"secret\"", where,
			       u->name);
	u->secret = strdup(old->secret);
	return u->secret ? 0 : no_memory(why, why_cap);
}

/* Both directions with one secret: whoever is asked could ask back and have the answer (RFC 7143
 * 9.2.1). What was inherited is only now known. */
static int check_mutual(const struct model_chap *c, const char *where, char *why, size_t why_cap)
{
	for (unsigned i = 0; c->has_mutual && i < c->nusers; i++)
		if (!strcmp(c->users[i].secret, c->mutual.secret))
			return why_say(why, why_cap, -EINVAL,
				       "%s: user '%.100s' and mutual have the same secret; give "
				       "each its own",
				       where, c->users[i].name);
	return 0;
}

int model_chap_inherit(struct model_chap *c, const struct model_chap *old, const char *where,
		       char *why, size_t why_cap)
{
	static const struct model_chap none;
	const struct model_user *mutual;
	int rc = 0;

	old = old ? old : &none;
	for (unsigned i = 0; !rc && i < c->nusers; i++)
		rc = inherit_secret(&c->users[i], find_user(old, c->users[i].name), where, why,
				    why_cap);
	if (!rc && c->has_mutual) {
		mutual = old->has_mutual && !strcmp(old->mutual.name, c->mutual.name) ? &old->mutual
										      : NULL;
		rc = inherit_secret(&c->mutual, mutual, where, why, why_cap);
	}
	return rc ? rc : check_mutual(c, where, why, why_cap);
}

int model_inherit_secrets(struct model *m, const struct model *old, char *why, size_t why_cap)
{
	int rc = model_chap_inherit(&m->discovery, &old->discovery, "discovery", why, why_cap);

	for (unsigned i = 0; !rc && i < m->ntargets; i++) {
		struct model_target *t = &m->targets[i];
		const struct model_target *was = model_find_target(old, t->name);

		rc = model_chap_inherit(&t->chap, was ? &was->chap : NULL, t->name, why, why_cap);
	}
	return rc;
}

/* --- fields ------------------------------------------------------------------------- */

/* What @t leaves out comes from a copy of @old, which then has what it had in exchange. */
static int inherit_target(struct model_target *t, const struct model_target *old)
{
	struct model_target copy;
	int rc = model_target_copy(&copy, old);

	if (rc)
		return rc;
#define SWAP(field)                                                                                \
	do {                                                                                       \
		__typeof__(t->field) tmp_ = t->field;                                              \
		t->field = copy.field;                                                             \
		copy.field = tmp_;                                                                 \
	} while (0)
	if (t->left_out & MODEL_LUNS) {
		SWAP(luns);
		SWAP(nluns);
	}
	if (t->left_out & MODEL_SHARED)
		SWAP(shared);
	if (t->left_out & MODEL_ALLOW) {
		SWAP(has_allow);
		SWAP(allow);
		SWAP(nallow);
	}
	if (t->left_out & MODEL_CHAP)
		SWAP(chap);
	if (t->left_out & MODEL_PORTALS) {
		SWAP(portals);
		SWAP(nportals);
	}
	if (t->left_out & MODEL_REDIRECT) {
		SWAP(redirect);
		SWAP(redirect_forever);
	}
#undef SWAP
	t->left_out = 0;
	model_target_fini(&copy);
	return 0;
}

static int inherit_text(char **text, const char *old)
{
	char *copy = old ? strdup(old) : NULL;

	if (old && !copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static int inherit_volume(struct model_volume *v, const struct model_volume *old)
{
	int rc = 0;

	if (v->left_out & MODEL_POOL)
		rc = inherit_text(&v->pool, old->pool);
	if (!rc && v->left_out & MODEL_PATH)
		rc = inherit_text(&v->path, old->path);
	if (rc)
		return rc;
	if (!v->size_bytes)
		v->size_bytes = old->size_bytes;
	if (!v->has_id) {
		v->has_id = old->has_id;
		memcpy(v->id, old->id, sizeof(v->id));
	}
	if (v->left_out & MODEL_BLOCK)
		v->block_bytes = old->block_bytes;
	if (v->left_out & MODEL_CACHE)
		v->buffered = old->buffered;
	if (v->left_out & MODEL_WRITETHROUGH)
		v->writethrough = old->writethrough;
	if (v->left_out & MODEL_READ_ONLY)
		v->read_only = old->read_only;
	v->left_out = 0;
	return 0;
}

int model_inherit(struct model *m, const struct model *old, char *why, size_t why_cap)
{
	int rc = 0;

	for (unsigned i = 0; !rc && i < m->nvolumes; i++) {
		const struct model_volume *was = model_find_volume(old, m->volumes[i].name);

		if (was)
			rc = inherit_volume(&m->volumes[i], was);
	}
	for (unsigned i = 0; !rc && i < m->ntargets; i++) {
		const struct model_target *was = model_find_target(old, m->targets[i].name);

		if (was)
			rc = inherit_target(&m->targets[i], was);
	}
	if (rc)
		return no_memory(why, why_cap);
	return model_inherit_secrets(m, old, why, why_cap);
}
