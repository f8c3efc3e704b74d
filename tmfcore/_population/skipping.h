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
    TMF_SKIP_SURE = 16,   /* changes of two groups that are chosen at once if the counts cannot alter the choice */
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
    double *ahead;          /* (S + 1,) counts after all changes drawn (two groups: before the block), and N */
    double scale;           /* 1 / N^2 */
    const double *wage;     /* (S,) mean of r - r0 over the policy, divided by N */
    double paid;            /* sum of the wages of all agents */
    double discount, decay; /* log(discount), -709 for 0 */
    int64_t n_words;        /* changes of the block; the last never happens if nobody is left to leave */
    int64_t n_changed;      /* the first of these that are drawn; */
    int64_t n_drawn;        /* those whose waits are drawn; */
    int64_t n_played;       /* those that have happened */
    int64_t stayed;         /* steps whose rewards are not yet in the discounted sum */
    uint32_t left[TMF_SKIP_BLOCK], joined[TMF_SKIP_BLOCK];
    double waits[TMF_SKIP_BLOCK];   /* events that change nothing before each change */
    double losses[TMF_SKIP_BLOCK];  /* discount^n - 1 for the n steps up to each change; if there are rewards */
    double choices[TMF_SKIP_BLOCK], targets[TMF_SKIP_BLOCK]; /* in (0, 1) */
    uint64_t words[3 * TMF_SKIP_BLOCK];
    /* Of two groups with one target each: */
    double effects[8];                    /* (4, 2) what a change of each group adds to c_o, c_y of either group; */
    double least[4], most[4];             /* the least and the most that a change adds */
    uint32_t second[TMF_SKIP_BLOCK];      /* whether a change is of group 1 */
    double spans[TMF_SKIP_BLOCK / 8];     /* of every 8 changes, all steps up to the last, */
    uint32_t seconds[TMF_SKIP_BLOCK / 8]; /* and how many are of group 1 */
} tmf_skip;

/* Two groups with one target each: whole blocks are drawn at once. */
static inline int tmf_skip_is_of_two(const tmf_skip *it)
{
    return it->n_groups == 2 && !it->several;
}

#define TMF_NEVER 0x1p62

/* floor(log(u) / log(1 - p)), at most TMF_NEVER, for u in (0, 1) from a word: geometric. For p = 1, tmf_log_near(0) is
 * -709: the wait is 0. */
TMF_INLINE double tmf_wait_of(double p, uint64_t word)
{
    const double u = tmf_double_of(word >> 12 | 0x3FF0000000000000u) - (1.0 - 0x1p-53), likely = p < 1.0 ? p : 1.0;
    const double wait = -tmf_log_one(u) / (0.0 - tmf_log_near(1.0 - likely, -likely)); /* no divisor is -0 */
    const double nearest = (wait + 0x1p52) - 0x1p52;
    const double whole = nearest - (nearest > wait ? 1.0 : 0.0);
    return wait < 0x1p52 ? whole : wait < TMF_NEVER ? wait : TMF_NEVER;
}

/* Each of waits (n,), a probability, becomes a wait. */
TMF_BY_LEVEL(tmf_wait_next, (double *restrict waits, const uint64_t *restrict words, int64_t n), (waits, words, n))
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        waits[i] = tmf_wait_of(waits[i], words[i]);
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

/* Draws the changes first..last - 1 of two groups one by one, as above. A change is of group 0 if u (w0 + w1) < w0 for
 * weights w; as u w1 < (1 - u) w0, it waits for fewer operations on the counts. at: INOUT, the counts of o and y. */
static TMF_NOINLINE void tmf_skip_chain(tmf_skip *it, double at[4], int64_t first, int64_t last)
{
    const double *const effects = it->effects;
    const double rate0 = it->rate[0], rate1 = it->rate[1], scale = it->scale;
    double a0 = at[0], b0 = at[1], a1 = at[2], b1 = at[3];
    for (int64_t i = first; i < last; i++) {
        const double u = it->choices[i], w0 = a0 * b0, w1 = a1 * b1, sum = w0 * rate0 + w1 * rate1;
        it->waits[i] = sum * scale;
        if (TMF_UNLIKELY(!(sum > 0))) {
            it->n_words = i + 1;
            break;
        }
        const int g = !(w1 * (u * rate1) < w0 * ((1.0 - u) * rate0));
        it->second[i] = (uint32_t)g;
        a0 += effects[g];
        b0 += effects[2 + g];
        a1 += effects[4 + g];
        b1 += effects[6 + g];
    }
    at[0] = a0;
    at[1] = b0;
    at[2] = a1;
    at[3] = b1;
}

