/* One step of the mean field forward: sums of the rows of a kernel, weighted by a population.
 *
 * The source fixes the order of every sum over rows; vectors run along columns. So the bits are the same on every
 * instruction set.
 */
#ifndef TMFCORE_PUSH_H
#define TMFCORE_PUSH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_base/simd/lanes.h"
#include "_base/simd/cpu.h"
#include "_base/simd/dense.h"
#include "_limit/sparse.h"

/* Divides mu by its sum. */
TMF_INLINE void tmf_normalise_of(double *restrict mu, ptrdiff_t n)
{
    double sums[TMF_SUMS] = {0};
    double rest = 0;
    ptrdiff_t x = 0;
    for (; x + TMF_SUMS <= n; x += TMF_SUMS)
#pragma omp simd
        for (int lane = 0; lane < TMF_SUMS; lane++)
            sums[lane] += mu[x + lane];
    for (; x < n; x++)
        rest += mu[x];
    const double scale = 1 / (tmf_lanes(sums) + rest);
#pragma omp simd
    for (x = 0; x < n; x++)
        mu[x] *= scale;
}

TMF_BY_LEVEL(
    tmf_normalise,
    (double *restrict mu, ptrdiff_t n),
    (mu, n))
{
    tmf_normalise_of(mu, n);
}

/* next = beta next + (1 - beta) mu, divided by its sum: passive agents stay. On entry, next is mu moved by a kernel. */
TMF_INLINE void tmf_finish_step(const double *restrict mu, double beta, ptrdiff_t n, double *restrict next)
{
    if (beta < 1) {
        const double stay = 1 - beta;
#pragma omp simd
        for (ptrdiff_t x = 0; x < n; x++)
            next[x] = beta * next[x] + stay * mu[x];
    }
    tmf_normalise_of(next, n);
}

/* next = mu moved by the kernel (n, n), finished by tmf_finish_step. */
TMF_BY_LEVEL(
    tmf_step,
    (const double *restrict mu, const double *restrict kernel, double beta, ptrdiff_t n, double *restrict next),
    (mu, kernel, beta, n, next))
{
    if (n == 8) { /* the whole step stays in registers */
        double sums[8] = {0};
        for (int o = 0; o < 8; o += 4)
#pragma omp simd
            for (int x = 0; x < 8; x++)
                sums[x] += (mu[o] * kernel[8 * o + x] + mu[o + 1] * kernel[8 * o + 8 + x])
                    + (mu[o + 2] * kernel[8 * o + 16 + x] + mu[o + 3] * kernel[8 * o + 24 + x]);
        tmf_finish_step(mu, beta, 8, sums);
        memcpy(next, sums, sizeof sums);
    } else if (n <= 64) { /* sums aligned to cache lines */
        TMF_ALIGNED double sums[64];
        memset(sums, 0, (size_t)n * sizeof *sums);
        tmf_add_rows_of(mu, kernel, n, n, sums);
        tmf_finish_step(mu, beta, n, sums);
        memcpy(next, sums, (size_t)n * sizeof *sums);
    } else {
        memset(next, 0, (size_t)n * sizeof *next);
        tmf_add_rows_of(mu, kernel, n, n, next);
        tmf_finish_step(mu, beta, n, next);
    }
}

/* out[o, x] = sum_a pi[o, a] table[o, a, x] */
TMF_BY_LEVEL(
    tmf_average,
    (const double *restrict pi, const double *restrict table, ptrdiff_t n_observations, ptrdiff_t n_actions,
     ptrdiff_t n_cells, double *restrict out),
    (pi, table, n_observations, n_actions, n_cells, out))
{
    memset(out, 0, (size_t)(n_observations * n_cells) * sizeof *out);
    for (ptrdiff_t o = 0; o < n_observations; o++, pi += n_actions, out += n_cells, table += n_actions * n_cells)
        tmf_add_rows_of(pi, table, n_actions, n_cells, out);
}

TMF_INLINE void tmf_decisions_of(const ptrdiff_t n_actions, const double *restrict mu, const double *restrict pi,
                                 double beta, ptrdiff_t n_observations, double *restrict out)
{
    for (ptrdiff_t o = 0; o < n_observations; o++, pi += n_actions, out += n_actions) {
        const double acting = beta * mu[o];
        for (ptrdiff_t a = 0; a < n_actions; a++)
            out[a] = acting * pi[a];
    }
}

/* out[o, a] = beta mu[o] pi[o, a]: the mass of acting agents by observation and action. */
static inline void tmf_decisions(const double *mu, const double *pi, double beta, ptrdiff_t n_observations,
                                 ptrdiff_t n_actions, double *out)
{
    TMF_BY_LENGTH(tmf_decisions_of, n_actions, mu, pi, beta, n_observations, out)
}

#endif
