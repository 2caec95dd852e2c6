/* A terminal that is drawn in place, with plain ANSI sequences: on its other page, so that what was
 * there comes back. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct screen {
	bool drawn, raw;
	struct termios was;
	unsigned columns, rows;
};

enum screen_event { SCREEN_TIME, SCREEN_RESIZED, SCREEN_QUIT };

/* Signals are caught from now on; @s is the one screen. */
void screen_begin(struct screen *s);
/* The page becomes @text, cut to its size. */
void screen_draw(struct screen *s, const char *text);
/* Until @milliseconds are over, its size has changed, or somebody wants to leave: q, Ctrl-C,
 * SIGTERM, or the terminal is gone. */
enum screen_event screen_wait(struct screen *s, unsigned milliseconds);
void screen_end(struct screen *s);
