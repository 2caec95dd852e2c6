/* Which volumes share a target, and whether what was said of them goes together. */
#include "target/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_target_and_lun(const void *left, const void *right)
{
	const struct volume_config *a = *(struct volume_config *const *)left;
	const struct volume_config *b = *(struct volume_config *const *)right;
	int order = strcmp(a->target, b->target);

	return order ? order : (a->lun > b->lun) - (a->lun < b->lun);
}

/* Two volumes of one target, neighbours in the order of LUNs. */
static int check_pair(const struct volume_config *a, const struct volume_config *b, char *why,
		      size_t why_cap)
{
	/* Numbers that nobody chose would move when a volume is left out: one disk would become
	 * another for an initiator that is logged in again. */
	if (!a->has_lun || !b->has_lun)
		snprintf(why, why_cap,
			 "--volume %s and --volume %s: both are behind target %s; give each its "
			 "number, lun=0 to lun=%d",
			 a->name, b->name, a->target, CONFIG_MAX_LUN);
	else if (a->lun == b->lun)
		snprintf(why, why_cap,
			 "--volume %s and --volume %s: both are lun=%u of target %s; change one",
			 a->name, b->name, a->lun, a->target);
	else if (a->shared != b->shared)
		snprintf(why, why_cap,
			 "--volume %s is 'shared' and --volume %s is not, but initiators log in to "
			 "their target %s, to all of it; give 'shared' to all its volumes or to "
			 "none",
			 a->shared ? a->name : b->name, a->shared ? b->name : a->name, a->target);
	else
		return 0;
	return -EINVAL;
}

int target_config_check(const struct config *cfg, char *why, size_t why_cap)
{
	const struct volume_config **sorted = calloc(cfg->nvolumes + 1, sizeof(*sorted));
	int rc = 0;

	if (!sorted) {
		snprintf(why, why_cap, "out of memory");
		return -ENOMEM;
	}
	for (unsigned i = 0; i < cfg->nvolumes; i++)
		sorted[i] = &cfg->volumes[i];
	qsort(sorted, cfg->nvolumes, sizeof(*sorted), by_target_and_lun);
	for (unsigned i = 1; i < cfg->nvolumes && !rc; i++)
		if (!strcmp(sorted[i - 1]->target, sorted[i]->target))
			rc = check_pair(sorted[i - 1], sorted[i], why, why_cap);
	free(sorted);
	return rc;
}
