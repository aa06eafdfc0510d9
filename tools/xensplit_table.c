// SPDX-License-Identifier: MIT
/* A table with columns as wide as they need to be.  See xensplit.h. */
#include "tools/xensplit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypercall/xs_parse.h"

#define CELL_MAX 256u

struct table {
	unsigned int nr_columns;
	size_t nr_cells, size;
	char **cells;
};

static void *must(void *p)
{
	if (!p) {
		complain("out of memory");
		exit(EXIT_FAILED);
	}
	return p;
}

struct table *table_new(unsigned int nr_columns)
{
	struct table *t = must(calloc(1, sizeof(*t)));

	t->nr_columns = nr_columns;
	return t;
}

void table_cell(struct table *t, const char *text)
{
	char shown[CELL_MAX];

	if (t->nr_cells == t->size) {
		t->size = t->size ? t->size * 2 : 64;
		t->cells = must(realloc(t->cells, t->size * sizeof(*t->cells)));
	}
	xs_printable(shown, sizeof(shown), text, strlen(text));
	t->cells[t->nr_cells++] = must(strdup(*shown ? shown : "-"));
}

void table_cellf(struct table *t, const char *fmt, ...)
{
	char text[CELL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_cell(t, text);
}

void table_print(struct table *t)
{
	for (size_t i = 0; i < t->nr_cells; i++) {
		unsigned int column = (unsigned int)(i % t->nr_columns);
		int width = 0;

		if (column + 1 == t->nr_columns) {
			printf("%s\n", t->cells[i]);
			continue;
		}
		for (size_t j = column; j < t->nr_cells; j += t->nr_columns) {
			int len = (int)strlen(t->cells[j]);

			width = len > width ? len : width;
		}
		printf("%-*s  ", width, t->cells[i]);
	}
	for (size_t i = 0; i < t->nr_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}
