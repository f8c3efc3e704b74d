/* The check of what user code returns: finite numbers, and rows that are distributions. */
#ifndef TMFCORE_CHECK_H
#define TMFCORE_CHECK_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_base/simd/cpu.h"
#include "_base/simd/lanes.h"

TMF_BY_LEVEL(
    tmf_copy_and_look,
    (const double *restrict source, ptrdiff_t n, double *restrict target, int *restrict finite),
    (source, n, target, finite))
{
    uint64_t largest = 0;
#pragma omp simd reduction(max : largest)
    for (ptrdiff_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, source + i, sizeof bits);
        bits &= 0x7FFFFFFFFFFFFFFFu; /* without its sign, an infinity is the least that is not finite */
        target[i] = source[i];
        largest = bits > largest ? bits : largest;
    }
    *finite = largest < 0x7FF0000000000000u;
}

/* Copy n numbers; whether all of them are finite. */
static inline int tmf_copy_finite(const double *source, ptrdiff_t n, double *target)
{
    int finite;
    tmf_copy_and_look(source, n, target, &finite);
    return finite;
}

TMF_BY_LEVEL(
    tmf_look_at_numbers,
    (const double *restrict source, ptrdiff_t n, int *restrict finite),
    (source, n, finite))
{
    uint64_t largest = 0;
#pragma omp simd reduction(max : largest)
    for (ptrdiff_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, source + i, sizeof bits);
        bits &= 0x7FFFFFFFFFFFFFFFu;
        largest = bits > largest ? bits : largest;
    }
    *finite = largest < 0x7FF0000000000000u;
}

/* Whether all of n numbers are finite. */
static inline int tmf_all_finite(const double *source, ptrdiff_t n)
{
    int finite;
    tmf_look_at_numbers(source, n, &finite);
    return finite;
}

TMF_INLINE int tmf_distributions_of(const double *restrict rows, ptrdiff_t n_rows, const ptrdiff_t n_cells,
                                    double tolerance)
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
    return !bad;
}

/* Whether a row has no negative entry or NaN and sums to 1; a sum may differ from one taken in order by rounding. */
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
    switch (n_cells) {
    case 1: *right = tmf_distributions_of(rows, n_rows, 1, tolerance); return;
    case 2: *right = tmf_distributions_of(rows, n_rows, 2, tolerance); return;
    case 3: *right = tmf_distributions_of(rows, n_rows, 3, tolerance); return;
    case 4: *right = tmf_distributions_of(rows, n_rows, 4, tolerance); return;
    }
    *right = 1;
    for (ptrdiff_t i = 0; i < n_rows && *right; i++)
        *right = tmf_distribution(rows + i * n_cells, n_cells, tolerance);
}

/* Whether every one of n_rows rows is a distribution. */
static inline int tmf_distributions(const double *rows, ptrdiff_t n_rows, ptrdiff_t n_cells, double tolerance)
{
    int right;
    tmf_look_at_rows(rows, n_rows, n_cells, tolerance, &right);
    return right;
}

#endif
