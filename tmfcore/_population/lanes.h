/* Events at which one agent acts, for up to sixteen populations of counts side by side: population r is lane r of vectors.
 *
 * Contract   each population has the bits that events.h gives it alone: its words are those of its own key, and its doubles
 *            are added in the same order. So a result depends neither on what runs beside it nor on the instruction level.
 * Cost       S rows of counts are added and compared to find the agents: O(S / 8 + 8) vector operations per event.
 * Use        tmf_side_open, then tmf_side_words before every block of TMF_SIDE_EVENTS events, and tmf_side_play.
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
    TMF_SIDE_EVENTS = 32, /* events of a block, whose words are drawn at once */
    TMF_SIDE_CELLS = 64   /* the most alias cells that are looked up in registers */
};

#define TMF_UNDECIDED 0xFFFFFFFFu /* an agent whose draw would be biased */

typedef TMF_ALIGNED uint32_t tmf_side_ints[TMF_SIDE];
typedef TMF_ALIGNED double tmf_side_doubles[TMF_SIDE];

typedef struct {
    tmf_side_ints agents[TMF_SIDE_EVENTS], moves[TMF_SIDE_EVENTS]; /* of each event of the block */
    tmf_side_ints pairs[TMF_SIDE_EVENTS];      /* o A + a of each event played */
    tmf_side_ints from, to, flows;             /* of the present event */
    TMF_ALIGNED uint32_t cells[TMF_SIDE_CELLS], successors[TMF_SIDE_CELLS]; /* of alias, if they fit */
    tmf_side_ints extra_of;                    /* where each population's table in `extra` begins */
    tmf_side_doubles total;                    /* sum of r0 over all agents */
    tmf_side_doubles reward;                   /* sum of the rewards of all agents over the events of the interval */
    tmf_side_doubles whole;                    /* the same over the run, discounted */
    TMF_ALIGNED uint64_t state[TMF_LANES][4][TMF_SIDE]; /* generator t % TMF_LANES of each stream gives word t */
    int64_t n_populations, n_observations, n_actions;
    uint64_t n_agents;                         /* N < 2^31 */
    uint64_t keys[TMF_SIDE][4];
    tmf_alias alias;
    int64_t n_blocks;                          /* ceil(S / 8); rows below are padded to 8 n_blocks with zeros */
    uint32_t *counts;                          /* (8 n_blocks, 16) */
    uint32_t *blocks;                          /* (n_blocks, 16) sums of 8 rows of counts */
    double *margin, *rise;                     /* (8 n_blocks,) an agent adds margin[o] + rise[o] counts[o] to the sum of r0 */
    double *extra;                             /* (?, S, A) r - r0 */
    int64_t *decisions[TMF_SIDE];              /* (S, A); NULL: not recorded */
    double weight, discount;                   /* of the next event */
    int64_t n_ties, n_biased;                  /* rare draws so far, for tests */
} tmf_side;

/* ------------------------------------------------------------------------------------------------ random words */

/* Draws agents and moves of a block. *undecided: whether an agent is TMF_UNDECIDED. */
TMF_BY_LEVEL(tmf_side_draw, (tmf_side *restrict it, uint32_t threshold, uint32_t *restrict undecided),
             (it, threshold, undecided))
{
    const uint32_t n_agents = (uint32_t)it->n_agents;
    uint32_t any[TMF_SIDE] = {0}, all = 0;
    for (int j = 0; j < TMF_LANES; j++) {
        uint64_t a[TMF_SIDE], b[TMF_SIDE], c[TMF_SIDE], d[TMF_SIDE];
        memcpy(a, it->state[j][0], sizeof a);
        memcpy(b, it->state[j][1], sizeof b);
        memcpy(c, it->state[j][2], sizeof c);
        memcpy(d, it->state[j][3], sizeof d);
        for (int i = j; i < TMF_SIDE_EVENTS; i += TMF_LANES) {
            uint32_t *restrict agents = it->agents[i], *restrict moves = it->moves[i];
#pragma omp simd
            for (int r = 0; r < TMF_SIDE; r++) { /* as tmf_fill of streams.h */
                const uint64_t shifted = b[r] << 17;
                const uint64_t word = tmf_rotate(a[r] + d[r], 23) + a[r];
                const uint64_t product = (uint64_t)(uint32_t)(word >> 32) * n_agents;
                const uint32_t biased = 0u - (uint32_t)((uint32_t)product < threshold);
                agents[r] = (uint32_t)(product >> 32) | biased;
                moves[r] = (uint32_t)word;
                any[r] |= biased;
                c[r] ^= a[r];
                d[r] ^= b[r];
                b[r] ^= c[r];
                a[r] ^= d[r];
                c[r] ^= shifted;
                d[r] = tmf_rotate(d[r], 45);
            }
        }
        memcpy(it->state[j][0], a, sizeof a);
        memcpy(it->state[j][1], b, sizeof b);
        memcpy(it->state[j][2], c, sizeof c);
        memcpy(it->state[j][3], d, sizeof d);
    }
    for (int r = 0; r < TMF_SIDE; r++)
        all |= any[r];
    *undecided = all;
}

