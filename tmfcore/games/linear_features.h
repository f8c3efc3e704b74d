/* Rows that are linear in features but for their sign: |v' psi|, divided by its sum. */
#ifndef TMFCORE_LINEAR_FEATURES_H
#define TMFCORE_LINEAR_FEATURES_H

#include <math.h>
#include <stddef.h>

#include "_base/simd/cpu.h"
#include "_base/simd/lanes.h"

enum {
    TMF_MOST_FEATURES = 64 /* the mean G(mu) of a step is kept on the stack */
};

/* mean = sum_y mu(y) G_y. */
TMF_BY_LEVEL(
    tmf_mean_features,
    (const double *mu, const double *g /* IN (S, d d) */, ptrdiff_t S, ptrdiff_t cells, double *mean /* OUT (d, d) */),
    (mu, g, S, cells, mean))
{
    for (ptrdiff_t i = 0; i < cells; i++)
        mean[i] = 0;
    for (ptrdiff_t y = 0; y < S; y++, g += cells) {
        if (mu[y] == 0)
            continue;
#pragma omp simd
        for (ptrdiff_t i = 0; i < cells; i++)
            mean[i] += mu[y] * g[i];
    }
}

/* For each phi: |phi' G psi| over x, divided by its sum; uniform where all of it is 0. */
TMF_BY_LEVEL(
    tmf_feature_rows,
    (const double *phi /* IN (n, d) */, ptrdiff_t n, const double *mean /* IN (d, d) */,
     const double *psi /* IN (d, S) */, ptrdiff_t d, ptrdiff_t S, double *rows /* OUT (n, S) */),
    (phi, n, mean, psi, d, S, rows))
{
    for (ptrdiff_t row = 0; row < n; row++, phi += d, rows += S) {
        TMF_ALIGNED double v[TMF_MOST_FEATURES], sums[TMF_SUMS] = {0};
        double total, scale;
        ptrdiff_t x = 0;
        for (ptrdiff_t j = 0; j < d; j++)
            v[j] = 0;
        for (ptrdiff_t i = 0; i < d; i++)
#pragma omp simd
            for (ptrdiff_t j = 0; j < d; j++)
                v[j] += phi[i] * mean[i * d + j];
#pragma omp simd
        for (ptrdiff_t y = 0; y < S; y++)
            rows[y] = v[0] * psi[y];
        for (ptrdiff_t j = 1; j < d; j++)
#pragma omp simd
            for (ptrdiff_t y = 0; y < S; y++)
                rows[y] += v[j] * psi[j * S + y];
        for (; x + TMF_SUMS <= S; x += TMF_SUMS)
#pragma omp simd
            for (int lane = 0; lane < TMF_SUMS; lane++)
                sums[lane] += rows[x + lane] = fabs(rows[x + lane]);
        for (; x < S; x++)
            sums[x % TMF_SUMS] += rows[x] = fabs(rows[x]);
        total = tmf_lanes(sums);
        scale = 1 / total;
        if (!(total > 0) || !isfinite(scale)) {
            for (x = 0; x < S; x++)
                rows[x] = 1.0 / (double)S;
            continue;
        }
#pragma omp simd
        for (ptrdiff_t y = 0; y < S; y++)
            rows[y] *= scale;
    }
}

#endif
