/* Events at which one agent acts, of which only those that change the counts are drawn; and how long each is waited for.
 *
 * Method     An agent at o that acts leaves for x with probability sum_y c_y q(o, y, x) / N. The pairs (o, y) from which
 *            somebody may leave are `groups`, with weight c_o c_y rate; y = S stands for any partner, c_S = N. An event
 *            changes the counts with probability p = sum of the weights / N^2, and is then of a group in proportion to
 *            its weight. The number of events before it that change nothing is geometric, floor(log(u) / log(1 - p)).
 * Words      Block b of n events takes 3 n words of the stream (key, b, 0, SKIPS), 2 n if every group has one target:
 *            waiting times, groups, targets. Blocks are numbered in the order in which a run draws them.
 * Contract   results have the same bits on every instruction level. Weights are sums of products of nonnegative numbers,
 *            computed from the counts at every event, so that a group of weight 0 is never drawn.
 */
#ifndef TMFCORE_SKIPPING_H
#define TMFCORE_SKIPPING_H

#include <stdint.h>

#include "_base/simd/elementary.h"
#include "_population/events.h"

enum {
    TMF_SKIP_BLOCK = 256, /* most changes whose words are drawn at once */
    TMF_SKIP_NEXT = 8,    /* changes that are drawn at once */
    TMF_SKIP_GROUPS = 128 /* most groups */
};

typedef struct {
    int64_t n_groups;
    int several;            /* whether some group has more than one target */
    int pricing;            /* as in events.h */
    const int32_t *from;    /* (G,) o */
    const int32_t *met;     /* (G,) y, or S */
    const int32_t *first;   /* (G,) the first of its targets */
    const double *rate;     /* (G,) probability that an agent at o that met one at y leaves */
    const int32_t *target;  /* x, for each target */
    const double *below;    /* sums of q(o, y, .) over the targets of a group up to each; the last is its rate */
    double effects[8];      /* (2, 2, 2) see tmf_skip_open */
    double *ahead;          /* (S + 1,) counts after all changes that are drawn, and N */
    double scale;           /* 1 / N^2 */
    const double *wage;     /* (S,) mean of r - r0 over the policy, divided by N */
    double paid;            /* sum of the wages of all agents */
    double decay;           /* log(discount), -709 for 0 */
    int64_t n_words;        /* changes of the block; the last never happens if nobody is left to leave */
    int64_t n_changed;      /* the first of these that are drawn; */
    int64_t n_drawn;        /* those whose waits are drawn; */
    int64_t n_played;       /* those that have happened */
    int64_t stayed;         /* steps whose rewards are not yet in the discounted sum */
    uint32_t left[TMF_SKIP_BLOCK], joined[TMF_SKIP_BLOCK];
    double waits[TMF_SKIP_BLOCK];   /* events that change nothing before each change */
    double choices[TMF_SKIP_BLOCK], targets[TMF_SKIP_BLOCK]; /* in (0, 1) */
    uint64_t words[3 * TMF_SKIP_BLOCK];
} tmf_skip;

#define TMF_NEVER 0x1p62

/* Each of waits (TMF_SKIP_NEXT,), a probability p, becomes log(u) / log(1 - p) for u in (0, 1) from words, at most
 * TMF_NEVER; rounded down, it is geometric. For p = 1, tmf_log_near(0) is -709: the wait is below 1. */
TMF_BY_LEVEL(tmf_wait_next, (double *restrict waits, const uint64_t *restrict words, int64_t n), (waits, words, n))
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const double u = tmf_double_of(words[i] >> 12 | 0x3FF0000000000000u) - (1.0 - 0x1p-53);
        const double p = waits[i] < 1.0 ? waits[i] : 1.0;
        const double wait = -tmf_log_one(u) / (0.0 - tmf_log_near(1.0 - p, -p)); /* no divisor is -0 */
        waits[i] = wait < TMF_NEVER ? wait : TMF_NEVER;
    }
}

