/* Tells a service manager how we are (sd_notify(3)): nothing happens without one. */
#pragma once

/* @state as in "READY=1". A failure is logged: the service manager would wait in vain. */
void notify_manager(const char *state);
