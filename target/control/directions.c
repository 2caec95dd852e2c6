/* A CHAP secret is of one direction, wherever it is used (RFC 7143 9.2.1): whoever may log in to
 * one target can have it answer any challenge with its own (mutual) secret; where that is a user's
 * of another target, he asks the one and answers the other. */
#include "target/control/directions.h"

#include <string.h>

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_user(const struct model_user *a, const struct model_user *b)
{
	return same_text(a->name, b->name) && same_text(a->secret, b->secret);
}

static bool same_chap(const struct model_chap *a, const struct model_chap *b)
{
	if (a->nusers != b->nusers || a->has_mutual != b->has_mutual)
		return false;
	for (unsigned i = 0; i < a->nusers; i++)
		if (!same_user(&a->users[i], &b->users[i]))
			return false;
	return !a->has_mutual || same_user(&a->mutual, &b->mutual);
}

/* A user of @users that has the secret of @of's mutual; NULL: none. */
static const struct model_user *find_twin(const struct model_chap *users,
					  const struct model_chap *of)
{
	for (unsigned i = 0; of->has_mutual && i < users->nusers; i++)
		if (users->users[i].secret && same_text(users->users[i].secret, of->mutual.secret))
			return &users->users[i];
	return NULL;
}

static bool refuse(const struct model_user *user, const char *of, const char *mutual,
		   struct api_error *e)
{
	api_fail(e, 400, "invalid",
		 "CHAP user '%.100s' of %.230s has the secret by which %.230s proves itself "
		 "(mutual), so whoever may log in there could log in here; give each its own",
		 user->name, of, mutual);
	return false;
}

static bool check_two(const struct model_chap *a, const char *whose, const struct model_chap *b,
		      const char *others, struct api_error *e)
{
	const struct model_user *user = find_twin(a, b);

	if (user)
		return refuse(user, whose, others, e);
	user = find_twin(b, a);
	return !user || refuse(user, others, whose, e);
}

static const struct model_chap *chap_of(const struct model *m, const char *target)
{
	static const struct model_chap none;
	const struct model_target *t = target ? model_find_target(m, target) : NULL;

	if (!target)
		return &m->discovery;
	return t ? &t->chap : &none;
}

/* One that was taken long ago holds up no change of anything else. */
bool directions_check(const struct model *next, const struct model *now, const char *target,
		      struct api_error *e)
{
	const struct model_chap *chap = chap_of(next, target);
	const char *whose = target ? target : "discovery";
	bool ok;

	if (same_chap(chap, chap_of(now, target)))
		return true;
	ok = check_two(chap, whose, &next->discovery, "discovery", e);
	for (unsigned i = 0; ok && i < next->ntargets; i++)
		ok = check_two(chap, whose, &next->targets[i].chap, next->targets[i].name, e);
	return ok;
}