TMF_BY_LEVEL(tmf_open_uniforms, (const uint64_t *restrict words, double *restrict out, int64_t n), (words, out, n))
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        out[i] = tmf_double_of(words[i] >> 12 | 0x3FF0000000000000u) - (1.0 - 0x1p-53);
}

/* The weights of the groups, summed up to each; returns their sum. */
TMF_INLINE double tmf_skip_weights(const int64_t G, const tmf_skip *it, double *sums)
{
    const double *const counts = it->ahead;
    double sum = 0;
    for (int64_t g = 0; g < G; g++)
        sums[g] = sum += counts[it->from[g]] * counts[it->met[g]] * it->rate[g];
    return sum;
}

/* Draws the next changes; waits[i] becomes the probability p before change i. */
TMF_INLINE void tmf_skip_changes_of(const int64_t G, tmf_skip *it, int64_t end)
{
    double *restrict const counts = it->ahead;
    double sums[TMF_SKIP_GROUPS];
    for (int64_t i = it->n_changed; i < end; i++) {
        const double sum = tmf_skip_weights(G, it, sums), x = it->choices[i] * sum; /* x < sum, also when rounded */
        it->waits[i] = sum * it->scale;
        if (TMF_UNLIKELY(!(sum > 0))) {
            it->n_words = end = i + 1;
            break;
        }
        int64_t g = 0;
        for (int64_t j = 0; j + 1 < G; j++)
            g += sums[j] <= x;
        int64_t k = it->first[g];
        const double y = it->targets[i] * it->rate[g];
        while (it->below[k] <= y)
            k++;
        it->left[i] = (uint32_t)it->from[g];
        it->joined[i] = (uint32_t)it->target[k];
        counts[it->from[g]] -= 1.0;
        counts[it->target[k]] += 1.0;
    }
    it->n_changed = end;
}

/* The same for two groups with one target each: four counts in registers, changed by constants. A change is of group 0 if
 * u (w0 + w1) < w0 for weights w; as u w1 < (1 - u) w0, it waits for fewer operations on the counts. */
static inline void tmf_skip_changes_of_two(tmf_skip *it, int64_t end)
{
    double *const counts = it->ahead;
    const int32_t o0 = it->from[0], y0 = it->met[0], o1 = it->from[1], y1 = it->met[1];
    const double *const effects = it->effects;
    const double rate0 = it->rate[0], rate1 = it->rate[1], scale = it->scale;
    double a0 = counts[o0], b0 = counts[y0], a1 = counts[o1], b1 = counts[y1];
    for (int64_t i = it->n_changed; i < end; i++) {
        const double u = it->choices[i], w0 = a0 * b0, w1 = a1 * b1, sum = w0 * rate0 + w1 * rate1;
        it->waits[i] = sum * scale;
        if (TMF_UNLIKELY(!(sum > 0))) {
            it->n_words = end = i + 1;
            break;
        }
        const int g = !(w1 * (u * rate1) < w0 * ((1.0 - u) * rate0));
        it->left[i] = (uint32_t)it->from[g];
        it->joined[i] = (uint32_t)it->target[g];
        a0 += effects[g];
        b0 += effects[2 + g];
        a1 += effects[4 + g];
        b1 += effects[6 + g];
    }
    counts[o0] = a0;
    counts[y0] = b0;
    counts[o1] = a1;
    counts[y1] = b1;
    it->n_changed = end;
}

static inline void tmf_skip_changes(tmf_skip *it)
{
    const int64_t end = it->n_changed + TMF_SKIP_NEXT < it->n_words ? it->n_changed + TMF_SKIP_NEXT : it->n_words;
    if (it->n_groups == 2 && !it->several)
        tmf_skip_changes_of_two(it, end);
    else
        TMF_BY_LENGTH(tmf_skip_changes_of, it->n_groups, it, end)
}

/* Draws the waits of the next changes, and changes ahead of them: the processor computes both at the same time, since
 * changes wait for each other, and not for the waits. */
static inline void tmf_skip_next(tmf_skip *it)
{
    const int64_t first = it->n_drawn;
    it->n_drawn = it->n_changed;
    tmf_skip_changes(it);
    tmf_wait_next(it->waits + first, it->words + first, TMF_SKIP_NEXT);
}

