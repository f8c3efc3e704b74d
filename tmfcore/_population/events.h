/* Events at which one agent acts: its place, and the loop of those drawn from alias tables (Theory, section 5).
 *
 * Steps      Event t is step t if one agent acts at a step. If a batch of `size` agents acts, events t size.. are step t:
 *            each agent is drawn from those that have not acted at this step, and all arrive when the step ends.
 * Contract   results have the same bits on every instruction level; doubles are added in the order of the events.
 */
#ifndef TMFCORE_EVENTS_H
#define TMFCORE_EVENTS_H

#include <stdint.h>
#include <string.h>

#include "_population/alias.h"
#include "_population/draws.h"
#include "_population/observations.h"

enum {
    TMF_AHEAD = 32, /* events from the prefetch of an agent's observation to its use */
    TMF_FEW = 16    /* observations whose changes are counted one observation after the other */
};

#define TMF_UNSURE 0x80000000u /* added to a place that earlier events of its block may have changed */

/* Events begin..end - 1, all of one chunk. */
typedef struct {
    int64_t begin, end;
    uint32_t left[TMF_CHUNK], joined[TMF_CHUNK]; /* the observation of the acting agent before and after the event */
    uint32_t met[TMF_CHUNK];                     /* the observation of its partner before the event */
    uint32_t pairs[TMF_CHUNK], cells[TMF_CHUNK]; /* observation and action, and the cell drawn in their row */
    int64_t length;          /* events of a full block, which has whole steps */
    int64_t chunk;           /* events of a chunk */
    int64_t first;           /* the first event of the block among those of its chunk */
    int64_t size;            /* events of a step */
    int64_t n_observations;  /* S */
    int search_bits;         /* least b with 2^b >= S */
    int64_t *bounds; /* (1 + 2^b,) the first agent of each observation when the block began; NULL if individuals are
                        stored. Otherwise the i-th agent is the i-th in order of observation. */
} tmf_block;

/* Locates n agents among up to 2^bits observations: few bounds are all compared, which vectors do in less time than a
 * bisection takes; of many, those of eighths, and the rest is bisected. An event changes a running sum of the counts by
 * at most 1, even if its agent arrives later, so that a place is certain if its agent is at least n agents away from both of its bounds. */
TMF_INLINE void tmf_locate_of(const int bits, const int64_t *restrict bounds, const uint64_t *restrict agents, int64_t n,
                              uint32_t *restrict places)
{
    for (int64_t i = 0; bits <= 4 && i < n; i++) {
        const int64_t above = (int64_t)agents[i] + n, below = (int64_t)agents[i] - n;
        uint32_t most = 0, least = 0;
        for (int k = 1; k < 1 << bits; k++) {
            most += bounds[k] <= above;
            least += bounds[k] <= below;
        }
        places[i] = least | (most == least ? 0 : TMF_UNSURE);
    }
    for (int64_t i = 0; bits > 4 && i < n; i++) {
        uint32_t part = 0;
        for (int k = 1; k < 8; k++)
            part += bounds[k << (bits - 3)] <= (int64_t)agents[i];
        places[i] = part << (bits - 3);
    }
    for (int64_t i = 0; bits > 4 && i < n; i++) {
        int64_t agent = (int64_t)agents[i], o = places[i];
        for (int64_t half = ((int64_t)1 << (bits - 3)) >> 1; half; half >>= 1)
            o += bounds[o + half] <= agent ? half : 0;
        const int certain = (agent - bounds[o] >= n) & (bounds[o + 1] - agent > n);
        places[i] = (uint32_t)o | (certain ? 0 : TMF_UNSURE);
    }
}

TMF_BY_LEVEL(tmf_locate, (int bits, const int64_t *bounds, const uint64_t *agents, int64_t n, uint32_t *places),
             (bits, bounds, agents, n, places))
{
    TMF_BY_LENGTH(tmf_locate_of, bits, bounds, agents, n, places)
}

