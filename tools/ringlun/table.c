/* Tables. Cells are kept until all are there, because the widest says how wide a column is. The
 * last column is not padded: no line ends in blanks. */
#include "tools/ringlun/table.h"

#include "tools/ringlun/mem.h"
#include "tools/ringlun/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *t, const char *const *heads)
{
	*t = (struct table){ .heads = heads };
	while (heads[t->ncols])
		t->ncols++;
}

void table_add(struct table *t, const char *text)
{
	if (t->ncells == t->room) {
		t->room = t->room ? t->room * 2 : 64;
		t->cells = mem_need(realloc(t->cells, t->room * sizeof(*t->cells)));
	}
	t->cells[t->ncells++] = text_escape(text, NULL);
}

void table_addf(struct table *t, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	mem_need(len < 0 ? NULL : text);
	table_add(t, text);
	free(text);
}

static const char *cell(const struct table *t, size_t row, unsigned col)
{
	const char *head = t->heads[col];

	return row ? t->cells[(row - 1) * t->ncols + col] : *head == '>' ? head + 1 : head;
}

static char *row_text(const struct table *t, size_t row, const unsigned *width)
{
	size_t bytes;
	char *out = NULL;
	FILE *f = mem_need(open_memstream(&out, &bytes));

	for (unsigned col = 0; col < t->ncols; col++) {
		const char *text = cell(t, row, col);
		int pad = (int)(width[col] - text_width(text));
		bool right = *t->heads[col] == '>', last = col + 1 == t->ncols;

		fprintf(f, "%*s%s%*s", right ? pad : 0, "", text, right || last ? 0 : pad, "");
		fputs(last ? "" : "  ", f);
	}
	fclose(f);
	for (size_t n = strlen(mem_need(out)); n && out[n - 1] == ' '; n--)
		out[n - 1] = '\0';
	return out;
}

void table_print(const struct table *t, FILE *f, unsigned columns)
{
	unsigned *width = mem_need(calloc(t->ncols, sizeof(*width)));
	size_t nrows = t->ncells / t->ncols;

	for (size_t row = 0; row <= nrows; row++)
		for (unsigned col = 0; col < t->ncols; col++)
			width[col] = MAX(width[col], text_width(cell(t, row, col)));
	for (size_t row = 0; row <= nrows; row++) {
		char *text = row_text(t, row, width);

		if (columns)
			text[text_fit(text, columns)] = '\0';
		fprintf(f, "%s\n", text);
		free(text);
	}
	free(width);
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i]);
	free(t->cells);
}

void table_line(FILE *f, const char *what, const char *format, ...)
{
	char *text, *shown;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	mem_need(len < 0 ? NULL : text);
	shown = text_escape(text, NULL);
	if (*shown)
		fprintf(f, "%-13s %s\n", what, shown);
	free(shown);
	free(text);
}
