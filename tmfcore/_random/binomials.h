/* Many multinomials at once: each row's count is split over the cells by binomials; rows are drawn in SIMD lanes.
 *
 * Source     BTRS (W. Hoermann, J. Stat. Comput. Simul. 46, 1993) for means of 10 and above, inversion below. The
 *            probabilities that BTRS compares are written as deviances (C. Loader, "Fast and accurate computation of
 *            binomial probabilities", 2000), so that no large terms cancel.
 * Notation   M rows, K cells.
 * Contract   a cell of probability zero gets no agent; a row's cells sum exactly to its count. Every operation is
 *            rounded by IEEE 754 and none is fused: the bits are the same on every instruction set.
 * Accuracy   logarithms and exponentials to 2 units in the last place, Stirling's remainder to 5e-15. The error of the
 *            logarithm of an acceptance probability is then at most 2e-11 + |k - np| 1e-15: 3e-7 at n = 2^50,
 *            where k is up to 2e8 from its mean. Above 2^50 a double has no fractional bits of k left to round down.
 */
#ifndef TMFCORE_BINOMIALS_H
#define TMFCORE_BINOMIALS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "_base/simd/elementary.h"
#include "_random/streams.h"

#define TMF_ABREAST 32                      /* rows in lanes at once: several vectors hide each other's latency */
#define TMF_ABREAST_FEW 8                   /* lanes if there are at most 8 rows */
#define TMF_SETTLED 4                       /* lanes of tmf_settle */
#define TMF_DRAWN_AHEAD 1024                /* words */
#define TMF_MOST ((int64_t)1 << 50)         /* agents in a row */
#define TMF_LEAST_MEAN 10.0                 /* BTRS from this mean on, inversion below */

typedef struct {
    tmf_stream stream;
    int used; /* words already handed out */
    uint64_t words[TMF_DRAWN_AHEAD];
} tmf_words;

static inline void tmf_open_words(tmf_words *words, const uint64_t key[4])
{
    tmf_open(&words->stream, key, 0, 0, 0);
    words->used = TMF_DRAWN_AHEAD;
}

/* The next n <= TMF_DRAWN_AHEAD words; valid until the next call. */
static inline const uint64_t *tmf_take(tmf_words *words, int n)
{
    if (words->used + n > TMF_DRAWN_AHEAD) {
        tmf_fill(&words->stream, words->words, TMF_DRAWN_AHEAD / TMF_LANES);
        words->used = 0;
    }
    words->used += n;
    return words->words + words->used - n;
}

/* What is kept of the stream: the words drawn ahead are drawn again. */
#define TMF_STREAM_WORDS (4 * TMF_LANES + 1)

static inline void tmf_keep_words(const tmf_words *words, uint64_t kept[TMF_STREAM_WORDS])
{
    memcpy(kept, words->stream.state, sizeof words->stream.state);
    kept[TMF_STREAM_WORDS - 1] = (uint64_t)words->used;
}

/* Returns 0 if that many words cannot have been used. */
static inline int tmf_recall_words(tmf_words *words, const uint64_t kept[TMF_STREAM_WORDS])
{
    if (kept[TMF_STREAM_WORDS - 1] > TMF_DRAWN_AHEAD)
        return 0;
    memcpy(words->stream.state, kept, sizeof words->stream.state);
    words->stream.left = 0;
    words->used = (int)kept[TMF_STREAM_WORDS - 1];
    if (words->used < TMF_DRAWN_AHEAD) {
        tmf_rewind(&words->stream, TMF_DRAWN_AHEAD / TMF_LANES);
        tmf_fill(&words->stream, words->words, TMF_DRAWN_AHEAD / TMF_LANES);
    }
    return 1;
}

/* Uniform on the odd multiples of 2^-53 in (0, 1). */
TMF_INLINE double tmf_open_uniform(uint64_t word)
{
    return tmf_double_of(word >> 12 | 0x3FF0000000000000u) - (1 - 0x1p-53);
}

/* The largest integer <= x, |x| < 2^51. */
TMF_INLINE double tmf_floor(double x)
{
    const double nearest = (x + TMF_SHIFT) - TMF_SHIFT;
    return nearest > x ? nearest - 1 : nearest;
}

