/* One step of values backward: products of the rows of a kernel with the values of the next step.
 *
 * The source fixes the order of every sum: over cells if vectors run along rows, over eight lanes if they run along
 * cells. So the bits are the same on every instruction set. Two vectors of values (a policy's and the best response's)
 * share one pass over the table.
 */
#ifndef TMFCORE_VALUES_H
#define TMFCORE_VALUES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_base/simd/lanes.h"
#include "_base/simd/cpu.h"
#include "_limit/sparse.h"

enum {
    TMF_PANEL = 32,  /* rows of a turned table at once: their sums fit in registers */
    TMF_COPIED = 512 /* up to this many values are copied to aligned memory */
};

/* ---------------------------------------------------------------- dense rows */

/* out[j] = reward[j] + discount sum_x table[j, x] values[x]; n_rows is a constant <= 4. */
TMF_INLINE void tmf_few_rows(const double *restrict reward, const double *restrict table, const double *restrict values,
                             double discount, const int n_rows, ptrdiff_t n_cells, double *restrict out)
{
    double sums[4][TMF_SUMS] = {{0}};
    double rest[4] = {0};
    ptrdiff_t x = 0;
    for (; x + TMF_SUMS <= n_cells; x += TMF_SUMS)
#pragma omp simd
        for (int lane = 0; lane < TMF_SUMS; lane++) {
            const double value = values[x + lane];
            for (int j = 0; j < n_rows; j++)
                sums[j][lane] += table[j * n_cells + x + lane] * value;
        }
    for (; x < n_cells; x++)
        for (int j = 0; j < n_rows; j++)
            rest[j] += table[j * n_cells + x] * values[x];
    for (int j = 0; j < n_rows; j++)
        out[j] = reward[j] + discount * (tmf_lanes(sums[j]) + rest[j]);
}

/* out[i] = reward[i] + discount sum_x table[i, x] values[x]; unless `other` is NULL, also other_out from `other`. */
TMF_BY_LEVEL(
    tmf_row_values,
    (const double *restrict reward, const double *restrict table, const double *restrict values, const double
     *restrict other, double discount, ptrdiff_t n_rows, ptrdiff_t n_cells, double *restrict out, double
     *restrict other_out),
    (reward, table, values, other, discount, n_rows, n_cells, out, other_out))
{
    TMF_ALIGNED double copy[TMF_COPIED], other_copy[TMF_COPIED];
    ptrdiff_t i = 0;
    if (n_cells <= TMF_COPIED) { /* align to cache lines */
        values = memcpy(copy, values, (size_t)n_cells * sizeof *values);
        if (other)
            other = memcpy(other_copy, other, (size_t)n_cells * sizeof *other);
    }
    for (; i + 4 <= n_rows; i += 4, table += 4 * n_cells) {
        tmf_few_rows(reward + i, table, values, discount, 4, n_cells, out + i);
        if (other)
            tmf_few_rows(reward + i, table, other, discount, 4, n_cells, other_out + i);
    }
    for (; i < n_rows; i++, table += n_cells) {
        tmf_few_rows(reward + i, table, values, discount, 1, n_cells, out + i);
        if (other)
            tmf_few_rows(reward + i, table, other, discount, 1, n_cells, other_out + i);
    }
}

/* A turned table stores, for each panel of rows, cell 0 of all its rows, then cell 1, and so on. Vectors go along rows,
 * and no sum over lanes is needed. Panels have TMF_PANEL rows; the remainder is in panels of TMF_SUMS rows, padded with
 * zeros. This pays for short rows; long rows are bound by memory in either layout. */
static inline ptrdiff_t tmf_turned_size(ptrdiff_t n_rows, ptrdiff_t n_cells)
{
    return (n_rows + TMF_SUMS - 1) / TMF_SUMS * TMF_SUMS * n_cells;
}