/* The words of events t..t + TMF_SIDE_EVENTS - 1; t is a multiple of TMF_SIDE_EVENTS. */
static void tmf_side_words(tmf_side *it, int64_t t)
{
    const uint32_t threshold = (uint32_t)(((uint64_t)1 << 32) % it->n_agents);
    uint32_t undecided;
    if (t % TMF_CHUNK == 0)
        for (int r = 0; r < TMF_SIDE; r++) {
            tmf_stream stream;
            tmf_open(&stream, it->keys[r], (uint64_t)(t / TMF_CHUNK), 0, TMF_SINGLES);
            for (int j = 0; j < TMF_LANES; j++)
                for (int word = 0; word < 4; word++)
                    it->state[j][word][r] = stream.state[word][j];
        }
    tmf_side_draw(it, threshold, &undecided);
    if (TMF_UNLIKELY(undecided))
        for (int i = 0; i < TMF_SIDE_EVENTS; i++)
            for (int r = 0; r < TMF_SIDE; r++)
                if (TMF_UNLIKELY(it->agents[i][r] == TMF_UNDECIDED)) {
                    it->agents[i][r] = (uint32_t)tmf_agent_again(it->keys[r], (uint64_t)(t + i), it->n_agents, threshold);
                    it->n_biased++;
                }
}

/* ------------------------------------------------------------------------------------------------ events */

/* The flows of event t of lanes first..first + n - 1, of which some are tied. */
static TMF_NOINLINE void tmf_side_ties(tmf_side *it, int64_t t, const uint32_t *moves, int first, int n)
{
    for (int r = first; r < first + n; r++)
        if (!tmf_draw_first(&it->alias, it->from[r], moves[r], &it->flows[r])) {
            const uint32_t more = (uint32_t)tmf_again(it->keys[r], (uint64_t)t, 0, TMF_SINGLES_AGAIN);
            it->flows[r] = tmf_draw_tie(&it->alias, it->from[r], moves[r], more);
            it->n_ties++;
        }
}

#define TMF_PASTE(a, b) a##_##b
#define TMF_PASTED(a, b) TMF_PASTE(a, b)

/* Whether tmf_side_play exists: it needs the compiler's vectors. */
#ifdef __GNUC__
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
#define tmf_side_play_4(it, t, n) ((void)0)
#endif

/* Plays events t..t + n - 1, all of one block, whose words are drawn. */
static void tmf_side_play(tmf_side *it, int64_t t, int n)
{
    const int first = (int)(t % TMF_SIDE_EVENTS);
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
    for (int r = 0; r < it->n_populations; r++)
        if (it->decisions[r])
            for (int i = first; i < first + n; i++)
                it->decisions[r][it->pairs[i][r]]++;
}

/* ------------------------------------------------------------------------------------------------ tables and sums */

/* Copies the alias tables to where they are looked up in registers; after every change of them. */
static void tmf_side_tables(tmf_side *it)
{
    const int64_t n_cells = it->n_observations << it->alias.column_bits;
    for (int64_t i = 0; i < n_cells && n_cells <= TMF_SIDE_CELLS; i++) {
        it->cells[i] = it->alias.cells[i];
        it->successors[i] = tmf_successor(&it->alias, (uint32_t)i);
    }
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
