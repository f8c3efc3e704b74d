/* Builds packed alias rows (alias.h) from the masses of their columns.
 *
 * Source     Vose, "A linear algorithm for generating random numbers with a given distribution", IEEE TSE 17 (1991).
 * Four rows are built in turn, without branches. Whether a column is still large after a step is unpredictable, and the
 * next step of the row depends on it: a single row would mostly wait for that result.
 */
#ifndef TMFCORE_VOSE_H
#define TMFCORE_VOSE_H

#include <stddef.h>
#include <stdint.h>

enum { TMF_ROWS = 4 }; /* rows built at once */

typedef struct {
    double *mass;       /* (2^b,) masses of the columns, in units of their mean */
    uint32_t *order;    /* (2^b,) small columns (mass < 1) from the left, large columns from the right */
    uint32_t *cells, *finer;
    ptrdiff_t n_small, first_large;
} tmf_row;

static inline void tmf_row_open(tmf_row *row, ptrdiff_t n_columns)
{
    double total = 0;
    ptrdiff_t n_small = 0, first_large = n_columns;
    for (ptrdiff_t j = 0; j < n_columns; j++)
        total += row->mass[j];
    const double scale = (double)n_columns / total;
    for (ptrdiff_t j = 0; j < n_columns; j++)
        row->mass[j] *= scale;
    for (ptrdiff_t j = 0; j < n_columns; j++) {
        const ptrdiff_t small = row->mass[j] < 1; /* both places below are free, since n_small + n_large = j */
        row->order[n_small] = (uint32_t)j;
        row->order[first_large - 1] = (uint32_t)j;
        n_small += small;
        first_large -= 1 - small;
    }
    row->n_small = n_small;
    row->first_large = first_large;
}

/* Finishes a small column: the first large column becomes its alias, gives the missing mass, and may become small. */
static inline void tmf_row_step(tmf_row *row, int bits, double scale)
{
    const uint32_t small = row->order[row->n_small - 1], large = row->order[row->first_large];
    const double threshold = row->mass[small] * scale; /* 32 - b bits before the point */
    const uint32_t whole = (uint32_t)(int64_t)threshold;
    const double left = (row->mass[large] + row->mass[small]) - 1;
    const ptrdiff_t is_small = left < 1;
    row->cells[small] = whole << bits | large;
    row->finer[small] = (uint32_t)(int64_t)((threshold - whole) * 4294967296.0);
    row->mass[large] = left;
    row->order[row->n_small - 1] = large;
    row->n_small += is_small - 1;
    row->first_large += is_small;
}

static inline ptrdiff_t tmf_row_steps(const tmf_row *row, ptrdiff_t n_columns)
{
    const ptrdiff_t n_large = n_columns - row->first_large;
    return row->n_small < n_large ? row->n_small : n_large;
}

static inline void tmf_row_close(tmf_row *row, int bits, double scale)
{
    const ptrdiff_t n_columns = (ptrdiff_t)1 << bits;
    while (row->n_small > 0 && row->first_large < n_columns)
        tmf_row_step(row, bits, scale);
    /* the columns left have mass 1 up to rounding: each is its own alias */
    for (ptrdiff_t i = 0; i < row->n_small; i++) {
        row->cells[row->order[i]] = row->order[i];
        row->finer[row->order[i]] = 0;
    }
    for (ptrdiff_t i = row->first_large; i < n_columns; i++) {
        row->cells[row->order[i]] = row->order[i];
        row->finer[row->order[i]] = 0;
    }
}

/* Builds cells and finer, OUT, of n_rows <= TMF_ROWS rows; mass is overwritten, order is scratch; all (n_rows, 2^b). */
static inline void tmf_build_rows(double *mass, uint32_t *order, uint32_t *cells, uint32_t *finer, int bits, int n_rows)
{
    const ptrdiff_t n_columns = (ptrdiff_t)1 << bits;
    const double scale = 4294967296.0 / (double)n_columns;
    tmf_row rows[TMF_ROWS];
    for (int r = 0; r < n_rows; r++) {
        rows[r].mass = mass + r * n_columns;
        rows[r].order = order + r * n_columns;
        rows[r].cells = cells + r * n_columns;
        rows[r].finer = finer + r * n_columns;
        tmf_row_open(&rows[r], n_columns);
    }
    while (n_rows == TMF_ROWS) {
        ptrdiff_t steps = n_columns; /* steps that all four rows can make before the next check */
        for (int r = 0; r < TMF_ROWS; r++)
            if (tmf_row_steps(&rows[r], n_columns) < steps)
                steps = tmf_row_steps(&rows[r], n_columns);
        if (steps == 0)
            break;
        tmf_row a = rows[0], b = rows[1], c = rows[2], d = rows[3];
        for (; steps > 0; steps--) {
            tmf_row_step(&a, bits, scale);
            tmf_row_step(&b, bits, scale);
            tmf_row_step(&c, bits, scale);
            tmf_row_step(&d, bits, scale);
        }
        rows[0] = a, rows[1] = b, rows[2] = c, rows[3] = d;
    }
    for (int r = 0; r < n_rows; r++)
        tmf_row_close(&rows[r], bits, scale);
}

#endif
