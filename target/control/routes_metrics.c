/* /metrics and /v1/stats */
#include "target/control/metrics.h"
#include "target/control/op.h"

#include <errno.h>

static void reply_with(struct api_reply *reply, char *text, const char *type)
{
	reply->text = text;
	reply->content_type = type;
	if (!text)
		api_fail_errno(&reply->error, -ENOMEM, "out of memory");
}

void metrics_show(const struct api_call *call, struct api_reply *reply)
{
	char *text = NULL;
	struct metrics m;

	if (!metrics_collect(&m, call->ctx)) {
		text = metrics_text(&m);
		metrics_fini(&m);
	}
	reply_with(reply, text, METRICS_TEXT_TYPE);
}

void stats_show(const struct api_call *call, struct api_reply *reply)
{
	char *text = NULL;
	struct metrics m;

	if (!metrics_collect_volumes(&m, call->ctx)) {
		text = metrics_json(&m);
		metrics_fini(&m);
	}
	reply_with(reply, text, "application/json");
}