/* Begins a block of up to n events at event t; if individuals are not stored, locates its agents by the counts. */
static inline void tmf_begin_block(tmf_block *block, int64_t t, int64_t n, const tmf_draws *draws,
                                   const int64_t *counts, int meets)
{
    int64_t running = 0;
    block->first = t % block->chunk;
    n = n < block->chunk - block->first ? n : block->chunk - block->first;
    block->begin = t;
    block->end = t + n;
    if (!block->bounds)
        return;
    for (int64_t o = 0; o + 1 < block->n_observations; o++)
        block->bounds[o + 1] = running += counts[o];
    tmf_locate(block->search_bits, block->bounds, draws->agents + block->first, n, block->left);
    if (meets)
        tmf_locate(block->search_bits, block->bounds, draws->partners + block->first, n, block->met);
}

/* The place of an agent at event i of the block, where it was at `place` when the block began. */
static TMF_NOINLINE uint32_t tmf_relocate(const tmf_block *block, uint32_t place, int64_t agent, int64_t i)
{
    const int64_t arrived = i - i % block->size;
    for (;;) {
        int64_t first = block->bounds[place], last = block->bounds[place + 1];
        for (int64_t j = 0; j < arrived; j++) {
            first += (int64_t)(block->joined[j] < place) - (int64_t)(block->left[j] < place);
            last += (int64_t)(block->joined[j] <= place) - (int64_t)(block->left[j] <= place);
        }
        for (int64_t j = arrived; j < i; j++) {
            first -= block->left[j] < place;
            last -= block->left[j] <= place;
        }
        if (first <= agent && agent < last)
            return place;
        place += agent < first ? -1u : 1;
    }
}

/* The place of an agent at event i of the block; places: block->left or block->met. */
TMF_INLINE uint32_t tmf_place(const tmf_block *block, uint32_t *places, int64_t i, uint64_t agent)
{
    if (TMF_UNLIKELY(places[i] & TMF_UNSURE))
        places[i] = tmf_relocate(block, places[i] ^ TMF_UNSURE, (int64_t)agent, i);
    return places[i];
}

/* The alias tables of events. TMF_ALONE: `first` draws action and cell. With meetings, `first` draws the action, if there
 * are several, and `second` the cell in the row of the pair and the observation of the partner, rows[pair].first +
 * (y & rows[pair].mask). */
typedef struct {
    int kind;
    tmf_alias first, second;
    const struct tmf_met_rows { uint32_t first, mask; } *rows;
    const int32_t *successor; /* (S, A, K) of the cells of `second`; NULL: themselves */
    int64_t n_actions, n_successors;
} tmf_event_tables;

/* The flow of event t after a tie in a row. Not inlined: the registers of the loop would be spilled for it. */
static TMF_NOINLINE uint32_t tmf_tied(const tmf_alias *alias, uint32_t row, uint32_t random, const uint64_t *key,
                                      int64_t t)
{
    return tmf_draw_tie(alias, row, random, tmf_tie(key, t));
}

