/* Weighted sums of dense rows. */
#ifndef TMFCORE_DENSE_H
#define TMFCORE_DENSE_H

#include <stddef.h>

#include "_base/simd/cpu.h"
#include "_base/simd/lanes.h"

/* out[x] += sum_i weights[i] table[i, x]; four rows per pass over out, to load and store it a quarter as often. */
TMF_INLINE void tmf_add_rows_of(const double *restrict weights, const double *restrict table, ptrdiff_t n_rows,
                                ptrdiff_t n_cells, double *restrict out)
{
    ptrdiff_t i = 0;
    for (; i + 4 <= n_rows; i += 4, table += 4 * n_cells) {
        const double a = weights[i], b = weights[i + 1], c = weights[i + 2], d = weights[i + 3];
        const double *restrict const second = table + n_cells, *restrict const third = second + n_cells,
                     *restrict const fourth = third + n_cells;
        if (a == 0 && b == 0 && c == 0 && d == 0)
            continue;
#pragma omp simd
        for (ptrdiff_t x = 0; x < n_cells; x++)
            out[x] += (a * table[x] + b * second[x]) + (c * third[x] + d * fourth[x]);
    }
    for (ptrdiff_t left = n_rows - i; left > 0; left--, table += n_cells) { /* by i, gcc warns of its overflow */
        const double a = weights[n_rows - left];
#pragma omp simd
        for (ptrdiff_t x = 0; x < n_cells; x++)
            out[x] += a * table[x];
    }
}

TMF_BY_LEVEL(
    tmf_add_rows,
    (const double *restrict weights, const double *restrict table, ptrdiff_t n_rows, ptrdiff_t n_cells, double
     *restrict out),
    (weights, table, n_rows, n_cells, out))
{
    tmf_add_rows_of(weights, table, n_rows, n_cells, out);
}

#endif
