/* Dense rows against a vector, both ways: what flows and values spend their time on when a game is dense.
 *
 * Sums run over eight fixed lanes and are added up in a fixed order, so the bits are the same on every instruction set.
 */
#ifndef TMFCORE_DENSE_H
#define TMFCORE_DENSE_H

#include <stddef.h>

#include "streams.h" /* TMF_EVERY_CPU */

enum { TMF_SUMS = 8 };

/* out[x] += sum_i weights[i] table[i, x], four rows at a time so that out is read and written a quarter as often. */
TMF_EVERY_CPU
static void tmf_add_rows(const double *restrict weights, const double *restrict table, ptrdiff_t n_rows,
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
    for (; i < n_rows; i++, table += n_cells) {
        const double a = weights[i];
#pragma omp simd
        for (ptrdiff_t x = 0; x < n_cells; x++)
            out[x] += a * table[x];
    }
}

/* out[i] = reward[i] + discount sum_x table[i, x] values[x] */
TMF_EVERY_CPU __attribute__((unused)) /* not every kernel goes both ways */
static void tmf_row_values(const double *restrict reward, const double *restrict table, const double *restrict values,
                           double discount, ptrdiff_t n_rows, ptrdiff_t n_cells, double *restrict out)
{
    for (ptrdiff_t i = 0; i < n_rows; i++, table += n_cells) {
        double sums[TMF_SUMS] = {0};
        double rest = 0;
        ptrdiff_t x = 0;
        for (; x + TMF_SUMS <= n_cells; x += TMF_SUMS)
#pragma omp simd
            for (int lane = 0; lane < TMF_SUMS; lane++)
                sums[lane] += table[x + lane] * values[x + lane];
        for (; x < n_cells; x++)
            rest += table[x] * values[x];
        const double total = ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
        out[i] = reward[i] + discount * (total + rest);
    }
}

#endif