/* Draws the n events of a block that begins at t, and moves their agents if individuals are stored in `width` bytes. */
TMF_INLINE void tmf_draw_variant(tmf_block *block, const uint64_t *key, const tmf_event_tables *tables,
                                 const tmf_draws *draws, void *observations, const int width, const int kind,
                                 int64_t t, int64_t n)
{
    const int meets = kind != TMF_ALONE;
    const tmf_alias alias = tables->first, rows = tables->second;
    const uint32_t actions = (1u << (alias.column_bits - alias.cell_bits)) - 1;
    const uint32_t cells = meets ? (1u << rows.column_bits) - 1 : (1u << alias.cell_bits) - 1;
    const int64_t A = tables->n_actions, K = tables->n_successors;
    const struct tmf_met_rows *const met = tables->rows;
    const int32_t *const successor = tables->successor;
    const int64_t first = block->first, ahead = TMF_CHUNK - first - TMF_AHEAD;
    for (int64_t i = 0; i < n; i++) {
        const int64_t event = first + i;
        const uint64_t agent = draws->agents[event];
        uint32_t o, y = 0, x, flow;
        if (width) {
            if (i < ahead) {
                tmf_prefetch_one(observations, width, draws->agents[event + TMF_AHEAD]);
                if (meets)
                    tmf_prefetch_one(observations, width, draws->partners[event + TMF_AHEAD]);
            }
            block->left[i] = o = tmf_load_one(observations, width, agent);
            if (meets)
                y = tmf_load_one(observations, width, draws->partners[event]);
        } else {
            o = tmf_place(block, block->left, i, agent);
            if (meets)
                y = tmf_place(block, block->met, i, draws->partners[event]);
        }
        const uint32_t random = draws->moves[event];
        if (kind == TMF_MEETS) {
            const uint32_t row = met[o].first + (y & met[o].mask);
            if (TMF_UNLIKELY(!tmf_draw_first(&rows, row, random, &flow)))
                flow = tmf_tied(&tables->second, row, random, key, t + i);
            x = flow & cells;
            if (successor) {
                block->cells[i] = x;
                x = (uint32_t)successor[o * K + x];
            }
        } else if (kind == TMF_MEETS_ACTS) {
            const uint64_t acts = draws->words[2 * event], goes = draws->words[2 * event + 1];
            flow = tmf_draw_one(&alias, o, (uint32_t)(acts >> 32), (uint32_t)acts);
            const uint32_t pair = (uint32_t)(o * A) + ((flow >> alias.cell_bits) & actions);
            const uint32_t row = met[pair].first + (y & met[pair].mask);
            const uint32_t cell = cells & tmf_draw_one(&rows, row, (uint32_t)(goes >> 32), (uint32_t)goes);
            x = successor ? (uint32_t)successor[pair * K + cell] : cell;
            block->pairs[i] = pair;
            block->cells[i] = cell;
        } else {
            if (TMF_UNLIKELY(!tmf_draw_first(&alias, o, random, &flow)))
                flow = tmf_tied(&tables->first, o, random, key, t + i);
            x = tmf_successor(&alias, flow);
            block->cells[i] = flow; /* until below */
        }
        block->joined[i] = x;
        if (width)
            tmf_store_one(observations, width, agent, x);
    }
    if (kind == TMF_MEETS) {
        memcpy(block->pairs, block->left, (size_t)n * sizeof(uint32_t));
        if (!successor)
            memcpy(block->cells, block->joined, (size_t)n * sizeof(uint32_t));
    }
    for (int64_t i = 0; !meets && i < n; i++) { /* a loop of its own: vectors take a fraction of the time */
        block->pairs[i] = (uint32_t)(block->left[i] * A) + ((block->cells[i] >> alias.cell_bits) & actions);
        block->cells[i] &= cells;
    }
}

TMF_BY_LEVEL(tmf_draw_events, (tmf_block *block, const uint64_t *key, const tmf_event_tables *tables,
                               const tmf_draws *draws, void *observations, int width, int64_t t, int64_t n),
             (block, key, tables, draws, observations, width, t, n))
{
#define TMF_DRAW_OF(kind) \
    if (width == 0) \
        tmf_draw_variant(block, key, tables, draws, observations, 0, kind, t, n); \
    else if (width == 1) \
        tmf_draw_variant(block, key, tables, draws, observations, 1, kind, t, n); \
    else \
        tmf_draw_variant(block, key, tables, draws, observations, width, kind, t, n);
    if (tables->kind == TMF_ALONE) {
        TMF_DRAW_OF(TMF_ALONE)
    } else if (tables->kind == TMF_MEETS) {
        TMF_DRAW_OF(TMF_MEETS)
    } else {
        TMF_DRAW_OF(TMF_MEETS_ACTS)
    }
#undef TMF_DRAW_OF
}

typedef double (*tmf_standing_reward)(void *model, int observation, const double *mu);

/* How the sum of r0 over all agents is kept up to date. */
enum {
    TMF_LOCAL,   /* r0(o) = level[o] + slope[o] counts[o] */
    TMF_COUPLED, /* r0(o) = level[o] + sum_y slope[o, y] counts[y] */
    TMF_PRICED,  /* r0(o) depends on mu(o) only, and `price` computes it */
    TMF_UNPAID   /* all rewards are 0 */
};

