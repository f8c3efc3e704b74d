/* Alias tables packed into 32-bit cells, and a single draw from them.
 *
 * A row has 2^b columns. The top b bits of a 32-bit draw choose a column; the other 32 - b bits, the fraction, are
 * compared with its threshold: below the threshold the column is drawn, otherwise its alias. A cell packs
 * threshold << b | alias, with the top 32 - b bits of the threshold. If the fraction equals them, a tie, the next 32
 * bits of the threshold (`finer`) are compared with a second draw, so that packing loses no precision.
 *
 * A column is action << s | successor cell. A draw gives a `flow`, row << b | column: row, action and cell.
 *
 * Sources    Walker (1977), Vose (1991).
 */
#ifndef TMFCORE_ALIAS_H
#define TMFCORE_ALIAS_H

#include <stdint.h>

#include "tmfcore/_base/compiler.h"

typedef struct {
    int column_bits;            /* b */
    int cell_bits;              /* s */
    const uint32_t *cells;      /* (rows << b) */
    const uint32_t *finer;      /* (rows << b) */
    const uint32_t *successors; /* (rows << b) the successor of each flow; NULL: its lowest s bits */
} tmf_alias;

static inline uint32_t tmf_successor(const tmf_alias *alias, uint32_t flow)
{
    return alias->successors ? alias->successors[flow] : flow & ((1u << alias->cell_bits) - 1);
}

/* The flow drawn in one row by the 32 bits `random`; returns 0 if a tie leaves it to tmf_draw_tie. */
static inline int tmf_draw_first(const tmf_alias *alias, uint32_t row, uint32_t random, uint32_t *flow)
{
    const int b = alias->column_bits;
    const uint32_t column = random >> (32 - b);
    const uint32_t fraction = random & ((1u << (32 - b)) - 1);
    const uint32_t cell = alias->cells[row << b | column];
    const uint32_t threshold = cell >> b;
    const uint32_t other = cell & ((1u << b) - 1);
    const uint32_t stands = 0u - (uint32_t)(fraction < threshold); /* a mask: a branch would be mispredicted */
    *flow = row << b | (other ^ ((other ^ column) & stands));
    return fraction != threshold;
}

/* The flow after a tie of tmf_draw_first, by 32 more bits. */
static inline uint32_t tmf_draw_tie(const tmf_alias *alias, uint32_t row, uint32_t random, uint32_t more)
{
    const int b = alias->column_bits;
    const uint32_t own = row << b | random >> (32 - b);
    return more < alias->finer[own] ? own : row << b | (alias->cells[own] & ((1u << b) - 1));
}

static inline uint32_t tmf_draw_one(const tmf_alias *alias, uint32_t row, uint32_t random, uint32_t more)
{
    uint32_t flow;
    return TMF_UNLIKELY(!tmf_draw_first(alias, row, random, &flow)) ? tmf_draw_tie(alias, row, random, more) : flow;
}

/* The same tables as bytes, for at most 256 cells (small_tables.h). */
typedef struct {
    int column_bits;                             /* b <= 8 */
    int n_quarters;                              /* the table takes 1, 2 or 4 times 64 cells */
    _Alignas(64) uint8_t high[256], low[256];    /* bytes of the top 16 - b bits of the thresholds */
    _Alignas(64) uint8_t other[256];             /* alias columns */
    _Alignas(64) uint8_t successor[256];         /* indexed by flow */
} tmf_bytes;

static inline void tmf_bytes_build(tmf_bytes *bytes, const tmf_alias *alias, int n_cells)
{
    const int b = alias->column_bits;
    bytes->column_bits = b;
    bytes->n_quarters = n_cells <= 64 ? 1 : n_cells <= 128 ? 2 : 4;
    for (int i = 0; i < n_cells; i++) {
        const uint32_t threshold = alias->cells[i] >> (b + 16);
        bytes->high[i] = (uint8_t)(threshold >> 8);
        bytes->low[i] = (uint8_t)threshold;
        bytes->other[i] = (uint8_t)(alias->cells[i] & ((1u << b) - 1));
        bytes->successor[i] = (uint8_t)tmf_successor(alias, (uint32_t)i);
    }
}

#endif
