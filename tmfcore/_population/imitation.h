/* Events at which one agent acts and may adopt the observation of another one: random numbers, and the loop itself.
 *
 * Words      Event t uses words t % 256 of three blocks of 256 in the stream (key, t / 256, 0, SINGLES): the halves of the
 *            first choose the agent (high) and its partner (low), the second decides between staying, a random observation
 *            and the partner, the third the random observation or the level of adoption. Halves that must be rejected
 *            are replaced by those of the Philox words at the addresses (t, attempt, SINGLES_AGAIN). Populations of 2^32
 *            agents or more take a word for the agent and one for the partner.
 * Contract   results have the same bits on every instruction level; doubles are added in the order of the events.
 */
#ifndef TMFCORE_IMITATION_H
#define TMFCORE_IMITATION_H

#include <stdint.h>

#include "_base/simd/elementary.h"
#include "_population/observations.h"
#include "_random/streams.h"

enum {
    TMF_MEETINGS = 256, /* events whose random numbers are drawn at once */
    TMF_SOON = 32       /* events from the prefetch of an observation to its use */
};

typedef struct {
    uint64_t agents[TMF_MEETINGS], partners[TMF_MEETINGS];
    double chances[TMF_MEETINGS];
    double uniforms[TMF_MEETINGS]; /* in (0, 1) */
    double levels[TMF_MEETINGS];   /* log(u / (1 - u)) if logistic, otherwise u */
} tmf_meetings;

TMF_BY_LEVEL(tmf_split_meetings, (const uint64_t *restrict words, uint64_t n, uint64_t threshold,
                                  tmf_meetings *restrict out, uint32_t *restrict biased),
             (words, n, threshold, out, biased))
{
    uint32_t any = 0;
    for (int i = 0; i < TMF_MEETINGS; i++) {
        const uint64_t agent = (words[i] >> 32) * n, partner = (words[i] & 0xFFFFFFFFu) * n;
        out->agents[i] = agent >> 32;
        out->partners[i] = partner >> 32;
        any |= ((uint32_t)agent < (uint32_t)threshold) | ((uint32_t)partner < (uint32_t)threshold);
    }
    *biased = any;
}

TMF_BY_LEVEL(tmf_split_chances, (const uint64_t *restrict words, int logistic, tmf_meetings *restrict out),
             (words, logistic, out))
{
    /* the 52 high bits of a word, as a double in [1, 2) without its leading 1 */
    for (int i = 0; i < TMF_MEETINGS; i++) {
        out->chances[i] = tmf_double_of(words[i] >> 12 | 0x3FF0000000000000u) - 1.0;
        out->uniforms[i] = tmf_double_of(words[TMF_MEETINGS + i] >> 12 | 0x3FF0000000000000u) - (1.0 - 0x1p-53);
    }
    if (logistic) {
#pragma omp simd
        for (int i = 0; i < TMF_MEETINGS; i++)
            out->levels[i] = tmf_log_one(out->uniforms[i] / (1.0 - out->uniforms[i]));
    } else {
        for (int i = 0; i < TMF_MEETINGS; i++)
            out->levels[i] = out->uniforms[i];
    }
}

/* The index below n of a 32-bit word that was rejected: by one half of new words. */
static inline uint64_t tmf_choose_again(const uint64_t key[4], int64_t t, int shift, uint64_t n, uint64_t threshold)
{
    uint64_t product, attempt = 0;
    do
        product = (tmf_again(key, (uint64_t)t, ++attempt, TMF_SINGLES_AGAIN) >> shift & 0xFFFFFFFFu) * n;
    while ((uint32_t)product < threshold);
    return product >> 32;
}

