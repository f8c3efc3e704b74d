/* Events at which one agent acts and may adopt the observation of another one: random numbers, and the loop itself.
 *
 * Words      Agents and partners are those of events.h (TMF_MEETS_ACTS). Of the 512 words that follow in the stream of the
 *            events 256 c.., word t % 256 decides between staying, a random observation and the partner, and word 256 +
 *            t % 256 is the random observation or the level of adoption.
 *            While all agents are at one observation and mutants are rare, the wait for each has a stream of its own (TMF_SKIPS).
 * Contract   results have the same bits on every instruction level; doubles are added in the order of the events.
 */
#ifndef TMFCORE_IMITATION_H
#define TMFCORE_IMITATION_H

#include <stdint.h>

#include "_base/simd/elementary.h"
#include "_population/events.h"
#include "_population/skipping.h"

typedef struct {
    double chances[TMF_CHUNK];
    double uniforms[TMF_CHUNK]; /* in (0, 1) */
    double levels[TMF_CHUNK];   /* log(u / (1 - u)) if logistic, otherwise u */
} tmf_chances;

TMF_BY_LEVEL(tmf_split_chances, (const uint64_t *restrict words, int logistic, tmf_chances *restrict out),
             (words, logistic, out))
{
    /* the 52 high bits of a word, as a double in [1, 2) without its leading 1 */
    for (int i = 0; i < TMF_CHUNK; i++) {
        out->chances[i] = tmf_double_of(words[i] >> 12 | 0x3FF0000000000000u) - 1.0;
        out->uniforms[i] = tmf_double_of(words[TMF_CHUNK + i] >> 12 | 0x3FF0000000000000u) - (1.0 - 0x1p-53);
    }
    if (logistic) {
#pragma omp simd
        for (int i = 0; i < TMF_CHUNK; i++)
            out->levels[i] = tmf_log_one(out->uniforms[i] / (1.0 - out->uniforms[i]));
    } else {
        for (int i = 0; i < TMF_CHUNK; i++)
            out->levels[i] = out->uniforms[i];
    }
}

typedef struct {
    tmf_chances chances;
    int64_t *bounds;           /* (1 + 2^b,) as in tmf_block, but kept up to date */
    int64_t *counts;           /* (S,) */
    double *earned;            /* (S,) M n, with n the counts */
    double *shared;            /* (S,) (M + M') n */
    int64_t *decisions;        /* (S, 2); NULL: not recorded */
    const double *turned;      /* (S, S) M', with M the payoffs */
    const double *both;        /* (S, S) M + M' */
    const double *limits;      /* (S, 2) probabilities of action 0, and of action 0 or a random observation */
    double scale, slope;       /* intensity / N; the sum of all rewards is slope n'M n */
    double total;              /* this sum */
    double reward;             /* its sum over the events */
    double whole, weight, discount; /* the same, discounted; the weight of the next event */
    int64_t left, joined, action; /* of the last event */
} tmf_imitation;

/* With all agents at o, the number of events before the next that changes the counts, which has probability p, and the
 * observation to which this one leads, one of the S - 1 others. */
static inline double tmf_next_mutant(const uint64_t *key, uint64_t number, double p, int64_t S, int64_t o, int64_t *to)
{
    tmf_stream stream;
    uint64_t words[TMF_LANES];
    tmf_open(&stream, key, number, 0, TMF_SKIPS);
    tmf_fill(&stream, words, 1);
    const int64_t other = (int64_t)((double)(words[1] >> 11) * 0x1p-53 * (double)(S - 1));
    *to = other + (other >= o);
    return tmf_wait_of(p, words[0]);
}

/* The observation of an agent, if agents are numbered in order of observation. Few events change a bound: searching the
 * present bounds took less time than locating blocks of agents ahead, as events.h does. */
