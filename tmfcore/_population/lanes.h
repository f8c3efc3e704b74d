/* Steps at which one agent acts, or a small batch, for up to sixteen populations of counts: population r is lane r.
 *
 * Contract   each population has the bits that events.h gives it alone: its words are those of its own key, and its
 *            doubles are added in the same order. So a result depends neither on what runs beside it nor on the
 *            instruction level.
 * Cost       S rows of counts are added and compared to find the agents: O(S / 8 + 8) vector operations per event.
 * Use        tmf_side_open, then tmf_side_words before every block of TMF_SIDE_EVENTS words, and tmf_side_play.
 */
#ifndef TMFCORE_POPULATION_LANES_H
#define TMFCORE_POPULATION_LANES_H

#include <stdint.h>
#include <string.h>

#include "_base/simd/lanes.h"
#include "_population/events.h"
#ifdef TMF_X86
#include <immintrin.h>
#endif

enum {
    TMF_SIDE = 16,        /* populations */
    TMF_SIDE_EVENTS = TMF_GROUP, /* words of a block, drawn at once */
    TMF_SIDE_CELLS = 64   /* the most alias cells that are looked up in registers */
};

#define TMF_UNDECIDED 0xFFFFFFFFu /* an agent whose draw would be biased */

typedef TMF_ALIGNED uint32_t tmf_side_ints[TMF_SIDE];
typedef TMF_ALIGNED double tmf_side_doubles[TMF_SIDE];

typedef struct {
    tmf_side_ints agents[TMF_SIDE_EVENTS], moves[TMF_SIDE_EVENTS]; /* of each event of the block */
    tmf_side_ints pairs[TMF_SIDE_EVENTS];      /* o A + a of each event played */
    tmf_side_ints joined[TMF_SIDE_EVENTS];     /* of batches: where the agent of each event arrives */
    tmf_side_ints from, to, flows;             /* of the present event */
    TMF_ALIGNED uint32_t cells[TMF_SIDE_CELLS], successors[TMF_SIDE_CELLS]; /* of alias, if they fit */
    uint32_t successor_bits;                   /* if not 0, the successor of a flow is in these bits of it */
    tmf_side_ints extra_of;                    /* where each population's table in `extra` begins */
    tmf_side_doubles total;                    /* sum of r0 over all agents */
    tmf_side_doubles reward;                   /* sum of the rewards of all agents over the events of the interval */
    tmf_side_doubles whole;                    /* the same over the run, discounted */
    TMF_ALIGNED uint64_t state[TMF_LANES][4][TMF_SIDE]; /* generator w % TMF_LANES of each stream gives word w */
    int64_t n_populations, n_observations, n_actions;
    uint64_t n_agents;                         /* N < 2^31 */
    tmf_batch batch;                           /* of at most TMF_SIDE_EVENTS agents */
    uint64_t keys[TMF_SIDE][4];
    tmf_alias alias;
    int64_t n_blocks;                          /* ceil(S / 8); rows below are padded to 8 n_blocks with zeros */
    uint32_t *counts;                          /* (8 n_blocks, 16) */
    uint32_t *blocks;                          /* (n_blocks, 16) sums of 8 rows of counts */
    double *margin, *rise;                     /* (8 n_blocks,) events.h: margin[2 o], margin[2 o + 1] */
    double *extra;                             /* (?, S, A) r - r0 */
    int64_t *decisions[TMF_SIDE];              /* (S, A), also for idle lanes; all NULL: not recorded */
    double weight, discount;                   /* of the next step */
    int64_t n_ties, n_biased;                  /* rare draws so far, for tests */
} tmf_side;

/* ------------------------------------------------------------------------------------------------ events */

/* The steps whose words are one block. */
static inline int64_t tmf_side_steps(const tmf_side *it)
{
    return it->batch.n_events / it->batch.size;
}

/* The flows of event t of lanes first..first + n - 1, of which some are tied. */
static TMF_NOINLINE void tmf_side_ties(tmf_side *it, int64_t t, const uint32_t *moves, int first, int n)
{
    for (int r = first; r < first + n; r++)
        if (!tmf_draw_first(&it->alias, it->from[r], moves[r], &it->flows[r])) {
            const uint32_t more = (uint32_t)tmf_again(it->keys[r], (uint64_t)t, 0, TMF_SINGLES_AGAIN);
            it->flows[r] = tmf_draw_tie(&it->alias, it->from[r], moves[r], more);
            it->n_ties += r < it->n_populations;
        }
}

#define TMF_PASTE(a, b) a##_##b
#define TMF_PASTED(a, b) TMF_PASTE(a, b)

/* Whether tmf_side_play exists: it needs the compiler's vectors. */
#ifdef TMF_GNU
#define TMF_SIDE_VECTORS 1
#define TMF_W 4
#define TMF_TARGET
#include "_population/lanes_events.h"
#ifdef TMF_X86
#define TMF_W 8
#define TMF_TARGET TMF_TARGET_AVX2
#include "_population/lanes_events.h"
#define TMF_W 16
#define TMF_TARGET TMF_TARGET_AVX512
#include "_population/lanes_events.h"
#endif
#else
#define TMF_SIDE_VECTORS 0
#define tmf_side_draw_4(it) 0
#define tmf_side_play_4(it, t, n) ((void)0)
#endif