/* Draws m changes at once, if the least and the greatest weights that these can bring about choose the same groups: no
 * change waits for another then. Since rounding is monotone, the groups are those of tmf_skip_chain, and so are the
 * weights, computed from the same counts. Returns 0, and draws nothing, if some group is not sure. */
TMF_INLINE int tmf_skip_sure(tmf_skip *restrict it, double at[4], int64_t first)
{
    enum { m = TMF_SKIP_SURE };
    const double *const effects = it->effects, *restrict const choices = it->choices + first;
    const double rate0 = it->rate[0], rate1 = it->rate[1], scale = it->scale;
    double *restrict const waits = it->waits + first, low[4], high[4];
    uint32_t *restrict const second = it->second + first, before[m], unsure = 0, seconds = 0;
    for (int k = 0; k < 4; k++) {
        low[k] = at[k] + it->least[k] * (double)m;
        high[k] = at[k] + it->most[k] * (double)m;
        unsure |= !(low[k] > 0);
    }
    const double low0 = low[0] * low[1], low1 = low[2] * low[3], high0 = high[0] * high[1], high1 = high[2] * high[3];
#pragma omp simd reduction(|: unsure)
    for (int64_t i = 0; i < m; i++) {
        const double y = choices[i] * rate1, z = (1.0 - choices[i]) * rate0;
        const uint32_t maybe = high1 * y < low0 * z ? 0 : 1, surely = low1 * y < high0 * z ? 0 : 1;
        second[i] = maybe;
        unsure |= maybe ^ surely;
    }
    if (unsure)
        return 0;
    for (int64_t i = 0; i < m; i++) {
        before[i] = seconds;
        seconds += second[i];
    }
#pragma omp simd
    for (int64_t i = 0; i < m; i++) {
        const double s = (double)(int32_t)before[i], f = (double)(int32_t)i - s;
        const double w0 = (at[0] + (f * effects[0] + s * effects[1])) * (at[1] + (f * effects[2] + s * effects[3]));
        const double w1 = (at[2] + (f * effects[4] + s * effects[5])) * (at[3] + (f * effects[6] + s * effects[7]));
        waits[i] = (w0 * rate0 + w1 * rate1) * scale;
    }
    for (int k = 0; k < 4; k++)
        at[k] += ((double)m - seconds) * effects[2 * k] + seconds * effects[2 * k + 1];
    return 1;
}

/* Draws all changes of a block of two groups, and their waits. */
TMF_BY_LEVEL(tmf_skip_two, (tmf_skip *restrict it), (it))
{
    double at[4] = {it->ahead[it->from[0]], it->ahead[it->met[0]], it->ahead[it->from[1]], it->ahead[it->met[1]]};
    for (int64_t first = 0, m; first < it->n_words; first += m) {
        m = it->n_words - first < TMF_SKIP_SURE ? it->n_words - first : TMF_SKIP_SURE;
        if (m < TMF_SKIP_SURE || !tmf_skip_sure(it, at, first))
            tmf_skip_chain(it, at, first, first + m);
        double *restrict const waits = it->waits + first;
        const uint64_t *restrict const words = it->words + first;
#pragma omp simd
        for (int64_t i = 0; i < m; i++)
            waits[i] = tmf_wait_of(waits[i], words[i]);
    }
}

/* The observations of n changes of two groups, and sums over every 8 of them. */
TMF_BY_LEVEL(tmf_skip_sums, (tmf_skip *restrict it, int64_t n), (it, n))
{
    const uint32_t o0 = (uint32_t)it->from[0], o1 = (uint32_t)it->from[1];
    const uint32_t x0 = (uint32_t)it->target[0], x1 = (uint32_t)it->target[1];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        it->left[i] = it->second[i] ? o1 : o0;
        it->joined[i] = it->second[i] ? x1 : x0;
    }
    for (int64_t j = 0; j < n / 8; j++) {
        double span = 8;
        uint32_t seconds = 0;
        for (int64_t i = 8 * j; i < 8 * j + 8; i++) {
            span += it->waits[i];
            seconds += it->second[i];
        }
        it->spans[j] = span;
        it->seconds[j] = seconds;
    }
}

static inline void tmf_skip_changes(tmf_skip *it)
{
    const int64_t end = it->n_changed + TMF_SKIP_NEXT < it->n_words ? it->n_changed + TMF_SKIP_NEXT : it->n_words;
    TMF_BY_LENGTH(tmf_skip_changes_of, it->n_groups, it, end)
}

/* Losses of n waits from `first` on. */
TMF_BY_LEVEL(tmf_skip_lose, (tmf_skip *restrict it, int64_t first, int64_t n), (it, first, n))
{
    const double *restrict const waits = it->waits + first;
    double *restrict const losses = it->losses + first;
    const double decay = it->decay;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        losses[i] = tmf_expm1_one((waits[i] + 1.0) * decay);
}

