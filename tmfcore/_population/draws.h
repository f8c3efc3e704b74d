/* What is drawn for events at which one agent acts, or one of a batch.
 *
 * Words      Without meetings, event t uses word t % 256 of the stream (key, t / 256, 0, SINGLES): the high half chooses
 *            the agent, the low half is the draw from its alias row. What a half cannot decide (an agent whose draw would
 *            be biased, a tie in alias.h) is decided by the Philox words at the addresses (t, attempt, SINGLES_AGAIN).
 *            Populations of 2^32 agents or more take a word for each.
 *            Batches of up to 32 agents take the first 32 - 32 % size words of every 32 in the same way, larger ones, of up
 *            to 256, the first 256 - 256 % size.
 *            With meetings, the low half chooses the partner, whose attempts have the addresses (t, -attempt,
 *            SINGLES_AGAIN). Further words of the stream draw action and successor, two for each event; or, if there is
 *            one action, 32 bits for each event draw the successor.
 * Contract   the same words on every instruction level.
 */
#ifndef TMFCORE_DRAWS_H
#define TMFCORE_DRAWS_H

#include <stdint.h>

#include "_random/streams.h"

enum {
    TMF_CHUNK = 256, /* events whose words are drawn at once */
    TMF_GROUP = 32   /* words of whole steps, if a batch is no larger; otherwise, those of a chunk are */
};

/* What is drawn for an event beside its agent. */
enum {
    TMF_ALONE,     /* the move: 32 bits */
    TMF_MEETS,     /* the partner and the move: 32 bits each */
    TMF_MEETS_ACTS /* the partner, and two words */
};

typedef struct {
    uint64_t agents[TMF_CHUNK], partners[TMF_CHUNK];
    uint32_t moves[TMF_CHUNK];
    uint64_t words[2 * TMF_CHUNK]; /* TMF_MEETS_ACTS: two of each event */
} tmf_draws;

/* Splits words (TMF_CHUNK,) for n < 2^32 agents; *biased: whether one must be rejected, as in bounded.h. */
TMF_BY_LEVEL(tmf_split_words, (const uint64_t *restrict words, uint64_t n, uint32_t threshold, int meets,
                               tmf_draws *restrict draws, uint32_t *restrict biased),
             (words, n, threshold, meets, draws, biased))
{
    uint32_t any = 0;
    for (int i = 0; i < TMF_CHUNK; i++) {
        draws->agents[i] = (words[i] >> 32) * n >> 32;
        draws->moves[i] = (uint32_t)words[i];
        any |= (uint32_t)((words[i] >> 32) * n) < threshold;
    }
    for (int i = 0; meets && i < TMF_CHUNK; i++) {
        draws->partners[i] = (words[i] & 0xFFFFFFFFu) * n >> 32;
        any |= (uint32_t)(words[i] * n) < threshold;
    }
    *biased = any;
}

/* The agent of event t, whose word would be biased, by the words at t and attempts 1, 2..; its partner: -1, -2.. */
static inline uint64_t tmf_agent_again(const uint64_t key[4], uint64_t t, int64_t sign, uint64_t n, uint32_t threshold)
{
    uint64_t product, attempt = 0;
    do
        product = (tmf_again(key, t, attempt += (uint64_t)sign, TMF_SINGLES_AGAIN) >> 32) * n;
    while ((uint32_t)product < threshold);
    return product >> 32;
}

/* How `size` agents of n < 2^32, and more than size, are drawn at each step, without replacement. */
typedef struct {
    int size;                      /* <= TMF_CHUNK */
    int n_words;                   /* TMF_GROUP or TMF_CHUNK */
    int n_events;                  /* of these words, the first, which are whole steps */
    uint32_t among[TMF_CHUNK];     /* agents from which event i of these is drawn */
    uint32_t threshold[TMF_CHUNK]; /* products below would be biased (bounded.h) */
} tmf_batch;

static inline void tmf_batch_open(tmf_batch *batch, uint64_t n, int size)
{
    batch->size = size;
    batch->n_words = size <= TMF_GROUP ? TMF_GROUP : TMF_CHUNK;
    batch->n_events = batch->n_words - batch->n_words % size;
    for (int i = 0; i < batch->n_words; i++) {
        batch->among[i] = (uint32_t)(n - (uint64_t)(i % size));
        batch->threshold[i] = (uint32_t)(((uint64_t)1 << 32) % batch->among[i]);
    }
}

