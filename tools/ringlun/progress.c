/* Progress of jobs. */
#include "tools/ringlun/progress.h"

#include "tools/ringlun/field.h"
#include "tools/ringlun/format.h"
#include "tools/ringlun/mem.h"
#include "tools/ringlun/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	BAR_CELLS = 30,
	TELL_PERCENT = 10, /* plain lines: so much further, */
	TELL_S = 10,	   /* or so much later, */
	TELL_NEWS_S = 2,   /* or, with another message, so much later */
	LEFT_AFTER_S = 2,  /* before, nobody knows the speed */
};

void progress_init(struct progress *p)
{
	*p = (struct progress){ .terminal = isatty(STDERR_FILENO),
				.told_percent = -1,
				.begin_s = -1 };
}

static int percent(uint64_t done, uint64_t total)
{
	return total ? (int)((double)MIN(done, total) * 100.0 / (double)total) : 0;
}

static const char *amount(const json_t *job, uint64_t n, char out[static FORMAT_BYTES])
{
	if (!strcmp(field_text(job, "unit", "bytes"), "bytes"))
		return format_size(n, out);
	snprintf(out, FORMAT_BYTES, "%" PRIu64, n);
	return out;
}

char *progress_text(const json_t *job)
{
	uint64_t done = field_number(job, "done"), total = field_number(job, "total");
	const char *unit = field_text(job, "unit", "bytes");
	const char *message = field_text(job, "message", "");
	const char *after = strcmp(unit, "bytes") ? unit : "";
	char a[FORMAT_BYTES], b[FORMAT_BYTES], parts[160] = "";

	if (total)
		snprintf(parts, sizeof(parts), "  %3d %% (%s of %s%s%.20s)", percent(done, total),
			 amount(job, done, a), amount(job, total, b), *after ? " " : "", after);
	else if (done)
		snprintf(parts, sizeof(parts), "  %s%s%.20s", amount(job, done, a),
			 *after ? " " : "", after);
	return mem_print("%s %s%s%s%s", field_text(job, "kind", "job"),
			 field_text(job, "subject", ""), parts, *message ? "  " : "", message);
}

void progress_bar(char *out, unsigned cells, uint64_t done, uint64_t total)
{
	unsigned full = total ? (unsigned)((double)MIN(done, total) / (double)total * cells) : 0;

	*out++ = '[';
	memset(out, '#', full);
	memset(out + full, '.', cells - full);
	out[cells] = ']';
	out[cells + 1] = '\0';
}

uint64_t progress_left_s(const struct progress *p, uint64_t done, uint64_t total, double now_s)
{
	double gone = now_s - p->begin_s;

	if (gone < LEFT_AFTER_S || done <= p->begin_done || total <= done)
		return UINT64_MAX;
	return (uint64_t)((double)(total - done) / ((double)(done - p->begin_done) / gone) + 0.5);
}

static void draw(struct progress *p, const json_t *job, double now_s)
{
	uint64_t done = field_number(job, "done"), total = field_number(job, "total");
	uint64_t left = progress_left_s(p, done, total, now_s);
	struct winsize size = { 0 };
	char bar[BAR_CELLS + 3] = "", human[FORMAT_BYTES];
	char *text = progress_text(job), *line, *shown;

	if (total)
		progress_bar(bar, BAR_CELLS, done, total);
	line = mem_print("%s  %s%s%s%s", text, bar, left == UINT64_MAX ? "" : "  ",
			 left == UINT64_MAX ? "" : format_duration(left, human),
			 left == UINT64_MAX ? "" : " left");
	shown = text_escape(line, NULL);
	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 1)
		shown[text_fit(shown, size.ws_col - 1u)] = '\0';
	fprintf(stderr, "\r%s\x1b[K", shown);
	fflush(stderr);
	p->drawn = true;
	free(shown);
	free(line);
	free(text);
}

static void tell(struct progress *p, const json_t *job, double now_s)
{
	int now = percent(field_number(job, "done"), field_number(job, "total"));
	const char *message = field_text(job, "message", "");
	bool news = strncmp(message, p->told_message, sizeof(p->told_message) - 1) != 0;
	char *text, *shown;

	if (p->told_percent >= 0 && now < p->told_percent + TELL_PERCENT &&
	    now_s < p->told_s + (news ? TELL_NEWS_S : TELL_S))
		return;
	p->told_percent = now;
	p->told_s = now_s;
	snprintf(p->told_message, sizeof(p->told_message), "%s", message);
	text = progress_text(job);
	shown = text_escape(text, NULL);
	fprintf(stderr, "%s\n", shown);
	fflush(stderr);
	free(shown);
	free(text);
}

void progress_show(struct progress *p, const json_t *job, double now_s)
{
	if (p->begin_s < 0) {
		p->begin_s = now_s;
		p->begin_done = field_number(job, "done");
	}
	if (p->terminal)
		draw(p, job, now_s);
	else
		tell(p, job, now_s);
}

void progress_end(struct progress *p)
{
	if (p->drawn)
		fputs("\r\x1b[K", stderr);
	p->drawn = false;
}
