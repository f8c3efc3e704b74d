/* Checks of the arrays that user code returns: all numbers are finite, every row is a distribution. */
#ifndef TMFCORE_CHECK_H
#define TMFCORE_CHECK_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_base/simd/cpu.h"
#include "_base/simd/lanes.h"

/* max(largest, bits of |x|). Bits of |x| order like |x|; a number is finite if they are below those of infinity. */
TMF_INLINE uint64_t tmf_larger_bits(double x, uint64_t largest)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits &= 0x7FFFFFFFFFFFFFFFu;
    return bits > largest ? bits : largest;
}

TMF_BY_LEVEL(
    tmf_look_at_numbers,
    (const double *restrict source, ptrdiff_t n, double *restrict target, uint64_t *restrict found),
    (source, n, target, found))
{
    uint64_t largest = 0;
    if (target) {
#pragma omp simd reduction(max : largest)
        for (ptrdiff_t i = 0; i < n; i++) {
            target[i] = source[i];
            largest = tmf_larger_bits(source[i], largest);
        }
    } else {
#pragma omp simd reduction(max : largest)
        for (ptrdiff_t i = 0; i < n; i++)
            largest = tmf_larger_bits(source[i], largest);
    }
    *found = largest;
}

/* Whether all n numbers are finite. They are copied to `target` unless it is NULL. */
static inline int tmf_all_finite(const double *source, ptrdiff_t n, double *target)
{
    uint64_t largest;
    tmf_look_at_numbers(source, n, target, &largest);
    return largest < 0x7FF0000000000000u;
}

TMF_INLINE void tmf_distributions_of(const ptrdiff_t n_cells, const double *restrict rows, ptrdiff_t n_rows,
                                     double tolerance, int *restrict right)
{
    int bad = 0;
#pragma omp simd reduction(| : bad)
    for (ptrdiff_t i = 0; i < n_rows; i++) {
        double total = 0;
        for (ptrdiff_t k = 0; k < n_cells; k++) {
            total += rows[i * n_cells + k];
            bad |= !(rows[i * n_cells + k] >= 0);
        }
        bad |= !(fabs(total - 1) <= tolerance);
    }
    *right = !bad;
}

/* Whether a row sums to 1 and has no entry that is negative or NaN. Sums in lanes and in order differ by rounding. */
static inline int tmf_distribution(const double *restrict row, ptrdiff_t n_cells, double tolerance)
{
    double rest = 0;
    ptrdiff_t k = 0;
    if (n_cells < TMF_SUMS) {
        int wrong = 0;
        for (; k < n_cells; k++) {
            rest += row[k];
            wrong |= !(row[k] >= 0);
        }
        return !wrong && fabs(rest - 1) <= tolerance;
    }
    double sums[TMF_SUMS] = {0};
    int bad[TMF_SUMS] = {0};
    for (; k + TMF_SUMS <= n_cells; k += TMF_SUMS)
#pragma omp simd
        for (int lane = 0; lane < TMF_SUMS; lane++) {
            sums[lane] += row[k + lane];
            bad[lane] |= !(row[k + lane] >= 0);
        }
    for (; k < n_cells; k++) {
        rest += row[k];
        bad[0] |= !(row[k] >= 0);
    }
    const double total = tmf_lanes(sums);
    for (int lane = 1; lane < TMF_SUMS; lane++)
        bad[0] |= bad[lane];
    return !bad[0] && fabs(total + rest - 1) <= tolerance;
}

TMF_BY_LEVEL(
    tmf_look_at_rows,
    (const double *restrict rows, ptrdiff_t n_rows, ptrdiff_t n_cells, double tolerance, int *restrict right),
    (rows, n_rows, n_cells, tolerance, right))
{
    if (n_cells < TMF_SUMS) {
        TMF_BY_LENGTH(tmf_distributions_of, n_cells, rows, n_rows, tolerance, right)
        return;
    }
    *right = 1;
    for (ptrdiff_t i = 0; i < n_rows && *right; i++)
        *right = tmf_distribution(rows + i * n_cells, n_cells, tolerance);
}

/* Whether all n_rows rows are distributions. */
static inline int tmf_distributions(const double *rows, ptrdiff_t n_rows, ptrdiff_t n_cells, double tolerance)
{
    int right;
    tmf_look_at_rows(rows, n_rows, n_cells, tolerance, &right);
    return right;
}

#endif