typedef struct {
    const uint64_t *key;
    tmf_draws draws;
    tmf_block block;
    tmf_batch batch;
    tmf_event_tables tables;
    int64_t n_agents;
    void *observations;     /* (N,) of `width` bytes; NULL, width 0: individuals are not stored */
    int width, pricing;
    int64_t *counts;        /* (S,) */
    int64_t *decisions;     /* (S, A); NULL: not recorded */
    const double *extra;    /* (S, A) r - r0 */
    const double *margin;   /* TMF_LOCAL: (S, 2) level + slope, 2 slope */
    const double *coupling; /* TMF_COUPLED: (S, S) Q = slope + its transpose */
    double *pull;           /* TMF_COUPLED: (S,) level + Q counts */
    tmf_standing_reward price;
    void *model;
    double *mu, *standing;  /* TMF_PRICED: (S,) counts / N and r0 */
    double total;           /* sum of r0 over all agents */
    double reward;          /* sum of the rewards of all agents over the events */
    double whole, weight, discount; /* the same, discounted; the weight of the next event */
} tmf_events;

TMF_BY_LEVEL(tmf_add_difference, (double *restrict out, const double *more, const double *less, int64_t n),
             (out, more, less, n))
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        out[i] += more[i] - less[i];
}

/* Updates total and pull if r0 is coupled and one agent moves from o to x. The sum is level' c + c' Q c / 2. */
static inline void tmf_pull(tmf_events *it, int64_t o, int64_t x)
{
    const int64_t S = it->block.n_observations;
    const double *const to = it->coupling + x * S, *const from = it->coupling + o * S;
    it->total += (it->pull[x] - it->pull[o]) + ((to[x] + from[o]) * 0.5 - from[x]);
    tmf_add_difference(it->pull, to, from, S);
}

/* counts (S,) += how many of n agents arrive at each observation, minus how many leave it. */
TMF_BY_LEVEL(tmf_count_changes, (const uint32_t *restrict left, const uint32_t *restrict joined, int64_t n,
                                 int64_t n_observations, int64_t *restrict counts),
             (left, joined, n, n_observations, counts))
{
    for (int64_t o = 0; o < n_observations; o++) {
        int32_t change = 0;
#pragma omp simd reduction(+ : change)
        for (int64_t i = 0; i < n; i++)
            change += (joined[i] == (uint32_t)o) - (left[i] == (uint32_t)o);
        counts[o] += change;
    }
}

/* Counts the events of the block from `first` on, of which no agent earns anything. */
static inline void tmf_count_unpaid(tmf_events *it, int64_t first, int64_t n)
{
    const tmf_block *const block = &it->block;
    const int64_t S = block->n_observations;
    int64_t *const counts = it->counts, *const decisions = it->decisions;
    if (S <= TMF_FEW) {
        tmf_count_changes(block->left + first, block->joined + first, n, S, counts);
    } else {
        for (int64_t i = first; i < first + n; i++) {
            counts[block->left[i]]--;
            counts[block->joined[i]]++;
        }
    }
    for (int64_t i = first; decisions && i < first + n; i++)
        decisions[block->pairs[i]]++;
    for (int64_t i = 0; it->discount != 1 && i < n; i += block->size)
        it->weight *= it->discount;
}

/* Moves one agent from o to x: counts, and the sum of r0 over all agents, which is *total unless r0 is coupled. */
TMF_INLINE void tmf_move_one(tmf_events *it, double *total, int64_t o, int64_t x, const int pricing)
{
    const double *const margin = it->margin;
    int64_t *const counts = it->counts;
    double *const mu = it->mu, *const standing = it->standing;
    if (pricing == TMF_LOCAL) { /* one agent more adds level + slope (2 c + 1) to c (level + slope c) */
        const int64_t without = --counts[o], before = counts[x];
        *total += (margin[2 * x] + margin[2 * x + 1] * (double)before)
                - (margin[2 * o] + margin[2 * o + 1] * (double)without);
        counts[x] = before + 1;
    } else if (pricing == TMF_PRICED) { /* also correct for x = o, up to rounding; a branch on it would be mispredicted */
        *total -= (double)counts[o] * standing[o] + (double)counts[x] * standing[x];
        counts[o]--;
        counts[x]++;
        mu[o] = (double)counts[o] / (double)it->n_agents;
        mu[x] = (double)counts[x] / (double)it->n_agents;
        standing[o] = it->price(it->model, (int)o, mu);
        standing[x] = it->price(it->model, (int)x, mu);
        *total += (double)counts[o] * standing[o] + (double)counts[x] * standing[x];
    } else {
        if (pricing == TMF_COUPLED)
            tmf_pull(it, o, x);
        counts[o]--;
        counts[x]++;
    }
}