/* The random numbers of the events 256 chunk...; words is scratch (2 * 256,). */
static inline void tmf_draw_meetings(const uint64_t key[4], int64_t chunk, uint64_t n, int logistic, uint64_t *words,
                                     tmf_meetings *out)
{
    tmf_stream stream;
    tmf_open(&stream, key, (uint64_t)chunk, 0, TMF_SINGLES);
    tmf_fill(&stream, words, TMF_MEETINGS / TMF_LANES);
    if (n >> 32) {
        tmf_below(&stream, words, n, out->agents, TMF_MEETINGS);
        tmf_fill(&stream, words, TMF_MEETINGS / TMF_LANES);
        tmf_below(&stream, words, n, out->partners, TMF_MEETINGS);
    } else {
        const uint64_t threshold = ((uint64_t)1 << 32) % n;
        uint32_t biased;
        tmf_split_meetings(words, n, threshold, out, &biased);
        for (int i = 0; i < (biased ? TMF_MEETINGS : 0); i++) {
            const int64_t t = chunk * TMF_MEETINGS + i;
            if ((uint32_t)((words[i] >> 32) * n) < threshold)
                out->agents[i] = tmf_choose_again(key, t, 32, n, threshold);
            if ((uint32_t)((words[i] & 0xFFFFFFFFu) * n) < threshold)
                out->partners[i] = tmf_choose_again(key, t, 0, n, threshold);
        }
    }
    tmf_fill(&stream, words, 2 * TMF_MEETINGS / TMF_LANES);
    tmf_split_chances(words, logistic, out);
}

typedef struct {
    const tmf_meetings *drawn;
    int64_t n_observations;
    int search_bits;           /* least b with 2^b >= S */
    int width;                 /* bytes of an observation; 0: individuals are not stored */
    void *observations;        /* (N,) */
    int64_t *bounds;           /* (2^b,) the first agent at each observation, in order of observation; beyond S: 2^62 */
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

/* sums[k] += to[k] - from[k] */
TMF_BY_LEVEL(tmf_add_difference, (double *restrict sums, const double *restrict to, const double *restrict from, int64_t n),
             (sums, to, from, n))
{
#pragma omp simd
    for (int64_t k = 0; k < n; k++)
        sums[k] += to[k] - from[k];
}

/* The observation of an agent, if agents are numbered in order of observation. */
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

TMF_INLINE void tmf_imitate_of(const int64_t S, tmf_imitation *it, int64_t first, int64_t n)
{
    const tmf_meetings *const drawn = it->drawn;
    const double *restrict const turned = it->turned, *restrict const both = it->both, *const limits = it->limits;
    const double scale = it->scale, slope = it->slope, discount = it->discount;
    double *restrict const earned = it->earned, *restrict const shared = it->shared;
    int64_t *const counts = it->counts, *const bounds = it->bounds, *const decisions = it->decisions;
    void *const observations = it->observations;
    const int width = it->width, bits = it->search_bits;
    double total = it->total, reward = it->reward, whole = it->whole, weight = it->weight;
    int64_t o = 0, x = 0, action = 0;
    for (int64_t i = first; i < first + n; i++) {
        int64_t y;
        if (width) {
            if (i + TMF_SOON < TMF_MEETINGS) {
                tmf_prefetch_one(observations, width, drawn->agents[i + TMF_SOON]);
                tmf_prefetch_one(observations, width, drawn->partners[i + TMF_SOON]);
            }
            o = tmf_load_one(observations, width, drawn->agents[i]);
            y = tmf_load_one(observations, width, drawn->partners[i]);
        } else {
            o = tmf_stands_at(bounds, S, bits, drawn->agents[i]);
            y = tmf_stands_at(bounds, S, bits, drawn->partners[i]);
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
                tmf_store_one(observations, width, drawn->agents[i], (uint32_t)x);
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

/* Plays the events first..first + n - 1 of the chunk that is drawn. */
static inline void tmf_imitate(tmf_imitation *it, int64_t first, int64_t n)
{
    TMF_BY_LENGTH(tmf_imitate_of, it->n_observations, it, first, n)
}

#endif
