/* Volumes for people. All take the server's JSON as it is. */
#pragma once

#include <jansson.h>

struct call;

void volume_print_list(const json_t *volumes);
void volume_print(const json_t *volume);
/* "db1: iqn.2026-11.io.ringlun:db1, LUN 0" */
void volume_print_places(const json_t *volume);
/* What to do at an initiator now. */
void volume_print_next(const struct call *c, const json_t *volume, const json_t *portals);