/* Counts the events of the block from `first` on, and their rewards. */
TMF_INLINE void tmf_count_variant(tmf_events *it, int64_t first, int64_t n, const int pricing)
{
    const tmf_block *const block = &it->block;
    const double *const extra = it->extra;
    const double discount = it->discount;
    int64_t *const decisions = it->decisions;
    double total = it->total, reward = it->reward, whole = it->whole, weight = it->weight;
    for (int64_t i = first; i < first + n; i++) {
        const uint32_t o = block->left[i], x = block->joined[i], pair = block->pairs[i];
        const double earned = (pricing == TMF_COUPLED ? it->total : total) + extra[pair];
        reward += earned;
        whole += weight * earned;
        weight *= discount;
        if (decisions)
            decisions[pair]++;
        tmf_move_one(it, &total, o, x, pricing);
    }
    if (pricing != TMF_COUPLED)
        it->total = total;
    it->reward = reward;
    it->whole = whole;
    it->weight = weight;
}

/* As tmf_count_variant, for steps of several events: mu and the sum of r0 stay what they are until a step ends. */
static inline void tmf_count_batches(tmf_events *it, int64_t first, int64_t n)
{
    const tmf_block *const block = &it->block;
    const double *const margin = it->margin;
    const int64_t size = block->size;
    int64_t *const counts = it->counts;
    for (int64_t i = first; i < first + n; i += size) {
        const uint32_t *const left = block->left + i, *const joined = block->joined + i, *const pairs = block->pairs + i;
        double total = it->total, earned = total;
        for (int64_t j = 0; j < size; j++)
            earned += it->extra[pairs[j]];
        it->reward += earned;
        it->whole += it->weight * earned;
        it->weight *= it->discount;
        for (int64_t j = 0; it->decisions && j < size; j++)
            it->decisions[pairs[j]]++;
        for (int64_t j = 0; it->pricing == TMF_LOCAL && j < size; j++)
            total -= margin[2 * left[j]] + margin[2 * left[j] + 1] * (double)--counts[left[j]];
        for (int64_t j = 0; it->pricing == TMF_LOCAL && j < size; j++)
            total += margin[2 * joined[j]] + margin[2 * joined[j] + 1] * (double)counts[joined[j]]++;
        for (int64_t j = 0; it->pricing == TMF_COUPLED && j < size; j++)
            tmf_move_one(it, &total, left[j], joined[j], TMF_COUPLED);
        for (int64_t j = 0; it->pricing == TMF_PRICED && j < size; j++)
            tmf_move_one(it, &total, left[j], joined[j], TMF_PRICED);
        if (it->pricing != TMF_COUPLED)
            it->total = total;
    }
}

/* Plays up to `most` of the n events from t on, all with the same tables; returns the number of those played. */
static inline int64_t tmf_play_events(tmf_events *it, int64_t t, int64_t n, int64_t most)
{
    tmf_block *const block = &it->block;
    if (t >= block->end) {
        n = block->bounds && block->length < n ? block->length : n;
        tmf_begin_block(block, t, n, &it->draws, it->counts, it->tables.kind != TMF_ALONE);
        tmf_draw_events(block, it->key, &it->tables, &it->draws, it->observations, it->width, t, block->end - t);
    }
    n = most < block->end - t ? most : block->end - t;
    if (it->pricing == TMF_UNPAID)
        tmf_count_unpaid(it, t - block->begin, n);
    else if (block->size > 1)
        tmf_count_batches(it, t - block->begin, n);
    else if (it->pricing == TMF_LOCAL)
        tmf_count_variant(it, t - block->begin, n, TMF_LOCAL);
    else if (it->pricing == TMF_COUPLED)
        tmf_count_variant(it, t - block->begin, n, TMF_COUPLED);
    else
        tmf_count_variant(it, t - block->begin, n, TMF_PRICED);
    return n;
}

#endif