TMF_INLINE int64_t tmf_integer(double x)
{
    return (int64_t)(tmf_bits_of(x + TMF_SHIFT) - tmf_bits_of(TMF_SHIFT));
}

/* log k! - [log sqrt(2 pi k) + k log k - k] with y = 1 / k, at the integers k >= 1, to 5e-15: fitted in y^2. */
TMF_INLINE double tmf_stirling(double y)
{
    const double z = y * y, zz = z * z;
    const double low = (0.08333333333309187 + z * -0.002777777660032967)
                     + zz * (0.0007936344238512012 + z * -0.0005942604372011923);
    const double high = (0.0008125048320274882 + z * -0.0014459379731403162)
                      + zz * (0.0020042610187890986 + z * -0.0010642907420561768);
    return y * (low + zz * zz * high);
}

/* (1 + t) log(1 + t) - t for |t| <= 0.11, to 4e-12. */
TMF_INLINE double tmf_small_deviance(double t)
{
    return t * t * ((1.0 / 2 - t * (1.0 / 6)) + t * t * ((1.0 / 12 - t * (1.0 / 20)) + t * t * (
        (1.0 / 30 - t * (1.0 / 42)) + t * t * (1.0 / 56 - t * (1.0 / 72)))));
}

/* An attempt at a binomial with n p >= 10 and p <= 1/2: returns the candidate k. *pending is 0 if (u, v) lie in a box
 * under the curve, so that k is accepted at once (4 of 5 times); otherwise 1, and tmf_settle decides. */
TMF_INLINE double tmf_attempt(double mean, double spread, double p, uint64_t word_u, uint64_t word_v, double *pending)
{
    const double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double u = tmf_open_uniform(word_u) - 0.5, v = tmf_open_uniform(word_v);
    const double us = 0.5 - fabs(u);
    const double both = 1 / (us * b);
    const double outside = us < 0.07 ? 1 : 0;
    *pending = v > 0.92 - 4.2 * (both * us) ? 1 : outside;
    return tmf_floor((2 * a * (both * b) + b) * u + (mean + 0.5));
}

/* The probability of k in 0..n over that of the mode m = floor((n + 1) p): exp(returned value) / sqrt(*odds).
 *
 * With k' = k + 1, l' = n - k + 1, n' = n + 2, q = 1 - p and d = k' - n' p, the probability of k is proportional to
 *     sqrt(k' l') exp(-E(k)),  E(k) = k' log(1 + d / (n' p)) + l' log(1 - d / (n' q)) + remainder(k') + remainder(l'). */
TMF_INLINE double tmf_log_to_mode(double n, double p, double k, double *odds)
{
    const double q = 1 - p, m = tmf_floor((n + 1) * p);
    const double np = (n + 2) * p, nq = (n + 2) * q;
    const double k1 = k + 1, l1 = n - k + 1, m1 = m + 1, o1 = n - m + 1;
    const double per_pq = 1 / (np * nq), per_m = 1 / (m1 * o1), per_k = 1 / (k1 * l1);
    const double per_p = nq * per_pq, per_q = np * per_pq;
    const double above = (k1 - np) * per_p, below = (np - k1) * per_q;
    const double mode = np * tmf_small_deviance((m1 - np) * per_p) + nq * tmf_small_deviance((np - m1) * per_q)
                      + tmf_stirling(o1 * per_m) + tmf_stirling(m1 * per_m);
    const double here = k1 * tmf_log_near(1 + above, above) + l1 * tmf_log_near(1 + below, below)
                      + tmf_stirling(l1 * per_k) + tmf_stirling(k1 * per_k);
    *odds = (m1 * o1) * per_k;
    return mode - here;
}