/* The probability that the next event changes the counts. */
static inline double tmf_skip_chance(const tmf_skip *it)
{
    double sums[TMF_SKIP_GROUPS];
    return tmf_skip_weights(it->n_groups, it, sums) * it->scale;
}

/* Draws the words of n changes, a multiple of 8 up to TMF_SKIP_BLOCK, as block `block`, after it->ahead is set. */
static inline void tmf_skip_open(tmf_skip *it, const uint64_t *key, uint64_t block, int64_t n)
{
    tmf_stream stream;
    tmf_open(&stream, key, block, 0, TMF_SKIPS);
    tmf_fill(&stream, it->words, (int)(it->several ? 3 * n : 2 * n) / TMF_LANES);
    tmf_open_uniforms(it->words + n, it->choices, n);
    if (it->several)
        tmf_open_uniforms(it->words + 2 * n, it->targets, n);
    for (int g = 0; g < 2 && it->n_groups == 2; g++) { /* what a change of group g adds to the counts of each factor */
        const int32_t factors[4] = {it->from[0], it->met[0], it->from[1], it->met[1]};
        for (int k = 0; k < 4; k++)
            it->effects[2 * k + g] = (double)(factors[k] == it->target[it->first[g]]) - (factors[k] == it->from[g]);
    }
    it->n_words = n;
    it->n_changed = it->n_drawn = it->n_played = 0;
    tmf_skip_changes(it);
    tmf_skip_next(it);
}

/* Adds n > 0 steps with this sum of rewards to the discounted sum. */
TMF_INLINE void tmf_skip_earn(const tmf_skip *it, tmf_events *events, double reward, int64_t n)
{
    if (events->discount == 1.0) {
        events->whole += reward * (double)n;
        return;
    }
    const double lost = tmf_expm1_one((double)n * it->decay); /* discount^n - 1 */
    events->whole += events->weight * reward * (lost / (events->discount - 1.0));
    events->weight += events->weight * lost;
}

TMF_INLINE int64_t tmf_skip_play_variant(tmf_skip *it, tmf_events *events, const int pricing, int64_t n_steps)
{
    double total = events->total, paid = it->paid, reward = events->reward;
    int64_t left = n_steps, i = it->n_played;
    while (i < it->n_words) {
        if (i == it->n_drawn)
            tmf_skip_next(it);
        const double wait = it->waits[i];
        const double earned = pricing == TMF_UNPAID ? 0 : (pricing == TMF_COUPLED ? events->total : total) + paid;
        if (wait >= (double)left) {
            it->waits[i] = wait - (double)left; /* exact */
            it->stayed += left;
            reward += earned * (double)left;
            left = 0;
            break;
        }
        const int64_t n = (int64_t)wait + 1, o = it->left[i], x = it->joined[i++];
        left -= n;
        if (pricing == TMF_UNPAID) {
            it->stayed += n;
        } else {
            reward += earned * (double)n;
            tmf_skip_earn(it, events, earned, n + it->stayed);
            it->stayed = 0;
            paid += it->wage[x] - it->wage[o];
        }
        tmf_move_one(events, &total, o, x, pricing);
    }
    if (pricing != TMF_COUPLED)
        events->total = total;
    it->paid = paid;
    events->reward = reward;
    it->n_played = i;
    return n_steps - left;
}

/* Plays n_steps steps, or as many as there are up to the last change of the block; returns their number. */
static inline int64_t tmf_skip_play(tmf_skip *it, tmf_events *events, int64_t n_steps)
{
    return it->pricing == TMF_UNPAID  ? tmf_skip_play_variant(it, events, TMF_UNPAID, n_steps)
         : it->pricing == TMF_LOCAL   ? tmf_skip_play_variant(it, events, TMF_LOCAL, n_steps)
         : it->pricing == TMF_COUPLED ? tmf_skip_play_variant(it, events, TMF_COUPLED, n_steps)
                                      : tmf_skip_play_variant(it, events, TMF_PRICED, n_steps);
}

#endif
