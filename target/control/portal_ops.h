/* Portals of the state file. */
#pragma once

#include "target/control/control_priv.h"

/* Blocking, up to 10 s for a port that somebody else has. */
bool portal_listen(struct control *c, const char *portal, struct api_error *e) MUST_CHECK;
void portal_unlisten(struct control *c, const char *portal);
/* In the next model. */
bool portal_keep(struct change *ch, const char *portal, struct api_error *e) MUST_CHECK;
bool portal_forget(struct change *ch, const char *portal, struct api_error *e) MUST_CHECK;