static inline void tmf_turn(const double *table, ptrdiff_t n_rows, ptrdiff_t n_cells, double *turned)
{
    for (ptrdiff_t i = 0; i < n_rows;) {
        const ptrdiff_t width = i + TMF_PANEL <= n_rows ? TMF_PANEL : TMF_SUMS;
        for (ptrdiff_t x = 0; x < n_cells; x++)
            for (ptrdiff_t lane = 0; lane < width; lane++)
                *turned++ = i + lane < n_rows ? table[(i + lane) * n_cells + x] : 0;
        i += width;
    }
}

/* out[lane] = reward[lane] + discount sum_x panel[x, lane] values[x], lane < min(n, width); `width` is a constant. */
TMF_INLINE void tmf_panel_values(const double *restrict reward, const double *restrict panel,
                                 const double *restrict values, double discount, ptrdiff_t n_cells, const int width,
                                 ptrdiff_t n, double *restrict out)
{
    double sums[TMF_PANEL];
    ptrdiff_t x = 0;
    for (int lane = 0; lane < width; lane++)
        sums[lane] = 0;
    for (; x + 4 <= n_cells; x += 4, panel += 4 * width) {
        const double a = values[x], b = values[x + 1], c = values[x + 2], d = values[x + 3];
#pragma omp simd
        for (int lane = 0; lane < width; lane++)
            sums[lane] += (a * panel[lane] + b * panel[width + lane])
                + (c * panel[2 * width + lane] + d * panel[3 * width + lane]);
    }
    for (; x < n_cells; x++, panel += width) {
        const double a = values[x];
#pragma omp simd
        for (int lane = 0; lane < width; lane++)
            sums[lane] += a * panel[lane];
    }
    if (n >= width)
#pragma omp simd
        for (int lane = 0; lane < width; lane++)
            out[lane] = reward[lane] + discount * sums[lane];
    else
        for (int lane = 0; lane < n; lane++)
            out[lane] = reward[lane] + discount * sums[lane];
}

TMF_INLINE void tmf_turned_values_of(const double *restrict reward, const double *restrict turned,
                                     const double *restrict values, const double *restrict other, double discount,
                                     ptrdiff_t n_rows, ptrdiff_t n_cells, double *restrict out,
                                     double *restrict other_out)
{
    ptrdiff_t i = 0;
    for (; i + TMF_PANEL <= n_rows; i += TMF_PANEL, turned += TMF_PANEL * n_cells) {
        tmf_panel_values(reward + i, turned, values, discount, n_cells, TMF_PANEL, TMF_PANEL, out + i);
        if (other)
            tmf_panel_values(reward + i, turned, other, discount, n_cells, TMF_PANEL, TMF_PANEL, other_out + i);
    }
    for (; i < n_rows; i += TMF_SUMS, turned += TMF_SUMS * n_cells) {
        tmf_panel_values(reward + i, turned, values, discount, n_cells, TMF_SUMS, n_rows - i, out + i);
        if (other)
            tmf_panel_values(reward + i, turned, other, discount, n_cells, TMF_SUMS, n_rows - i, other_out + i);
    }
}

/* As tmf_row_values, from a turned table. */
TMF_BY_LEVEL(
    tmf_turned_values,
    (const double *restrict reward, const double *restrict turned, const double *restrict values, const double
     *restrict other, double discount, ptrdiff_t n_rows, ptrdiff_t n_cells, double *restrict out, double
     *restrict other_out),
    (reward, turned, values, other, discount, n_rows, n_cells, out, other_out))
{
    if (n_cells == 8)
        tmf_turned_values_of(reward, turned, values, other, discount, n_rows, 8, out, other_out);
    else
        tmf_turned_values_of(reward, turned, values, other, discount, n_rows, n_cells, out, other_out);
}

/* ---------------------------------------------------------------- over the actions */