/* The words of the block of steps that begins at t. */
static void tmf_side_words(tmf_side *it, int64_t t)
{
    const int64_t block = t / tmf_side_steps(it), n_blocks = TMF_CHUNK / TMF_SIDE_EVENTS;
    int undecided;
    if (block % n_blocks == 0)
        for (int r = 0; r < TMF_SIDE; r++) {
            tmf_stream stream;
            tmf_open(&stream, it->keys[r], (uint64_t)(block / n_blocks), 0, TMF_SINGLES);
            for (int j = 0; j < TMF_LANES; j++)
                for (int word = 0; word < 4; word++)
                    it->state[j][word][r] = stream.state[word][j];
        }
#ifdef TMF_X86
    if (tmf_instruction_level() >= 2)
        undecided = tmf_side_draw_16(it);
    else if (tmf_instruction_level() == 1)
        undecided = tmf_side_draw_8(it);
    else
#endif
        undecided = tmf_side_draw_4(it);
    if (TMF_UNLIKELY(undecided))
        for (int i = 0; i < it->batch.n_events; i++)
            for (int r = 0; r < TMF_SIDE; r++)
                if (TMF_UNLIKELY(it->agents[i][r] == TMF_UNDECIDED)) {
                    const uint64_t at = (uint64_t)(t * it->batch.size + i);
                    it->agents[i][r] = (uint32_t)tmf_agent_again(it->keys[r], at, 1, it->batch.among[i],
                                                                 it->batch.threshold[i]);
                    it->n_biased += r < it->n_populations;
                }
}

/* Plays steps t..t + n - 1, all of one block, whose words are drawn. */
static void tmf_side_play(tmf_side *it, int64_t t, int n)
{
    const int first = (int)(t % tmf_side_steps(it)) * it->batch.size, last = first + n * it->batch.size;
#ifdef TMF_X86
    if (tmf_instruction_level() >= 2)
        tmf_side_play_16(it, t, n);
    else if (tmf_instruction_level() == 1)
        tmf_side_play_8(it, t, n);
    else
#endif
        tmf_side_play_4(it, t, n);
    for (int i = 0; i < n; i++)
        it->weight *= it->discount;
    for (int r = 0; r < it->n_populations && it->decisions[r]; r += 4) { /* four tables do not wait for each other */
        int64_t *const a = it->decisions[r], *const b = it->decisions[r + 1];
        int64_t *const c = it->decisions[r + 2], *const d = it->decisions[r + 3];
        for (int i = first; i < last; i++) {
            const uint32_t *const pairs = it->pairs[i] + r;
            a[pairs[0]]++;
            b[pairs[1]]++;
            c[pairs[2]]++;
            d[pairs[3]]++;
        }
    }
}

/* ------------------------------------------------------------------------------------------------ tables and sums */

/* Reads the alias tables, after every change of them. */
static void tmf_side_tables(tmf_side *it)
{
    const int b = it->alias.column_bits, s = it->alias.cell_bits;
    const int64_t n_cells = it->n_observations << b, n_columns = it->n_actions << s;
    for (int64_t i = 0; i < n_cells && n_cells <= TMF_SIDE_CELLS; i++) {
        it->cells[i] = it->alias.cells[i];
        it->successors[i] = tmf_successor(&it->alias, (uint32_t)i);
    }
    it->successor_bits = it->alias.successors ? (1u << b) - 1 : (1u << s) - 1;
    for (int64_t i = 0; i < n_cells && it->alias.successors; i++) /* columns beyond n_columns are never drawn */
        if ((i & ((1 << b) - 1)) < n_columns && it->alias.successors[i] != (i & it->successor_bits))
            it->successor_bits = 0;
}

/* Sums counts by block. */
static void tmf_side_open(tmf_side *it)
{
    memset(it->blocks, 0, (size_t)it->n_blocks * TMF_SIDE * sizeof(uint32_t));
    for (int64_t o = 0; o < 8 * it->n_blocks; o++)
        for (int r = 0; r < TMF_SIDE; r++)
            it->blocks[o / 8 * TMF_SIDE + r] += it->counts[o * TMF_SIDE + r];
}

/* Sums r0(o) = level[o] + slope[o] counts[o] over all agents again. */
static void tmf_side_refresh(tmf_side *it, const double *level, const double *slope)
{
    memset(it->total, 0, sizeof it->total);
    for (int64_t o = 0; o < it->n_observations; o++)
        for (int r = 0; r < TMF_SIDE; r++) {
            const double count = it->counts[o * TMF_SIDE + r];
            it->total[r] += count * (level[o] + slope[o] * count);
        }
}

#endif
