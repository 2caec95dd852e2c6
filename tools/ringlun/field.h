/* Parts of the server's answers: whatever is there in their place, something can be shown. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* @otherwise: where there is no such text. Borrowed. */
const char *field_text(const json_t *object, const char *key, const char *otherwise);
/* 0 where there is no such number, or it is negative. */
uint64_t field_number(const json_t *object, const char *key);
/* Of "id", which may be a text or a number; @room may hold it. */
enum { FIELD_ID_BYTES = 24 };
const char *field_id(const json_t *object, char room[static FIELD_ID_BYTES]);
bool field_is_true(const json_t *object, const char *key);
/* Absent and null are the same. */
bool field_is_given(const json_t *object, const char *key);
/* What follows "iqn.2026-11.io.ringlun:" in a target's name, which stands for the whole. */
const char *field_short_target(const char *name);
