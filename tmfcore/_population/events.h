/* Events at which one agent acts, if neither kernel nor policy depends on mu: random words, places and the loop itself.
 *
 * Words      Event t uses word t % 256 of the stream (key, t / 256, 0, SINGLES): the high half chooses the agent, the
 *            low half is the draw from its alias row. What a half cannot decide (an agent whose draw would be biased, a
 *            tie in alias.h) is decided by the Philox words at the addresses (t, attempt, SINGLES_AGAIN). Populations
 *            of 2^32 agents or more take a word for each.
 * Contract   results have the same bits on every instruction level; doubles are added in the order of the events.
 */
#ifndef TMFCORE_EVENTS_H
#define TMFCORE_EVENTS_H

#include <stdint.h>

#include "_population/alias.h"
#include "_population/observations.h"
#include "_random/streams.h"

enum {
    TMF_CHUNK = 256, /* events whose words are drawn at once */
    TMF_AHEAD = 32   /* events from the prefetch of an agent's observation to its use */
};

#define TMF_UNSURE 0x80000000u /* added to a place that earlier events of its block may have changed */

typedef struct {
    uint64_t agents[TMF_CHUNK];
    uint32_t moves[TMF_CHUNK];
} tmf_draws;

/* Splits words (TMF_CHUNK,) for n < 2^32 agents; *biased: whether some word must be rejected, as in bounded.h. */
TMF_BY_LEVEL(tmf_split_words, (const uint64_t *restrict words, uint64_t n, uint64_t threshold,
                               tmf_draws *restrict draws, uint32_t *restrict biased),
             (words, n, threshold, draws, biased))
{
    uint32_t any = 0;
    for (int i = 0; i < TMF_CHUNK; i++) {
        const uint64_t product = (words[i] >> 32) * n;
        draws->agents[i] = product >> 32;
        draws->moves[i] = (uint32_t)words[i];
        any |= (uint32_t)product < (uint32_t)threshold;
    }
    *biased = any;
}

/* The agent of event t, whose word would be biased. */
static inline uint64_t tmf_agent_again(const uint64_t key[4], uint64_t t, uint64_t n, uint32_t threshold)
{
    uint64_t product, attempt = 0;
    do
        product = (tmf_again(key, t, ++attempt, TMF_SINGLES_AGAIN) >> 32) * n;
    while ((uint32_t)product < threshold);
    return product >> 32;
}

/* Agents and moves of the events 256 chunk...; words is scratch (TMF_CHUNK,). */
static inline void tmf_draw_chunk(const uint64_t key[4], int64_t chunk, uint64_t n, uint64_t *words, tmf_draws *draws)
{
    tmf_stream stream;
    tmf_open(&stream, key, (uint64_t)chunk, 0, TMF_SINGLES);
    tmf_fill(&stream, words, TMF_CHUNK / TMF_LANES);
    if (n >> 32) {
        tmf_below(&stream, words, n, draws->agents, TMF_CHUNK);
        tmf_fill(&stream, words, TMF_CHUNK / TMF_LANES);
        for (int i = 0; i < TMF_CHUNK; i++)
            draws->moves[i] = (uint32_t)words[i];
        return;
    }
    const uint64_t threshold = ((uint64_t)1 << 32) % n;
    uint32_t biased;
    tmf_split_words(words, n, threshold, draws, &biased);
    if (TMF_UNLIKELY(biased))
        for (int i = 0; i < TMF_CHUNK; i++)
            if ((uint32_t)((words[i] >> 32) * n) < threshold)
                draws->agents[i] = tmf_agent_again(key, (uint64_t)(chunk * TMF_CHUNK + i), n, (uint32_t)threshold);
}

/* Events begin..end - 1, all of one chunk. */
typedef struct {
    int64_t begin, end;
    uint32_t left[TMF_CHUNK], joined[TMF_CHUNK]; /* the observation of the acting agent before and after the event */
    uint32_t flows[TMF_CHUNK];                   /* what was drawn in its alias row */
    int64_t length;          /* events of a full block */
    int64_t n_observations;  /* S */
    int search_bits;         /* least b with 2^b >= S */
    int64_t *bounds; /* (1 + 2^b,) the first agent of each observation when the block began; NULL if individuals are
                        stored. Otherwise the i-th agent is the i-th in order of observation. */
} tmf_block;