static inline int tmf_skip_discounts(const tmf_skip *it)
{
    return it->pricing != TMF_UNPAID && it->discount != 1.0;
}

/* Draws the waits of the next changes, and changes ahead of them: the processor computes both at the same time, since
 * changes wait for each other, and not for the waits. */
static inline void tmf_skip_next(tmf_skip *it)
{
    const int64_t first = it->n_drawn;
    it->n_drawn = it->n_changed;
    tmf_skip_changes(it);
    tmf_wait_next(it->waits + first, it->words + first, TMF_SKIP_NEXT);
    if (tmf_skip_discounts(it))
        tmf_skip_lose(it, first, TMF_SKIP_NEXT);
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
    for (int k = 0; k < 4 && tmf_skip_is_of_two(it); k++) {
        const int32_t factor = k & 1 ? it->met[k >> 1] : it->from[k >> 1];
        double *const effects = it->effects + 2 * k;
        for (int g = 0; g < 2; g++)
            effects[g] = (double)(factor == it->target[g]) - (factor == it->from[g]);
        it->least[k] = effects[0] < 0 || effects[1] < 0 ? -1.0 : 0.0;
        it->most[k] = effects[0] > 0 || effects[1] > 0 ? 1.0 : 0.0;
    }
    it->n_words = n;
    it->n_changed = it->n_drawn = it->n_played = 0;
    if (tmf_skip_is_of_two(it)) {
        tmf_skip_two(it);
        it->n_changed = it->n_drawn = n;
        tmf_skip_sums(it, n);
        if (tmf_skip_discounts(it))
            tmf_skip_lose(it, 0, n);
    } else {
        tmf_skip_changes(it);
        tmf_skip_next(it);
    }
}

/* Adds n > 0 steps with this sum of rewards to the discounted sum; loss = discount^n - 1. */
TMF_INLINE void tmf_skip_earn(tmf_events *events, double reward, double n, double loss)
{
    if (events->discount == 1.0) {
        events->whole += reward * n;
        return;
    }
    events->whole += events->weight * reward * (loss / (events->discount - 1.0));
    events->weight += events->weight * loss;
}

/* Adds the steps since the last change. */
static inline void tmf_skip_settle(tmf_skip *it, tmf_events *events, double reward)
{
    if (it->stayed > 0)
        tmf_skip_earn(events, reward, (double)it->stayed, tmf_expm1_one((double)it->stayed * it->decay));
    it->stayed = 0;
}

/* Without rewards, two groups: plays 8 changes at a time while they end within `left` steps; returns those left. */
static inline int64_t tmf_skip_pass(tmf_skip *it, int64_t *counts, int64_t left)
{
    int64_t i = it->n_played, steps = 0, seconds = 0;
    const int64_t begin = i;
    for (; i + 8 <= it->n_words && it->spans[i / 8] <= (double)(left - steps); i += 8) {
        steps += (int64_t)it->spans[i / 8];
        seconds += it->seconds[i / 8];
    }
    counts[it->from[0]] -= i - begin - seconds;
    counts[it->target[0]] += i - begin - seconds;
    counts[it->from[1]] -= seconds;
    counts[it->target[1]] += seconds;
    it->stayed += steps;
    it->n_played = i;
    return left - steps;
}

TMF_INLINE int64_t tmf_skip_play_variant(tmf_skip *it, tmf_events *events, const int pricing, int64_t n_steps)
{
    double total = events->total, paid = it->paid, reward = events->reward;
    int64_t left = n_steps;
    if (pricing == TMF_UNPAID && it->n_played % 8 == 0 && tmf_skip_is_of_two(it))
        left = tmf_skip_pass(it, events->counts, left);
    int64_t i = it->n_played;
    while (i < it->n_words) {
        if (i == it->n_drawn)
            tmf_skip_next(it);
        const double wait = it->waits[i];
        const double earned = pricing == TMF_UNPAID ? 0 : (pricing == TMF_COUPLED ? events->total : total) + paid;
        if (wait >= (double)left) {
            it->waits[i] = wait - (double)left; /* exact */
            it->spans[i / 8] -= (double)left;
            it->stayed += left;
            reward += earned * (double)left;
            left = 0;
            break;
        }
        const int64_t n = (int64_t)wait + 1, o = it->left[i], x = it->joined[i];
        left -= n;
        if (pricing == TMF_UNPAID) {
            it->stayed += n;
        } else {
            reward += earned * (double)n;
            tmf_skip_earn(events, earned, (double)(n + it->stayed), it->losses[i]);
            it->stayed = 0;
            paid += it->wage[x] - it->wage[o];
        }
        tmf_move_one(events, &total, o, x, pricing);
        i++;
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
