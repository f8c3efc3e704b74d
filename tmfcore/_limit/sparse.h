/* Products with sparse rows, each of whose cells has its own successor: with values, and with a population.
 *
 * Every sum has one fixed order, so that the bits are the same on every instruction set.
 */
#ifndef TMFCORE_SPARSE_H
#define TMFCORE_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#include "_base/simd/cpu.h"

/* ---------------------------------------------------------------- rows times values */

/* sum_k row[k] values[successor[k]]; `successor` NULL: cell k is observation k. */
TMF_INLINE double tmf_row_mean(const ptrdiff_t n_cells, const double *restrict row, const int32_t *restrict successor,
                               const double *restrict values)
{
    double total = 0;
    if (successor)
        for (ptrdiff_t k = 0; k < n_cells; k++)
            total += row[k] * values[successor[k]];
    else
        for (ptrdiff_t k = 0; k < n_cells; k++)
            total += row[k] * values[k];
    return total;
}

TMF_INLINE void tmf_sparse_values_of(const ptrdiff_t n_cells, const double *restrict reward,
                                     const double *restrict table, const int32_t *restrict successor,
                                     const double *restrict values, const double *restrict pi, double discount,
                                     ptrdiff_t n_observations, ptrdiff_t n_actions, double *restrict q,
                                     double *restrict means)
{
    for (ptrdiff_t o = 0; o < n_observations; o++, reward += n_actions, q += n_actions) {
        double mean = 0;
        for (ptrdiff_t a = 0; a < n_actions; a++, table += n_cells, successor += n_cells) {
            double total = 0;
            for (ptrdiff_t k = 0; k < n_cells; k++)
                total += table[k] * values[successor[k]];
            q[a] = reward[a] + discount * total;
            if (pi)
                mean += *pi++ * q[a];
        }
        if (pi)
            means[o] = mean;
    }
}

/* q[o, a] = reward[o, a] + discount sum_k table[o, a, k] values[successor[o, a, k]]; unless pi is NULL, also
 * means[o] = sum_a pi[o, a] q[o, a], in the same pass. */
static inline void tmf_sparse_values(const double *reward, const double *table, const int32_t *successor,
                                     const double *values, const double *pi, double discount, ptrdiff_t n_observations,
                                     ptrdiff_t n_actions, ptrdiff_t n_cells, double *q, double *means)
{
    if (pi) {
        TMF_BY_LENGTH(tmf_sparse_values_of, n_cells, reward, table, successor, values, pi, discount, n_observations,
                      n_actions, q, means)
    } else {
        TMF_BY_LENGTH(tmf_sparse_values_of, n_cells, reward, table, successor, values, 0, discount, n_observations,
                      n_actions, q, means)
    }
}

TMF_INLINE void tmf_sparse_both_of(const ptrdiff_t n_cells, const double *restrict reward,
                                   const double *restrict table, const int32_t *restrict successor,
                                   const double *restrict pairs, const double *restrict pi, double discount,
                                   ptrdiff_t n_observations, ptrdiff_t n_actions, double *restrict q,
                                   int32_t *restrict greedy, double *restrict means, double *restrict largest)
{
    for (ptrdiff_t o = 0; o < n_observations; o++, reward += n_actions, pi += n_actions) {
        double mean = 0, top = 0;
        ptrdiff_t best = 0;
        for (ptrdiff_t a = 0; a < n_actions; a++, table += n_cells, successor += n_cells) {
            double own = 0, other = 0;
            for (ptrdiff_t k = 0; k < n_cells; k++) {
                const double *const pair = pairs + 2 * (ptrdiff_t)successor[k];
                own += table[k] * pair[0];
                other += table[k] * pair[1];
            }
            own = reward[a] + discount * own;
            other = reward[a] + discount * other;
            mean += pi[a] * own;
            if (q)
                *q++ = own;
            if (greedy)
                best = other > top ? a : best;
            top = a == 0 || other > top ? other : top;
        }
        if (greedy)
            greedy[o] = (int32_t)best;
        means[o] = mean;
        largest[o] = top;
    }
}

/* Two vectors of values, interleaved in pairs (S, 2), in one pass: means[o] is the policy's mean of the first vector's
 * action values, largest[o] the largest of the second's. Unless NULL, q (S, A) gets the first vector's action values,
 * and greedy (S,), which needs q, the first maximisers of the second's. */
static inline void tmf_sparse_both(const double *reward, const double *table, const int32_t *successor,
                                   const double *pairs, const double *pi, double discount, ptrdiff_t n_observations,
                                   ptrdiff_t n_actions, ptrdiff_t n_cells, double *q, int32_t *greedy, double *means,
                                   double *largest)
{
    if (q) {
        TMF_BY_LENGTH(tmf_sparse_both_of, n_cells, reward, table, successor, pairs, pi, discount, n_observations,
                      n_actions, q, greedy, means, largest)
    } else {
        TMF_BY_LENGTH(tmf_sparse_both_of, n_cells, reward, table, successor, pairs, pi, discount, n_observations,
                      n_actions, 0, 0, means, largest)
    }
}

/* ---------------------------------------------------------------- a population times rows */

enum { TMF_ARRIVALS_AT_ONCE = 4 }; /* entries without a branch, which is mispredicted where few entries lead to an observation */

/* out[x] = (with `onto`: +=) the sum of weights[row[i]] table[cell[i]] over the entries i that lead to x, which are
 * start[x]..start[x + 1] - 1. `cell` NULL: the table is in the order of the entries. */
TMF_INLINE void tmf_arrivals(const ptrdiff_t *restrict start, const int32_t *restrict cell, const int32_t *restrict row,
                             const double *restrict weights, const double *restrict table, const int onto,
                             ptrdiff_t n_observations, double *restrict out)
{
    ptrdiff_t i = start[0];
    for (ptrdiff_t x = 0; x < n_observations; x++) {
        const ptrdiff_t last = start[x + 1];
        double even = 0, odd = 0;
        if (cell) {
            for (; i + TMF_ARRIVALS_AT_ONCE <= last; i += TMF_ARRIVALS_AT_ONCE)
                for (int j = 0; j < TMF_ARRIVALS_AT_ONCE; j += 2) {
                    even += weights[row[i + j]] * table[cell[i + j]];
                    odd += weights[row[i + j + 1]] * table[cell[i + j + 1]];
                }
            for (; i + 1 < last; i += 2) {
                even += weights[row[i]] * table[cell[i]];
                odd += weights[row[i + 1]] * table[cell[i + 1]];
            }
            if (i < last)
                even += weights[row[i]] * table[cell[i]];
        } else {
            for (; i + TMF_ARRIVALS_AT_ONCE <= last; i += TMF_ARRIVALS_AT_ONCE)
                for (int j = 0; j < TMF_ARRIVALS_AT_ONCE; j += 2) {
                    even += weights[row[i + j]] * table[i + j];
                    odd += weights[row[i + j + 1]] * table[i + j + 1];
                }
            for (; i + 1 < last; i += 2) {
                even += weights[row[i]] * table[i];
                odd += weights[row[i + 1]] * table[i + 1];
            }
            if (i < last)
                even += weights[row[i]] * table[i];
        }
        i = last;
        out[x] = onto ? out[x] + (even + odd) : even + odd;
    }
}

#endif