/* Locates n agents by bisection. An event changes a running sum of the counts by at most 1, so that a place is certain
 * if its agent is at least n agents away from both of its bounds. */
TMF_INLINE void tmf_bisect(int bits, tmf_block *block, const uint64_t *agents, int64_t n)
{
    const int64_t *const bounds = block->bounds;
    for (int64_t i = 0; i < n; i++) {
        const int64_t agent = (int64_t)agents[i];
        int64_t o = 0;
        for (int64_t half = ((int64_t)1 << bits) >> 1; half; half >>= 1)
            o += bounds[o + half] <= agent ? half : 0;
        const int certain = (agent - bounds[o] >= n) & (bounds[o + 1] - agent > n);
        block->left[i] = (uint32_t)o | (certain ? 0 : TMF_UNSURE);
    }
}

/* Begins a block of up to n events at event t; if individuals are not stored, locates its agents by the counts. */
static inline void tmf_begin_block(tmf_block *block, int64_t t, int64_t n, const tmf_draws *draws,
                                   const int64_t *counts)
{
    const int64_t left = TMF_CHUNK - t % TMF_CHUNK;
    int64_t running = 0;
    block->begin = t;
    block->end = t + (n < left ? n : left);
    if (!block->bounds)
        return;
    for (int64_t o = 0; o + 1 < block->n_observations; o++)
        block->bounds[o + 1] = running += counts[o];
    TMF_BY_LENGTH(tmf_bisect, block->search_bits, block, draws->agents + t % TMF_CHUNK, block->end - t)
}

/* The place of an agent at event i of the block, where it was at `place` when the block began. */
static TMF_NOINLINE uint32_t tmf_relocate(const tmf_block *block, uint32_t place, int64_t agent, int64_t i)
{
    for (;;) {
        int64_t first = block->bounds[place], last = block->bounds[place + 1];
        for (int64_t j = 0; j < i; j++) {
            first += (int64_t)(block->joined[j] < place) - (int64_t)(block->left[j] < place);
            last += (int64_t)(block->joined[j] <= place) - (int64_t)(block->left[j] <= place);
        }
        if (first <= agent && agent < last)
            return place;
        place += agent < first ? -1u : 1;
    }
}

/* The place of the agent of event i of the block. */
TMF_INLINE uint32_t tmf_place(tmf_block *block, int64_t i, uint64_t agent)
{
    uint32_t place = block->left[i];
    if (TMF_UNLIKELY(place & TMF_UNSURE))
        block->left[i] = place = tmf_relocate(block, place ^ TMF_UNSURE, (int64_t)agent, i);
    return place;
}

/* Draws the n events of a block that begins at t, and moves their agents if individuals are stored in `width` bytes. */
TMF_INLINE void tmf_draw_variant(tmf_block *block, const uint64_t *key, const tmf_alias *tables, const tmf_draws *draws,
                                 void *observations, const int width, int64_t t, int64_t n)
{
    const tmf_alias alias = *tables;
    const int64_t first = t % TMF_CHUNK, ahead = TMF_CHUNK - first - TMF_AHEAD;
    for (int64_t i = 0; i < n; i++) {
        const uint64_t agent = draws->agents[first + i];
        const uint32_t random = draws->moves[first + i];
        uint32_t o, flow;
        if (width) {
            if (i < ahead)
                tmf_prefetch_one(observations, width, draws->agents[first + i + TMF_AHEAD]);
            block->left[i] = o = tmf_load_one(observations, width, agent);
        } else {
            o = tmf_place(block, i, agent);
        }
        if (TMF_UNLIKELY(!tmf_draw_first(&alias, o, random, &flow)))
            flow = tmf_draw_tie(&alias, o, random, (uint32_t)tmf_again(key, (uint64_t)(t + i), 0, TMF_SINGLES_AGAIN));
        const uint32_t x = tmf_successor(&alias, flow);
        block->flows[i] = flow;
        block->joined[i] = x;
        if (width)
            tmf_store_one(observations, width, agent, x);
    }
}

TMF_BY_LEVEL(tmf_draw_events, (tmf_block *block, const uint64_t *key, const tmf_alias *alias, const tmf_draws *draws,
                               void *observations, int width, int64_t t, int64_t n),
             (block, key, alias, draws, observations, width, t, n))
{
    if (width == 0)
        tmf_draw_variant(block, key, alias, draws, observations, 0, t, n);
    else if (width == 1)
        tmf_draw_variant(block, key, alias, draws, observations, 1, t, n);
    else
        tmf_draw_variant(block, key, alias, draws, observations, width, t, n);
}