/* Whether a pending k is accepted: 1 or 0. */
TMF_INLINE double tmf_settle(double n, double spread, double p, double k, uint64_t word_u, uint64_t word_v)
{
    const double b = 1.15 + 2.53 * spread, a = -0.0873 + 0.0248 * b + 0.01 * p;
    const double u = tmf_open_uniform(word_u) - 0.5, v = tmf_open_uniform(word_v);
    const double us = 0.5 - fabs(u);
    double odds;
    const double drop = tmf_log_to_mode(n, p, k, &odds);
    const double height = v * (2.83 * b + 5.1) * spread * (us * us) / (b * (a + b * (us * us)));
    const double square = height * height * odds;
    const double fits = 0.5 * tmf_log_near(square, square - 1) <= drop ? 1 : 0;
    return k < 0 ? 0 : k > n ? 0 : fits;
}

/* BTRS in the lanes with mean >= 10: one attempt each; then tmf_settle for the pending lanes, gathered by four. */
TMF_INLINE void tmf_reject(
    int lanes, const double *n, const double *p, const uint64_t *word, double *draw, double *accepted)
{
    double spread[TMF_ABREAST], k[TMF_ABREAST], pending[TMF_ABREAST], fits[TMF_SETTLED];
    int waiting[TMF_ABREAST + TMF_SETTLED], n_waiting = 0;
#pragma omp simd
    for (int i = 0; i < lanes; i++) {
        const double mean = n[i] * p[i];
        double open;
        spread[i] = sqrt(mean * (1 - p[i]));
        k[i] = tmf_attempt(mean, spread[i], p[i], word[i], word[i + lanes], &open);
        pending[i] = mean < TMF_LEAST_MEAN ? 0 : open;
        draw[i] = mean < TMF_LEAST_MEAN ? 0 : k[i];
    }
    for (int i = 0; i < lanes; i++) {
        waiting[n_waiting] = i;
        n_waiting += pending[i] > 0;
    }
    memset(waiting + n_waiting, 0, TMF_SETTLED * sizeof(int));
    for (int first = 0; first < n_waiting; first += TMF_SETTLED) {
        double gn[TMF_SETTLED], gs[TMF_SETTLED], gp[TMF_SETTLED], gk[TMF_SETTLED];
        uint64_t gu[TMF_SETTLED], gv[TMF_SETTLED];
        for (int j = 0; j < TMF_SETTLED; j++) {
            const int i = waiting[first + j];
            gn[j] = n[i];
            gs[j] = spread[i];
            gp[j] = p[i];
            gk[j] = k[i];
            gu[j] = word[i];
            gv[j] = word[i + lanes];
        }
#pragma omp simd
        for (int j = 0; j < TMF_SETTLED; j++)
            fits[j] = tmf_settle(gn[j], gs[j], gp[j], gk[j], gu[j], gv[j]);
        for (int j = 0; j < TMF_SETTLED && first + j < n_waiting; j++)
            accepted[waiting[first + j]] = fits[j];
    }
}

/* Inversion, from one word each, in the lanes with small[i] > 0 (mean below 10, p <= 1/2). A lane is accepted unless
 * rounding puts its word beyond the last value. */
TMF_INLINE void tmf_invert(int lanes, const double *n, const double *p, const uint64_t *word, const double *small,
                           double *draw, double *accepted)
{
    double u[TMF_ABREAST], mass[TMF_ABREAST], count[TMF_ABREAST], odds[TMF_ABREAST];
#pragma omp simd
    for (int i = 0; i < lanes; i++) {
        const double nothing = tmf_exp_above(n[i] * tmf_log_near(1 - p[i], -p[i]));
        u[i] = small[i] > 0 ? tmf_open_uniform(word[i]) : 0;
        mass[i] = small[i] > 0 ? nothing : 1;
        odds[i] = p[i] / (1 - p[i]);
        count[i] = 0;
    }
    double more = 1;
    for (int k = 1; more > 0 && k < 200; k += 4) { /* P(k >= 200) < 1e-150 */
        more = 0;
        for (int step = k; step < k + 4; step++) {
            const double per_step = 1.0 / step, before = step - 1;
#pragma omp simd
            for (int i = 0; i < lanes; i++) {
                const double here = mass[i], factor = (n[i] - before) * per_step * odds[i];
                const double left = u[i];
                u[i] = left > here ? left - here : left;
                count[i] += left > here ? 1 : 0;
                mass[i] = left > here ? here * factor : here;
            }
        }
#pragma omp simd reduction(+ : more)
        for (int i = 0; i < lanes; i++)
            more += u[i] > mass[i] ? 1 : 0;
    }
#pragma omp simd
    for (int i = 0; i < lanes; i++) {
        const double beyond = u[i] > mass[i] ? 1 : 0;
        draw[i] = small[i] > 0 ? count[i] : draw[i];
        accepted[i] = beyond > 0 ? 0 : accepted[i];
    }
}

