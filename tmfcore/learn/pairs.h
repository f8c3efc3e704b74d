/* One step back of the values of an agent that looks for differences between two models, for many pairs of models. */
#ifndef TMFCORE_PAIRS_H
#define TMFCORE_PAIRS_H

#include <math.h>
#include <stddef.h>

#include "_base/simd/cpu.h"
#include "_base/simd/lanes.h"

/* sums: |p - q|_1, and if there are values also p'v and q'w. */
TMF_INLINE void tmf_apart(
    const double *p, const double *q, const double *v, const double *w, ptrdiff_t n, int valued, double *sums /* (3,) */)
{
    TMF_ALIGNED double apart[TMF_SUMS] = {0}, first[TMF_SUMS] = {0}, second[TMF_SUMS] = {0};
    ptrdiff_t x = 0;
    for (; x + TMF_SUMS <= n; x += TMF_SUMS) {
#pragma omp simd
        for (int lane = 0; lane < TMF_SUMS; lane++)
            apart[lane] += fabs(p[x + lane] - q[x + lane]);
        if (valued) {
#pragma omp simd
            for (int lane = 0; lane < TMF_SUMS; lane++)
                first[lane] += p[x + lane] * v[x + lane];
#pragma omp simd
            for (int lane = 0; lane < TMF_SUMS; lane++)
                second[lane] += q[x + lane] * w[x + lane];
        }
    }
    for (int lane = 0; x < n; x++, lane++) {
        apart[lane] += fabs(p[x] - q[x]);
        if (valued) {
            first[lane] += p[x] * v[x];
            second[lane] += q[x] * w[x];
        }
    }
    sums[0] = tmf_lanes(apart);
    sums[1] = valued ? tmf_lanes(first) : 0;
    sums[2] = valued ? tmf_lanes(second) : 0;
}

/* Over the A rows of one observation: the largest |p - q| + p'v, and |p - q| + q'w, with the first action that has it. */
TMF_INLINE void tmf_most_apart(
    const double *p, const double *q, const double *v, const double *w, ptrdiff_t A, ptrdiff_t S, int valued, double *best,
    ptrdiff_t *which)
{
    double sums[3];
    best[0] = best[1] = -1;
    for (ptrdiff_t a = 0; a < A; a++, p += S, q += S) {
        tmf_apart(p, q, v, w, S, valued, sums);
        for (int side = 0; side < 2; side++) {
            double value = sums[0] + sums[1 + side];
            if (value > best[side]) {
                best[side] = value;
                which[side] = a;
            }
        }
    }
}

TMF_BY_LEVEL(
    tmf_pairs_step,
    (const double *rows /* IN (n, S, A, S) */, const double *passive /* IN (n, S, S), or NULL: nobody rests */,
     const double *shares /* IN (n, S) probability of acting */, const ptrdiff_t *pairs /* IN (P, 2) */, ptrdiff_t P,
     ptrdiff_t S, ptrdiff_t A, ptrdiff_t first, ptrdiff_t last /* observations */,
     const double *following /* IN (P, 2, S), or NULL: zero */, double *values /* OUT (P, 2, S) */,
     ptrdiff_t *greedy /* OUT (P, 2, S), or NULL */),
    (rows, passive, shares, pairs, P, S, A, first, last, following, values, greedy))
{
    for (ptrdiff_t o = first; o < last; o++)
        for (ptrdiff_t i = 0; i < P; i++) {
            const ptrdiff_t j = pairs[2 * i], k = pairs[2 * i + 1];
            const double *v = following ? following + 2 * i * S : NULL, *w = following ? v + S : NULL;
            const double *p = rows + (j * S + o) * A * S, *q = rows + (k * S + o) * A * S;
            double best[2], rest[3];
            ptrdiff_t which[2] = {0, 0};
            if (following)
                tmf_most_apart(p, q, v, w, A, S, 1, best, which);
            else
                tmf_most_apart(p, q, v, w, A, S, 0, best, which);
            if (passive) {
                tmf_apart(passive + (j * S + o) * S, passive + (k * S + o) * S, v, w, S, following != NULL, rest);
                best[0] = shares[j * S + o] * best[0] + (1 - shares[j * S + o]) * (rest[0] + rest[1]);
                best[1] = shares[k * S + o] * best[1] + (1 - shares[k * S + o]) * (rest[0] + rest[2]);
            }
            for (int side = 0; side < 2; side++) {
                values[(2 * i + side) * S + o] = best[side];
                if (greedy)
                    greedy[(2 * i + side) * S + o] = which[side];
            }
        }
}

#endif
