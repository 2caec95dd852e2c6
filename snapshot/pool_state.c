/* Replay: each operation must fit what those before it have made, else the log is damaged, or a
 * newer version's. Searched by trees, as a pool may have thousands. */
#include "snapshot/pool_state.h"

#include "backstore/base/uuid.h"
#include "backstore/why.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare_layers(const void *a, const void *b)
{
	const struct pool_layer *l = a, *r = b;

	return (l->number > r->number) - (l->number < r->number);
}

static int compare_names(const void *a, const void *b)
{
	const struct pool_volume *l = a, *r = b;

	return strcmp(l->name, r->name);
}

static int compare_uuids(const void *a, const void *b)
{
	const struct pool_volume *l = a, *r = b;

	return memcmp(l->uuid, r->uuid, sizeof(l->uuid));
}

static void *found(const void *key, void *const *root, int (*compare)(const void *, const void *))
{
	void **at = tfind(key, root, compare);

	return at ? *at : NULL;
}

struct pool_layer *pool_state_find_layer(const struct pool_state *s, uint64_t number)
{
	const struct pool_layer key = { .number = number };

	return found(&key, &s->by_number, compare_layers);
}

struct pool_volume *pool_state_find_name(const struct pool_state *s, const char *name)
{
	struct pool_volume key = { .busy = false };

	if (strlen(name) >= sizeof(key.name))
		return NULL;
	strcpy(key.name, name);
	return found(&key, &s->by_name, compare_names);
}

struct pool_volume *pool_state_find_uuid(const struct pool_state *s, const uint8_t uuid[static 16])
{
	struct pool_volume key = { .busy = false };

	memcpy(key.uuid, uuid, sizeof(key.uuid));
	return found(&key, &s->by_uuid, compare_uuids);
}

void pool_state_init(struct pool_state *s)
{
	const struct pool_op open = { .type = OP_OPEN };

	*s = (struct pool_state){ .next = 1,
				  .encoded_bytes = RECORD_HEAD_BYTES + pool_op_bytes(&open) };
	list_init(&s->layers);
	list_init(&s->volumes);
}

static void free_layer(struct pool_state *s, struct pool_layer *l)
{
	tdelete(l, &s->by_number, compare_layers);
	list_del(&l->link);
	free(l->path);
	free(l->device);
	free(l);
}

static void free_volume(struct pool_state *s, struct pool_volume *v)
{
	tdelete(v, &s->by_name, compare_names);
	tdelete(v, &s->by_uuid, compare_uuids);
	list_del(&v->link);
	s->nvolumes--;
	free(v);
}

void pool_state_fini(struct pool_state *s)
{
	list_for_each_safe (n, &s->volumes)
		free_volume(s, list_entry(n, struct pool_volume, link));
	list_for_each_safe (n, &s->layers)
		free_layer(s, list_entry(n, struct pool_layer, link));
}

struct pool_op pool_op_of_layer(const struct pool_layer *l)
{
	return (struct pool_op){ .type = OP_PUT_LAYER,
				 .number = l->number,
				 .size_bytes = l->size_bytes,
				 .kind = l->kind,
				 .path = { l->path, strlen(l->path) },
				 .device = { l->device, strlen(l->device) } };
}

struct pool_op pool_op_of_volume(const struct pool_volume *v)
{
	struct pool_op op = { .type = OP_PUT_VOLUME,
			      .number = v->top->number,
			      .size_bytes = v->size_bytes,
			      .made_s = v->made_s,
			      .block_bytes = v->block_bytes,
			      .flags = v->flags,
			      .name = { v->name, strlen(v->name) } };

	memcpy(op.id, v->uuid, sizeof(op.id));
	return op;
}

void pool_state_write(const struct pool_state *s, struct record *r)
{
	struct pool_op op;

	list_for_each (n, &s->layers) {
		op = pool_op_of_layer(list_entry(n, struct pool_layer, link));
		record_add(r, &op);
	}
	list_for_each (n, &s->volumes) {
		op = pool_op_of_volume(list_entry(n, struct pool_volume, link));
		record_add(r, &op);
	}
}

