/* Doubly linked list of embedded nodes; an empty head points at itself.
 *
 * Owns nothing. A node that is on no list points at itself too (list_init),
 * so that list_del of it is harmless and list_empty tells. */
#pragma once

#include "backstore/base/compiler.h"

#include <stdbool.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_add_between(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void list_add(struct list *head, struct list *n)
{
	list_add_between(n, head, head->next);
}

static inline void list_add_tail(struct list *head, struct list *n)
{
	list_add_between(n, head->prev, head);
}

static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Moves all of @from to the end of @to; @from is empty afterwards. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

static inline struct list *list_pop(struct list *head)
{
	struct list *n = head->next;

	if (n == head)
		return NULL;
	list_del(n);
	return n;
}

#define list_entry(node, type, member) container_of(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

/* @n is a struct list *; the _safe form allows removing @n (only). */
#define list_for_each(n, head) for (struct list *n = (head)->next; n != (head); n = n->next)
#define list_for_each_safe(n, head)                                                                \
	for (struct list *n = (head)->next, *n##_next = n->next; n != (head);                      \
	     n = n##_next, n##_next = n->next)
