/* What ringlun top shows. */
#pragma once

struct stats;

/* At most @rows lines, 0: as many as there are; to be freed. */
char *top_text(const struct stats *now, const struct stats *before, unsigned rows);
