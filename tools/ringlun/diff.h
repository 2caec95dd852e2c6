/* The steps of an apply, as people read a difference. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* "+ volume db2", "~ target ..db1" with its changes below, "- portal ..". */
void diff_print(const json_t *steps, FILE *f);
/* Do data go? */
bool diff_deletes_volumes(const json_t *steps);
