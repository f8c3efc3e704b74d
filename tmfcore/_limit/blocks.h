/* Eight steps at once: products of eight rows with a matrix that stays the same from step to step.
 *
 * One step waits for the one before, and reads the whole matrix. Eight steps that are computed together do not wait for
 * each other, and read it once. The order of every sum is fixed: over the inner index, in one lane per column. So the
 * bits are the same on every instruction set.
 *
 * A matrix is stored in panels of eight columns: row 0 of the panel, then row 1, and so on. The last panel is padded
 * with zeros.
 */
#ifndef TMFCORE_BLOCKS_H
#define TMFCORE_BLOCKS_H

#include <stddef.h>
#include <string.h>

#include "_base/simd/cpu.h"
#include "_base/simd/lanes.h"
#include "_limit/push.h"

enum { TMF_BLOCK = 8 }; /* steps at once, and columns of a panel */

static inline ptrdiff_t tmf_whole_panels(ptrdiff_t n)
{
    return (n + TMF_BLOCK - 1) / TMF_BLOCK * TMF_BLOCK;
}

/* The panels of a matrix whose entry (k, j) is matrix[k * row + j * column]. */
static inline void tmf_pack(const double *restrict matrix, ptrdiff_t row, ptrdiff_t column, ptrdiff_t n_rows,
                            ptrdiff_t n_columns, double *restrict panels)
{
    for (ptrdiff_t first = 0; first < n_columns; first += TMF_BLOCK)
        for (ptrdiff_t k = 0; k < n_rows; k++)
            for (ptrdiff_t j = first; j < first + TMF_BLOCK; j++)
                *panels++ = j < n_columns ? matrix[k * row + j * column] : 0;
}

/* sums[i, j] = sum_k left[i, k] panel[k, j] for eight rows of `left`, which are `stride` apart. */
TMF_INLINE void tmf_block_sums(const double *restrict left, ptrdiff_t stride, const double *restrict panel,
                               ptrdiff_t n_inner, double sums[TMF_BLOCK][TMF_BLOCK])
{
    double a[8] = {0}, b[8] = {0}, c[8] = {0}, d[8] = {0}, e[8] = {0}, f[8] = {0}, g[8] = {0}, h[8] = {0};
    for (ptrdiff_t k = 0; k < n_inner; k++, left++, panel += TMF_BLOCK) {
        const double p = left[0], q = left[stride], r = left[2 * stride], s = left[3 * stride];
        const double t = left[4 * stride], u = left[5 * stride], v = left[6 * stride], w = left[7 * stride];
#pragma omp simd
        for (int j = 0; j < TMF_BLOCK; j++) {
            a[j] += p * panel[j];
            b[j] += q * panel[j];
            c[j] += r * panel[j];
            d[j] += s * panel[j];
            e[j] += t * panel[j];
            f[j] += u * panel[j];
            g[j] += v * panel[j];
            h[j] += w * panel[j];
        }
    }
    memcpy(sums[0], a, sizeof a);
    memcpy(sums[1], b, sizeof b);
    memcpy(sums[2], c, sizeof c);
    memcpy(sums[3], d, sizeof d);
    memcpy(sums[4], e, sizeof e);
    memcpy(sums[5], f, sizeof f);
    memcpy(sums[6], g, sizeof g);
    memcpy(sums[7], h, sizeof h);
}

/* out (8, n_columns), rows `out_stride` apart: out = scale left M (with `onto`: out + scale left M). */
TMF_INLINE void tmf_block_of(const double *restrict left, ptrdiff_t stride, const double *restrict panels,
                             ptrdiff_t n_inner, ptrdiff_t n_columns, double scale, const int onto,
                             double *restrict out, ptrdiff_t out_stride)
{
    double sums[TMF_BLOCK][TMF_BLOCK];
    for (ptrdiff_t j = 0; j < n_columns; j += TMF_BLOCK, panels += n_inner * TMF_BLOCK) {
        const ptrdiff_t n = n_columns - j < TMF_BLOCK ? n_columns - j : TMF_BLOCK;
        tmf_block_sums(left, stride, panels, n_inner, sums);
        for (int i = 0; i < TMF_BLOCK; i++) {
            double *const row = out + i * out_stride + j;
            if (n == TMF_BLOCK)
#pragma omp simd
                for (int lane = 0; lane < TMF_BLOCK; lane++)
                    row[lane] = onto ? row[lane] + scale * sums[i][lane] : scale * sums[i][lane];
            else
                for (int lane = 0; lane < n; lane++)
                    row[lane] = onto ? row[lane] + scale * sums[i][lane] : scale * sums[i][lane];
        }
    }
}

/* out (8, n_columns) = left M, rows `stride` apart in both. */
TMF_BY_LEVEL(
    tmf_block,
    (const double *restrict left, ptrdiff_t stride, const double *restrict panels, ptrdiff_t n_inner, ptrdiff_t
     n_columns, double *restrict out),
    (left, stride, panels, n_inner, n_columns, out))
{
    tmf_block_of(left, stride, panels, n_inner, n_columns, 1.0, 0, out, stride);
}

TMF_INLINE void tmf_follow_blocks_of(const ptrdiff_t n, double *restrict rows, const double *restrict panels,
                                     ptrdiff_t n_blocks)
{
    for (; n_blocks > 0; n_blocks--) {
        double *const next = rows + TMF_BLOCK * n;
        tmf_block_of(rows, n, panels, n, n, 1.0, 0, next, n);
        for (int i = 0; i < TMF_BLOCK; i++)
            tmf_normalise_of(next + i * n, n);
        rows = next;
    }
}

/* Rows 8 to 8 n_blocks + 7 of `rows` (8 n_blocks + 8, n): each is M times the row eight above it, divided by its sum. */
TMF_BY_LEVEL(
    tmf_follow_blocks,
    (double *restrict rows, const double *restrict panels, ptrdiff_t n, ptrdiff_t n_blocks),
    (rows, panels, n, n_blocks))
{
    if (n == TMF_BLOCK)
        tmf_follow_blocks_of(TMF_BLOCK, rows, panels, n_blocks);
    else
        tmf_follow_blocks_of(n, rows, panels, n_blocks);
}

/* out (8, n_columns) += scale left M; rows of `left` are n_inner apart, those of `out` n_columns. */
TMF_BY_LEVEL(
    tmf_add_block,
    (const double *restrict left, const double *restrict panels, ptrdiff_t n_inner, ptrdiff_t n_columns, double scale,
     double *restrict out),
    (left, panels, n_inner, n_columns, scale, out))
{
    tmf_block_of(left, n_inner, panels, n_inner, n_columns, scale, 1, out, n_columns);
}

#endif
