/*
 * list - a doubly linked ring through its members (intrusive). The head is a
 * `struct list` of its own; an unlinked member points at itself.
 */
#ifndef POSTA_LIST_H
#define POSTA_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *member)
{
    member->prev = head->prev;
    member->next = head;
    head->prev->next = member;
    head->prev = member;
}

/* A member that is in no list may be removed again. */
static inline void list_remove(struct list *member)
{
    member->prev->next = member->next;
    member->next->prev = member->prev;
    list_init(member);
}

/* The struct of `type` whose field `field` is *l. */
#define LIST_OF(l, type, field) ((type *)(void *)((char *)(l)-offsetof(type, field)))

/* The body may remove *at. */
#define LIST_EACH(head, at)                                                          \
    for (struct list * (at) = (head)->next, *at##_next = (at)->next; (at) != (head); \
         (at) = at##_next, at##_next = (at)->next)

#endif
