/* A small batch of agents, drawn uniformly without replacement. */
#ifndef TMFCORE_FEW_H
#define TMFCORE_FEW_H

#include <stdint.h>
#include <string.h>

#include "_population/observations.h"
#include "_random/streams.h"

enum { TMF_DRAWN = 64 }; /* words drawn at once */

/* Draws n of n_agents < 2^32 agents into `chosen`, in the order drawn, and 32 bits for the move of each into `bits`.
 *
 * A word gives an agent by its upper half, exactly uniformly (bounded.h, with 32 bits), and these bits by its lower half.
 * `seen`, a hash table of agent + 1 with `size` places, a power of two >= 4 n, rejects repeats. Observations of the first
 * `ahead` agents are prefetched. */
static void tmf_choose_few(tmf_stream *stream, uint64_t n_agents, int64_t n, uint32_t *restrict chosen,
                           uint32_t *restrict bits, uint32_t *restrict seen, uint64_t size, const void *observations,
                           int width, int64_t ahead)
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
            uint64_t place = (agent * (uint64_t)0x9E3779B97F4A7C15u) >> 20 & (size - 1);
            while (seen[place] && seen[place] != mark)
                place = (place + 1) & (size - 1);
            /* written in any case, counted only if it is new: a branch would be mispredicted where repeats are common */
            const int fresh = (uint32_t)product >= biased && !seen[place];
            seen[place] = fresh ? mark : seen[place];
            chosen[found] = agent;
            bits[found] = (uint32_t)words[i];
            if (found < ahead)
                tmf_prefetch_one(observations, width, agent);
            found += fresh;
        }
    }
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