/* tmf_invert for at most TMF_ABREAST_FEW small lanes, gathered, so that the other lanes cost nothing. */
TMF_INLINE void tmf_invert_few(int lanes, const double *n, const double *p, const uint64_t *word, const double *small,
                               double *draw, double *accepted)
{
    double gn[TMF_ABREAST_FEW], gp[TMF_ABREAST_FEW], gs[TMF_ABREAST_FEW], gd[TMF_ABREAST_FEW], ga[TMF_ABREAST_FEW];
    uint64_t gw[TMF_ABREAST_FEW];
    int waiting[TMF_ABREAST + TMF_ABREAST_FEW], n_waiting = 0;
    for (int i = 0; i < lanes; i++) {
        waiting[n_waiting] = i;
        n_waiting += small[i] > 0;
    }
    memset(waiting + n_waiting, 0, TMF_ABREAST_FEW * sizeof(int));
    for (int j = 0; j < TMF_ABREAST_FEW; j++) {
        const int i = waiting[j];
        gn[j] = n[i];
        gp[j] = p[i];
        gw[j] = word[i];
        gs[j] = j < n_waiting ? 1 : 0;
        ga[j] = 1;
        gd[j] = 0;
    }
    tmf_invert(TMF_ABREAST_FEW, gn, gp, gw, gs, gd, ga);
    for (int j = 0; j < n_waiting; j++) {
        draw[waiting[j]] = gd[j];
        accepted[waiting[j]] = ga[j];
    }
}

TMF_INLINE void tmf_split_abreast(
    int lanes, tmf_words *restrict words, const int64_t *restrict rows, int64_t n_rows, int64_t n_cells,
    const int64_t *restrict count, const double *restrict share, int64_t *restrict out)
{
    double n[TMF_ABREAST], given[TMF_ABREAST], p[TMF_ABREAST], draw[TMF_ABREAST];
    double small[TMF_ABREAST], accepted[TMF_ABREAST];
    int64_t cell[TMF_ABREAST], value[TMF_ABREAST], forward[TMF_ABREAST];
    int64_t next = 0;
    int at_work = 0;
    for (int i = 0; i < lanes; i++) {
        const int some = next < n_rows;
        cell[i] = some ? rows[next] * n_cells : 0;
        n[i] = some ? (double)count[rows[next]] : 0;
        next += some;
        at_work += some;
    }
    while (at_work > 0) {
        const uint64_t *const word = tmf_take(words, 2 * lanes);
        double any_small = 0, any_large = 0, any_done = 0;
#pragma omp simd reduction(+ : any_small, any_large)
        for (int i = 0; i < lanes; i++) {
            const double side = share[cell[i]];
            const double rarer = side < 0 ? -side : side;
            const double least = side > -1 ? rarer : 0;
            given[i] = side;
            const double few = n[i] * least < TMF_LEAST_MEAN ? 1 : 0;
            p[i] = least;
            small[i] = n[i] * least > 0 ? few : 0;
            any_small += small[i];
            any_large += 1 - few;
            accepted[i] = n[i] > 0 ? 1 : 0;
            draw[i] = 0;
        }
        if (any_large > 0)
            tmf_reject(lanes, n, p, word, draw, accepted);
        if (any_small > 0 && any_small <= TMF_ABREAST_FEW && lanes > TMF_ABREAST_FEW)
            tmf_invert_few(lanes, n, p, word, small, draw, accepted);
        else if (any_small > 0)
            tmf_invert(lanes, n, p, word, small, draw, accepted);
#pragma omp simd reduction(+ : any_done)
        for (int i = 0; i < lanes; i++) {
            const double drawn = given[i] < 0 ? n[i] - draw[i] : draw[i];
            value[i] = tmf_integer(drawn);
            forward[i] = tmf_integer(accepted[i]);
            n[i] -= accepted[i] > 0 ? drawn : 0;
            any_done += n[i] > 0 ? 0 : 1;
        }
        for (int i = 0; i < lanes; i++)
            out[cell[i]] = forward[i] ? value[i] : out[cell[i]];
        for (int i = 0; i < lanes; i++)
            cell[i] += forward[i];
        if (any_done == 0)
            continue;
        for (int i = 0; i < lanes; i++) { /* a row is done when no agent is left: its last share is -1 */
            if (forward[i] && !(n[i] > 0)) {
                const int some = next < n_rows;
                cell[i] = some ? rows[next] * n_cells : 0;
                n[i] = some ? (double)count[rows[next]] : 0;
                next += some;
                at_work += some - 1;
            }
        }
    }
}

