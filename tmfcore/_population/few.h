/* A small batch of agents, drawn uniformly without replacement. */
#ifndef TMFCORE_FEW_H
#define TMFCORE_FEW_H

#include <stdint.h>
#include <string.h>

#include "_population/observations.h"
#include "_random/streams.h"

enum {
    TMF_DRAWN = 64,   /* words drawn at once */
    TMF_SPARSE = 4096 /* places that a hash table may have although four per agent would be fewer */
};

/* Places of the hash table for n agents: collisions are mispredicted branches, and clearing the table takes time. */
static inline uint64_t tmf_places(int64_t n)
{
    uint64_t size = 8;
    while (size < 4 * (uint64_t)n || (size < 16 * (uint64_t)n && size < TMF_SPARSE))
        size *= 2;
    return size;
}

/* Words of a set of n of n_agents agents: a bit for each of all agents, or, if that is smaller, a hash table of those in
 * the set. */
static inline uint64_t tmf_set_words(uint64_t n_agents, int64_t n)
{
    const uint64_t places = tmf_places(n), bits = (n_agents + 31) / 32;
    return bits < places ? bits : places;
}

TMF_INLINE void tmf_choose_few_of(const int by_bit, const uint64_t size, tmf_stream *stream, uint64_t n_agents, int64_t n,
                                  uint32_t *restrict chosen, uint32_t *restrict bits, uint32_t *restrict seen,
                                  const void *observations, int width, int64_t ahead)
{
    uint64_t words[TMF_DRAWN];
    const uint64_t biased = ((uint64_t)1 << 32) % n_agents;
    int64_t found = 0;
    memset(seen, 0, size * sizeof *seen);
    while (found < n) {
        const int drawn = n - found < TMF_DRAWN ? (int)(n - found) : TMF_DRAWN;
        tmf_fill(stream, words, (drawn + TMF_LANES - 1) / TMF_LANES);
        for (int i = 0; i < drawn; i++) {
            const uint64_t product = (words[i] >> 32) * n_agents;
            const uint32_t agent = (uint32_t)(product >> 32), mark = agent + 1;
            int fresh = (uint32_t)product >= biased;
            /* written in any case, counted only if it is new: a branch would be mispredicted where repeats are common */
            if (by_bit) {
                const uint32_t word = seen[agent >> 5];
                fresh &= ~(word >> (agent & 31)) & 1;
                seen[agent >> 5] = word | (uint32_t)fresh << (agent & 31);
            } else {
                uint64_t place = (agent * (uint64_t)0x9E3779B97F4A7C15u) >> 20 & (size - 1);
                while (seen[place] && seen[place] != mark)
                    place = (place + 1) & (size - 1);
                fresh = fresh && !seen[place];
                seen[place] = fresh ? mark : seen[place];
            }
            chosen[found] = agent;
            bits[found] = (uint32_t)words[i];
            if (found < ahead)
                tmf_prefetch_one(observations, width, agent);
            found += fresh;
        }
    }
}

/* Draws n of n_agents < 2^32 agents into `chosen`, in the order drawn, and 32 bits for the move of each into `bits`.
 *
 * A word gives an agent by its upper half, exactly uniformly (bounded.h, with 32 bits), and these bits by its lower half.
 * `seen`, a set of tmf_set_words(n_agents, n) words, rejects repeats. Observations of the first `ahead` agents are
 * prefetched. */
static void tmf_choose_few(tmf_stream *stream, uint64_t n_agents, int64_t n, uint32_t *chosen, uint32_t *bits,
                           uint32_t *seen, const void *observations, int width, int64_t ahead)
{
    const uint64_t places = tmf_places(n), size = tmf_set_words(n_agents, n);
    if (size < places)
        tmf_choose_few_of(1, size, stream, n_agents, n, chosen, bits, seen, observations, width, ahead);
    else
        tmf_choose_few_of(0, places, stream, n_agents, n, chosen, bits, seen, observations, width, ahead);
}

/* rows[i]: the observation of agent chosen[i]. */
static void tmf_load_few(const void *restrict observations, const int width, const uint32_t *restrict chosen,
                         uint32_t *restrict rows, const int n)
{
    if (width == 1)
        for (int i = 0; i < n; i++) rows[i] = ((const uint8_t *)observations)[chosen[i]];
    else
        for (int i = 0; i < n; i++) rows[i] = tmf_load_one(observations, width, chosen[i]);
}

static void tmf_prefetch_few(const void *observations, const int width, const uint32_t *chosen, const int n)
{
    for (int i = 0; i < n; i++)
        tmf_prefetch_one(observations, width, chosen[i]);
}

typedef struct {
    void *observations;     /* (N,) of `width` bytes  INOUT */
    int width, action_bits;
    size_t n_actions;
    const double *extra;    /* (S, A)  r - r0 */
    int64_t *decisions;     /* (S, A)  INOUT; NULL: not recorded */
    int64_t *counts;        /* (S,)    INOUT; NULL: unchanged */
} tmf_books;

TMF_INLINE double tmf_note_few_of(const tmf_books *books, const int width, const int recorded, const int counted,
                                  const uint32_t *restrict chosen, const uint32_t *restrict rows,
                                  const uint32_t *restrict codes, const uint32_t *restrict next, int n)
{
    void *const observations = books->observations;
    const double *restrict const extra = books->extra;
    int64_t *restrict const decisions = books->decisions, *restrict const counts = books->counts;
    const size_t n_actions = books->n_actions, mask = ((size_t)1 << books->action_bits) - 1;
    double reward = 0;
    for (int i = 0; i < n; i++) {
        const size_t pair = rows[i] * n_actions + (codes[i] & mask);
        tmf_store_one(observations, width, chosen[i], next[i]);
        reward += extra[pair];
        if (recorded)
            decisions[pair]++;
        if (counted) {
            counts[rows[i]]--;
            counts[next[i]]++;
        }
    }
    return reward;
}

/* Writes the moves of n chosen agents (rows, codes and next as in tiles.pxd) into the books; returns the sum of `extra`. */
static double tmf_note_few(const tmf_books *books, const uint32_t *chosen, const uint32_t *rows, const uint32_t *codes,
                           const uint32_t *next, int n)
{
#define TMF_NOTE(width, recorded, counted) tmf_note_few_of(books, width, recorded, counted, chosen, rows, codes, next, n)
    if (books->width == 1 && books->counts)
        return books->decisions ? TMF_NOTE(1, 1, 1) : TMF_NOTE(1, 0, 1);
    return TMF_NOTE(books->width, books->decisions != 0, books->counts != 0);
#undef TMF_NOTE
}

#endif