/* ── layers ── */

static int bad_layer(const struct pool_op *op, char *why, size_t why_cap, const char *what)
{
	return why_say(why, why_cap, -EBADMSG, "layer %llu %s", (unsigned long long)op->number,
		       what);
}

static int out_of_memory(char *why, size_t why_cap)
{
	return why_say(why, why_cap, -ENOMEM, "out of memory");
}

static int set_text(char **at, const struct pool_text *t)
{
	char *copy = strndup(t->len ? t->s : "", t->len);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

static struct pool_layer *new_layer(struct pool_state *s, uint64_t number)
{
	struct pool_layer *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->number = number;
	if (!tsearch(l, &s->by_number, compare_layers)) {
		free(l);
		return NULL;
	}
	list_add_tail(&s->layers, &l->link);
	if (number >= s->next)
		s->next = number + 1;
	return l;
}

static int check_layer(const struct pool_op *op, char *why, size_t why_cap)
{
	if (op->parent)
		return why_say(why, why_cap, -EPROTONOSUPPORT,
			       "layer %llu lies on layer %llu, which a newer version has made; use "
			       "that one",
			       (unsigned long long)op->number, (unsigned long long)op->parent);
	if (!op->number || op->number >= INT64_MAX)
		return bad_layer(op, why, why_cap, "cannot have that number");
	if (!op->size_bytes || op->size_bytes > INT64_MAX)
		return bad_layer(op, why, why_cap, "cannot have its size");
	if (!op->path.len != (op->kind == VPOOL_FILE))
		return bad_layer(op, why, why_cap, "has a path that its kind cannot have");
	if (op->kind == VPOOL_EXTERNAL && op->path.s[0] != '/')
		return bad_layer(op, why, why_cap, "has a path that does not begin at the root");
	return 0;
}

static int put_layer(struct pool_state *s, const struct pool_op *op, char *why, size_t why_cap)
{
	struct pool_layer *l = pool_state_find_layer(s, op->number);
	int rc = check_layer(op, why, why_cap);
	struct pool_op was;

	if (rc)
		return rc;
	if (!l)
		l = new_layer(s, op->number);
	else if (l->kind != op->kind)
		return bad_layer(op, why, why_cap, "changes its kind");
	if (!l)
		return out_of_memory(why, why_cap);
	if (l->path) {
		was = pool_op_of_layer(l);
		s->encoded_bytes -= pool_op_bytes(&was);
	}
	l->size_bytes = op->size_bytes;
	l->kind = op->kind;
	s->encoded_bytes += pool_op_bytes(op);
	if (set_text(&l->path, &op->path) || set_text(&l->device, &op->device))
		return out_of_memory(why, why_cap);
	return 0;
}

static int del_layer(struct pool_state *s, const struct pool_op *op, char *why, size_t why_cap)
{
	struct pool_layer *l = pool_state_find_layer(s, op->number);
	struct pool_op was;

	if (!l)
		return bad_layer(op, why, why_cap, "goes and was not there");
	if (l->volume)
		return bad_layer(op, why, why_cap, "goes before its volume");
	was = pool_op_of_layer(l);
	s->encoded_bytes -= pool_op_bytes(&was);
	free_layer(s, l);
	return 0;
}

/* ── volumes ── */

static int bad_volume(const struct pool_op *op, char *why, size_t why_cap, const char *what)
{
	char id[UUID_TEXT_BYTES];

	uuid_format(op->id, id);
	return why_say(why, why_cap, -EBADMSG, "volume %s %s", id, what);
}

static int check_volume(const struct pool_state *s, const struct pool_op *op,
			const struct pool_layer *l, char *why, size_t why_cap)
{
	char name[VPOOL_NAME_BYTES] = { 0 };
	const struct pool_volume *other;

	memcpy(name, op->name.s, op->name.len);
	other = pool_state_find_name(s, name);
	if (!l)
		return bad_volume(op, why, why_cap, "has a layer that is not there");
	if (l->volume && memcmp(l->volume->uuid, op->id, sizeof(op->id)) != 0)
		return bad_volume(op, why, why_cap, "has the layer of another one");
	if (other && memcmp(other->uuid, op->id, sizeof(op->id)) != 0)
		return bad_volume(op, why, why_cap, "has the name of another one");
	if (op->block_bytes != 512 && op->block_bytes != 4096)
		return bad_volume(op, why, why_cap, "cannot have its block size");
	if (op->size_bytes != l->size_bytes || op->size_bytes % op->block_bytes)
		return bad_volume(op, why, why_cap, "cannot have its size");
	return 0;
}

static struct pool_volume *new_volume(struct pool_state *s, const struct pool_op *op)
{
	struct pool_volume *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	memcpy(v->uuid, op->id, sizeof(v->uuid));
	memcpy(v->name, op->name.s, op->name.len);
	list_add_tail(&s->volumes, &v->link);
	s->nvolumes++;
	if (tsearch(v, &s->by_name, compare_names) && tsearch(v, &s->by_uuid, compare_uuids))
		return v;
	free_volume(s, v);
	return NULL;
}

/* Under another name it would have to be sorted anew. */
static int rename_volume(struct pool_state *s, struct pool_volume *v, const struct pool_text *name)
{
	char text[VPOOL_NAME_BYTES] = { 0 };

	memcpy(text, name->s, name->len); /* it may be the old one */
	tdelete(v, &s->by_name, compare_names);
	memcpy(v->name, text, sizeof(text));
	return tsearch(v, &s->by_name, compare_names) ? 0 : -ENOMEM;
}

static int put_volume(struct pool_state *s, const struct pool_op *op, char *why, size_t why_cap)
{
	struct pool_volume *v = pool_state_find_uuid(s, op->id);
	struct pool_layer *l = pool_state_find_layer(s, op->number);
	int rc = check_volume(s, op, l, why, why_cap);
	struct pool_op was;

	if (rc)
		return rc;
	if (!v) {
		v = new_volume(s, op);
		if (!v)
			return out_of_memory(why, why_cap);
	} else {
		was = pool_op_of_volume(v);
		s->encoded_bytes -= pool_op_bytes(&was);
		v->top->volume = NULL;
		if (rename_volume(s, v, &op->name))
			return out_of_memory(why, why_cap);
	}
	v->top = l;
	l->volume = v;
	v->size_bytes = op->size_bytes;
	v->made_s = op->made_s;
	v->block_bytes = op->block_bytes;
	v->flags = op->flags;
	s->encoded_bytes += pool_op_bytes(op);
	return 0;
}

static int del_volume(struct pool_state *s, const struct pool_op *op, char *why, size_t why_cap)
{
	struct pool_volume *v = pool_state_find_uuid(s, op->id);
	struct pool_op was;

	if (!v)
		return bad_volume(op, why, why_cap, "goes and was not there");
	was = pool_op_of_volume(v);
	s->encoded_bytes -= pool_op_bytes(&was);
	v->top->volume = NULL;
	free_volume(s, v);
	return 0;
}

/* ── all ── */

int pool_state_apply(struct pool_state *s, const struct pool_op *op, char *why, size_t why_cap)
{
	switch (op->type) {
	case OP_OPEN:
		if (op->next > INT64_MAX)
			return why_say(why, why_cap, -EBADMSG, "OPEN tells an impossible number");
		s->next = MAX(s->next, op->next);
		return 0;
	case OP_PUT_LAYER:
		return put_layer(s, op, why, why_cap);
	case OP_DEL_LAYER:
		return del_layer(s, op, why, why_cap);
	case OP_PUT_VOLUME:
		return put_volume(s, op, why, why_cap);
	case OP_DEL_VOLUME:
		return del_volume(s, op, why, why_cap);
	}
	return -EPROTONOSUPPORT;
}