/* For each row j listed in `rows`: split count[j], 0 < count[j] <= 2^50, over the cells out[j K .. (j + 1) K), which
 * must hold zeros. share[j K + k] is the share of the rarer side, as tmf_shares writes it. */
TMF_BY_LEVEL(
    tmf_split_rows,
    (tmf_words *restrict words, const int64_t *restrict rows, int64_t n_rows, int64_t n_cells,
     const int64_t *restrict count, const double *restrict share, int64_t *restrict out),
    (words, rows, n_rows, n_cells, count, share, out))
{
    if (n_rows <= TMF_ABREAST_FEW)
        tmf_split_abreast(TMF_ABREAST_FEW, words, rows, n_rows, n_cells, count, share, out);
    else
        tmf_split_abreast(TMF_ABREAST, words, rows, n_rows, n_cells, count, share, out);
}

/* tails[k] = p[k] + p[k + 1] + ..., summed from the right. Then p[k] is overwritten by the share of the rarer side:
 * p[k] / tails[k] if p[k] <= tails[k + 1]; otherwise the negative -tails[k + 1] / tails[k], or -1 if tails[k + 1] is 0.
 * The rarer side keeps shares such as 1e-17, which 1 - (a share near 1) loses. */
TMF_BY_LEVEL(tmf_shares, (double *restrict p, double *restrict tails, int64_t n_cells), (p, tails, n_cells))
{
    double tail = 0;
    for (int64_t k = n_cells - 1; k >= 0; k--) {
        tail += p[k];
        tails[k] = tail;
    }
#pragma omp simd
    for (int64_t k = 0; k < n_cells - 1; k++) {
        const double behind = tails[k + 1] > 0 ? tails[k + 1] : tails[k];
        const double side = p[k] <= tails[k + 1] ? p[k] : -behind;
        p[k] = side / tails[k];
    }
    p[n_cells - 1] = -1;
}

/* Add n agents to the cells of out one by one, by bisection: x selects the cell k with tails[k] > x >= tails[k + 1].
 * No x selects a cell of probability zero. */
static void tmf_place(tmf_words *words, int64_t n, const double *tails, int64_t n_cells, int64_t *out)
{
    for (; n > 0; n--) {
        const double x = (double)(*tmf_take(words, 1) >> 12) * 0x1p-52 * tails[0]; /* < tails[0], also when rounded */
        int64_t cell = 0;
        for (int64_t left = n_cells; left > 1;) {
            const int64_t half = left / 2;
            cell += tails[cell + half] > x ? half : 0;
            left -= half;
        }
        out[cell]++;
    }
}

/* One binomial with n p < 15 and p <= 1/2, by inversion from one word; -1 if rounding puts it beyond the last value. */
static int64_t tmf_invert_one(double n, double p, uint64_t word)
{
    double u = tmf_open_uniform(word);
    if (u < 1 - n * p) /* (1 - p)^n >= 1 - n p: the draw is 0, and no exponential is needed */
        return 0;
    double mass = tmf_exp_above(n * tmf_log_near(1 - p, -p));
    const double odds = p / (1 - p);
    for (int64_t k = 0; k < 200; k++) { /* P(k >= 200) < 1e-140 */
        if (u <= mass)
            return k;
        u -= mass;
        mass *= (n - (double)k) / (double)(k + 1) * odds;
    }
    return -1;
}

#endif