typedef double (*tmf_standing_reward)(void *model, int observation, const double *mu);

typedef struct {
    const uint64_t *key;
    const tmf_draws *draws;
    tmf_alias alias;
    int64_t n_actions, n_agents;
    void *observations;          /* (N,) of `width` bytes; NULL, width 0: individuals are not stored */
    int width;
    tmf_block *block;
    int64_t *counts;             /* (S,) */
    int64_t *decisions;          /* (S, A); NULL: not recorded */
    const double *extra;         /* (S, A) r - r0 */
    const double *margin;        /* (S, 2) level + slope, 2 slope if r0(o) = level[o] + slope[o] counts[o]; or NULL */
    tmf_standing_reward price;   /* r0 by `model`, if margin is NULL */
    void *model;
    double *mu, *standing;       /* (S,) counts / N and r0; kept up to date only if margin is NULL */
    double total;                /* sum of r0 over all agents */
    double reward;               /* sum of the rewards of all agents over the events */
    double whole, weight, discount; /* the same, discounted; the weight of the next event */
    double before;               /* r0 of the acting agent before the last event, if margin is NULL */
} tmf_events;

/* Counts the events of the block from `first` on, and their rewards. */
TMF_INLINE void tmf_count_variant(tmf_events *it, int64_t first, int64_t n, const int by_price)
{
    const tmf_block *const block = it->block;
    const int bits = it->alias.column_bits, cell_bits = it->alias.cell_bits;
    const uint32_t actions = (1u << (bits - cell_bits)) - 1;
    const int64_t A = it->n_actions, N = it->n_agents;
    const double *const extra = it->extra, *const margin = it->margin;
    const double discount = it->discount;
    int64_t *const counts = it->counts, *const decisions = it->decisions;
    double total = it->total, reward = it->reward, whole = it->whole, weight = it->weight;
    for (int64_t i = first; i < first + n; i++) {
        const uint32_t o = block->left[i], x = block->joined[i];
        const int64_t pair = (int64_t)o * A + ((block->flows[i] >> cell_bits) & actions);
        const double earned = total + extra[pair];
        reward += earned;
        whole += weight * earned;
        weight *= discount;
        if (decisions)
            decisions[pair]++;
        if (by_price) { /* also correct for x = o, up to rounding; a branch on x == o would be mispredicted */
            double *const mu = it->mu, *const standing = it->standing;
            it->before = standing[o];
            total -= (double)counts[o] * standing[o] + (double)counts[x] * standing[x];
            counts[o]--;
            counts[x]++;
            mu[o] = (double)counts[o] / (double)N;
            mu[x] = (double)counts[x] / (double)N;
            standing[o] = it->price(it->model, (int)o, mu);
            standing[x] = it->price(it->model, (int)x, mu);
            total += (double)counts[o] * standing[o] + (double)counts[x] * standing[x];
        } else { /* one agent more adds level + slope (2 c + 1) to c (level + slope c) */
            const int64_t without = --counts[o], before = counts[x];
            total += (margin[2 * x] + margin[2 * x + 1] * (double)before)
                   - (margin[2 * o] + margin[2 * o + 1] * (double)without);
            counts[x] = before + 1;
        }
    }
    it->total = total;
    it->reward = reward;
    it->whole = whole;
    it->weight = weight;
}

/* Plays up to `most` of the n events from t on, all with the same tables; returns the number of those played. */
static inline int64_t tmf_play_events(tmf_events *it, int64_t t, int64_t n, int64_t most)
{
    tmf_block *const block = it->block;
    if (t >= block->end) {
        tmf_begin_block(block, t, block->bounds && block->length < n ? block->length : n, it->draws, it->counts);
        tmf_draw_events(block, it->key, &it->alias, it->draws, it->observations, it->width, t, block->end - t);
    }
    n = most < block->end - t ? most : block->end - t;
    if (it->margin)
        tmf_count_variant(it, t - block->begin, n, 0);
    else
        tmf_count_variant(it, t - block->begin, n, 1);
    return n;
}

#endif