/* As tmf_split_words, for TMF_GROUP words. */
TMF_BY_LEVEL(tmf_split_group, (const uint64_t *restrict words, const uint32_t *restrict among,
                               const uint32_t *restrict threshold, uint64_t *restrict agents, uint32_t *restrict moves,
                               uint32_t *restrict biased),
             (words, among, threshold, agents, moves, biased))
{
    uint32_t any = 0;
    for (int i = 0; i < TMF_GROUP; i++) {
        const uint64_t product = (words[i] >> 32) * among[i];
        agents[i] = product >> 32;
        moves[i] = (uint32_t)words[i];
        any |= (uint32_t)product < threshold[i];
    }
    *biased = any;
}

/* Draws for all events of a chunk of batches. */
static inline void tmf_draw_batches(const uint64_t key[4], int64_t chunk, const tmf_batch *batch, tmf_draws *draws)
{
    const uint64_t *const words = draws->words;
    const int64_t n_words = batch->n_words, begin = chunk * (TMF_CHUNK / n_words) * batch->n_events;
    tmf_stream stream;
    tmf_open(&stream, key, (uint64_t)chunk, 0, TMF_SINGLES);
    tmf_fill(&stream, draws->words, TMF_CHUNK / TMF_LANES);
    for (int64_t w = 0; w < TMF_CHUNK; w += TMF_GROUP) { /* what is written beyond n_events is overwritten or not used */
        const int64_t first = w % n_words, event = w / n_words * batch->n_events + first;
        const uint32_t *const among = batch->among + first, *const threshold = batch->threshold + first;
        uint32_t biased;
        tmf_split_group(words + w, among, threshold, draws->agents + event, draws->moves + event, &biased);
        for (int64_t i = 0; TMF_UNLIKELY(biased) && i < TMF_GROUP && first + i < batch->n_events; i++)
            if ((uint32_t)((words[w + i] >> 32) * among[i]) < threshold[i])
                draws->agents[event + i] = tmf_agent_again(key, (uint64_t)(begin + event + i), 1, among[i], threshold[i]);
    }
}

/* The bits that decide a tie of the move of event t. */
static inline uint32_t tmf_tie(const uint64_t key[4], int64_t t)
{
    return (uint32_t)tmf_again(key, (uint64_t)t, 0, TMF_SINGLES_AGAIN);
}

/* Draws for the events 256 chunk... of n agents. */
static inline void tmf_draw_chunk(const uint64_t key[4], int64_t chunk, uint64_t n, int kind, tmf_draws *draws)
{
    uint64_t *const words = draws->words;
    tmf_stream stream;
    tmf_open(&stream, key, (uint64_t)chunk, 0, TMF_SINGLES);
    tmf_fill(&stream, words, TMF_CHUNK / TMF_LANES);
    if (n >> 32) {
        tmf_below(&stream, words, n, draws->agents, TMF_CHUNK);
        tmf_fill(&stream, words, TMF_CHUNK / TMF_LANES);
        for (int i = 0; i < TMF_CHUNK; i++)
            draws->moves[i] = (uint32_t)words[i];
        if (kind != TMF_ALONE)
            tmf_below(&stream, words, n, draws->partners, TMF_CHUNK);
    } else {
        const uint32_t threshold = (uint32_t)(((uint64_t)1 << 32) % n);
        uint32_t biased;
        tmf_split_words(words, n, threshold, kind != TMF_ALONE, draws, &biased);
        for (int i = 0; TMF_UNLIKELY(biased) && i < TMF_CHUNK; i++) {
            const uint64_t t = (uint64_t)(chunk * TMF_CHUNK + i);
            if ((uint32_t)((words[i] >> 32) * n) < threshold)
                draws->agents[i] = tmf_agent_again(key, t, 1, n, threshold);
            if (kind != TMF_ALONE && (uint32_t)(words[i] * n) < threshold)
                draws->partners[i] = tmf_agent_again(key, t, -1, n, threshold);
        }
    }
    if (kind == TMF_MEETS_ACTS) {
        tmf_fill(&stream, words, 2 * TMF_CHUNK / TMF_LANES);
    } else if (kind == TMF_MEETS) {
        tmf_fill(&stream, words, TMF_CHUNK / 2 / TMF_LANES);
        for (int i = 0; i < TMF_CHUNK / 2; i++) {
            draws->moves[2 * i] = (uint32_t)(words[i] >> 32);
            draws->moves[2 * i + 1] = (uint32_t)words[i];
        }
    }
}

#endif