TMF_INLINE int64_t tmf_stands_at(const int64_t *bounds, const int64_t S, int bits, uint64_t agent)
{
    int64_t o = 0;
    if (S <= 6) /* a constant: sums are shorter than searches */
        for (int64_t k = 1; k < S; k++)
            o += bounds[k] <= (int64_t)agent;
    else
        for (int64_t half = ((int64_t)1 << bits) >> 1; half; half >>= 1)
            o += bounds[o + half] <= (int64_t)agent ? half : 0;
    return o;
}

/* Plays the events t..t + n - 1, all of the chunk that is drawn in `events`. */
TMF_INLINE void tmf_imitate_of(const int64_t S, tmf_imitation *it, const tmf_events *events, int64_t t, int64_t n)
{
    const tmf_draws *const draws = &events->draws;
    const tmf_chances *const drawn = &it->chances;
    const double *restrict const turned = it->turned, *restrict const both = it->both, *const limits = it->limits;
    const double scale = it->scale, slope = it->slope, discount = it->discount;
    double *restrict const earned = it->earned, *restrict const shared = it->shared;
    int64_t *const counts = it->counts, *const bounds = it->bounds, *const decisions = it->decisions;
    void *const observations = events->observations;
    const int width = events->width, bits = events->block.search_bits;
    const int64_t first = t % TMF_CHUNK;
    double total = it->total, reward = it->reward, whole = it->whole, weight = it->weight;
    int64_t o = 0, x = 0, action = 0;
    for (int64_t i = first; i < first + n; i++) {
        int64_t y;
        if (width) {
            if (i + TMF_AHEAD < TMF_CHUNK) {
                tmf_prefetch_one(observations, width, draws->agents[i + TMF_AHEAD]);
                tmf_prefetch_one(observations, width, draws->partners[i + TMF_AHEAD]);
            }
            o = tmf_load_one(observations, width, draws->agents[i]);
            y = tmf_load_one(observations, width, draws->partners[i]);
        } else {
            o = tmf_stands_at(bounds, S, bits, draws->agents[i]);
            y = tmf_stands_at(bounds, S, bits, draws->partners[i]);
        }
        action = drawn->chances[i] >= limits[2 * o];
        /* No branch on y == o, which would be mispredicted: the gain is then 0, and nothing changes. */
        const double gain = scale * (earned[y] - earned[o]);
        x = drawn->levels[i] < gain ? y : o;
        if (drawn->chances[i] < limits[2 * o + 1])
            x = action ? (int64_t)(drawn->uniforms[i] * (double)S) : o;
        if (decisions)
            decisions[2 * o + action]++;
        reward += total;
        whole += weight * total;
        weight *= discount;
        if (x != o) {
            const double *const to = turned + x * S, *const from = turned + o * S;
            const double *const both_to = both + x * S, *const both_from = both + o * S;
            total += slope * ((shared[x] - shared[o]) + (to[x] + from[o]) - (to[o] + from[x]));
            if (S <= 6) {
                for (int64_t k = 0; k < S; k++) {
                    earned[k] += to[k] - from[k];
                    shared[k] += both_to[k] - both_from[k];
                }
                for (int64_t k = 1; k < S; k++)
                    bounds[k] += (x < k) - (o < k);
            } else {
                const int64_t sign = x < o ? 1 : -1, last = x < o ? o : x;
                tmf_add_difference(earned, to, from, S);
                tmf_add_difference(shared, both_to, both_from, S);
                for (int64_t k = (x < o ? x : o) + 1; k <= last; k++)
                    bounds[k] += sign;
            }
            counts[o]--;
            counts[x]++;
            if (width)
                tmf_store_one(observations, width, draws->agents[i], (uint32_t)x);
        }
    }
    it->total = total;
    it->reward = reward;
    it->whole = whole;
    it->weight = weight;
    it->left = o;
    it->joined = x;
    it->action = action;
}

static inline void tmf_imitate(tmf_imitation *it, const tmf_events *events, int64_t t, int64_t n)
{
    TMF_BY_LENGTH(tmf_imitate_of, events->block.n_observations, it, events, t, n)
}

#endif