/* out[o] = sum_a pi[o, a] q[o, a] */
TMF_INLINE void tmf_means_of(const ptrdiff_t n_actions, const double *restrict pi, const double *restrict q,
                             ptrdiff_t n_observations, double *restrict out)
{
    for (ptrdiff_t o = 0; o < n_observations; o++, pi += n_actions, q += n_actions) {
        double total = 0;
        for (ptrdiff_t a = 0; a < n_actions; a++)
            total += pi[a] * q[a];
        out[o] = total;
    }
}

/* out[o] = max_a q[o, a] */
TMF_INLINE void tmf_largest_of(const ptrdiff_t n_actions, const double *restrict q, ptrdiff_t n_observations,
                               double *restrict out)
{
    for (ptrdiff_t o = 0; o < n_observations; o++, q += n_actions) {
        double largest = q[0];
        for (ptrdiff_t a = 1; a < n_actions; a++)
            largest = q[a] > largest ? q[a] : largest;
        out[o] = largest;
    }
}

TMF_BY_LEVEL(
    tmf_means,
    (const double *restrict pi, const double *restrict q, ptrdiff_t n_observations, ptrdiff_t n_actions, double
     *restrict out),
    (pi, q, n_observations, n_actions, out))
{
    TMF_BY_LENGTH(tmf_means_of, n_actions, pi, q, n_observations, out)
}

TMF_BY_LEVEL(
    tmf_largest,
    (const double *restrict q, ptrdiff_t n_observations, ptrdiff_t n_actions, double *restrict out),
    (q, n_observations, n_actions, out))
{
    TMF_BY_LENGTH(tmf_largest_of, n_actions, q, n_observations, out)
}

/* found (8,) += 0 x, by lanes: stays zero as long as all x are finite, and is NaN from then on. */
TMF_BY_LEVEL(
    tmf_note_infinite,
    (const double *restrict x, ptrdiff_t n, double *restrict found),
    (x, n, found))
{
    ptrdiff_t i = 0;
    for (; i + TMF_SUMS <= n; i += TMF_SUMS)
#pragma omp simd
        for (int lane = 0; lane < TMF_SUMS; lane++)
            found[lane] += 0 * x[i + lane];
    for (; i < n; i++)
        found[0] += 0 * x[i];
}

/* ---------------------------------------------------------------- passive agents */

/* values[o] = beta values[o] + (1 - beta) (reward[o] + discount sum_k table[o, k] next_values[successor[o, k]]).
 * `table` NULL: passive agents stay where they are; `successor` NULL: cell k is observation k. */
static inline void tmf_add_resting(const double *restrict reward, const double *restrict table,
                                   const int32_t *restrict successor, const double *restrict next_values,
                                   double discount, double beta, ptrdiff_t n_observations, ptrdiff_t n_cells,
                                   double *restrict values)
{
    const double rest = 1 - beta;
    if (!table) {
#pragma omp simd
        for (ptrdiff_t o = 0; o < n_observations; o++)
            values[o] = beta * values[o] + rest * (reward[o] + discount * next_values[o]);
        return;
    }
    for (ptrdiff_t o = 0; o < n_observations; o++, table += n_cells) {
        const double ahead = tmf_row_mean(n_cells, table, successor, next_values);
        successor = successor ? successor + n_cells : successor;
        values[o] = beta * values[o] + rest * (reward[o] + discount * ahead);
    }
}

/* The same with a probability to act for each observation, beta (n_observations,). */
static inline void tmf_add_resting_by_row(const double *restrict reward, const double *restrict table,
                                          const int32_t *restrict successor, const double *restrict next_values,
                                          double discount, const double *restrict beta, ptrdiff_t n_observations,
                                          ptrdiff_t n_cells, double *restrict values)
{
    for (ptrdiff_t o = 0; o < n_observations; o++) {
        const double ahead = !table ? next_values[o]
            : tmf_row_mean(n_cells, table + o * n_cells, successor ? successor + o * n_cells : successor, next_values);
        values[o] = beta[o] * values[o] + (1 - beta[o]) * (reward[o] + discount * ahead);
    }
}

#endif
