/* Sparse rows against two vectors at once, and against arrivals: what an iteration of an exact solver spends its time on.
 *
 * Every sum is added up in one fixed order, so the bits are the same on every instruction set.
 */
#ifndef TMFCORE_DESCENT_H
#define TMFCORE_DESCENT_H

#include <stddef.h>
#include <stdint.h>

#include "_limit/values.h"

/* pairs[2 x] and pairs[2 x + 1] are two values of observation x:
 *     first[i] = reward[i] + discount sum_k table[i, k] pairs[2 successor[i, k]], second[i] the same of the other. */
TMF_INLINE void tmf_pairs_of(const ptrdiff_t n_cells, const double *restrict reward, const double *restrict table,
                             const int32_t *restrict successor, const double *restrict pairs, double discount,
                             ptrdiff_t n_rows, double *restrict first, double *restrict second)
{
    for (ptrdiff_t i = 0; i < n_rows; i++, table += n_cells, successor += n_cells) {
        double a = 0, b = 0;
        for (ptrdiff_t k = 0; k < n_cells; k++) {
            const double *restrict const pair = pairs + 2 * (ptrdiff_t)successor[k];
            a += table[k] * pair[0];
            b += table[k] * pair[1];
        }
        first[i] = reward[i] + discount * a;
        second[i] = reward[i] + discount * b;
    }
}

static void tmf_row_pairs(const double *reward, const double *table, const int32_t *successor, const double *pairs,
                          double discount, ptrdiff_t n_rows, ptrdiff_t n_cells, double *first, double *second)
{
    TMF_BY_CELLS(tmf_pairs_of, n_cells, reward, table, successor, pairs, discount, n_rows, first, second)
}

/* out[x] += sum of weights[row[i]] share[i] over the cells i in start[x]..start[x + 1] - 1 that lead to x; with `cell`,
 * share is the table itself and share[cell[i]] is taken. */
static void tmf_arrive(const double *restrict weights, const double *restrict share,
                             const int32_t *restrict cell, const int32_t *restrict row, const ptrdiff_t *restrict start,
                             ptrdiff_t n_observations, double *restrict out)
{
    for (ptrdiff_t x = 0; x < n_observations; x++) {
        const ptrdiff_t last = start[x + 1];
        ptrdiff_t i = start[x];
        double even = 0, odd = 0;
        if (cell) {
            for (; i + 1 < last; i += 2) {
                even += weights[row[i]] * share[cell[i]];
                odd += weights[row[i + 1]] * share[cell[i + 1]];
            }
            if (i < last)
                even += weights[row[i]] * share[cell[i]];
        } else {
            for (; i + 1 < last; i += 2) {
                even += weights[row[i]] * share[i];
                odd += weights[row[i + 1]] * share[i + 1];
            }
            if (i < last)
                even += weights[row[i]] * share[i];
        }
        out[x] += even + odd;
    }
}

#endif
