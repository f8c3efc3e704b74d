/* numpy's generator PCG64, for the first words of a stream; seeded as numpy.random.PCG64 does.
 *
 * Source     M. E. O'Neill, "PCG: a family of simple fast space-efficient statistically good algorithms for random
 *            number generation" (2014): PCG-XSL-RR-128/64.
 */
#ifndef TMFCORE_PCG_H
#define TMFCORE_PCG_H

#include <stdint.h>

#include "tmfcore/_random/bounded.h"

typedef struct {
    uint64_t high, low;                     /* the state, of 128 bits */
    uint64_t increment_high, increment_low;
} tmf_pcg;

static inline void tmf_pcg_add(tmf_pcg *pcg, uint64_t high, uint64_t low)
{
    pcg->low += low;
    pcg->high += high + (pcg->low < low);
}

static inline uint64_t tmf_pcg_next(tmf_pcg *pcg)
{
    const uint64_t factor_high = 0x2360ED051FC65DA4u, factor_low = 0x4385DF649FCCF645u;
    const uint64_t across = pcg->high * factor_low + pcg->low * factor_high;
    pcg->high = tmf_multiply_high(pcg->low, factor_low, &pcg->low) + across;
    tmf_pcg_add(pcg, pcg->increment_high, pcg->increment_low);
    const uint64_t word = pcg->high ^ pcg->low;
    const unsigned turn = (unsigned)(pcg->high >> 58);
    return word >> turn | word << ((64 - turn) & 63);
}

/* Begins with the four words of a seed: the state and the stream, high word first. */
static inline void tmf_pcg_open(tmf_pcg *pcg, const uint64_t seed[4])
{
    pcg->increment_high = seed[2] << 1 | seed[3] >> 63;
    pcg->increment_low = seed[3] << 1 | 1;
    pcg->high = pcg->low = 0;
    tmf_pcg_next(pcg);
    tmf_pcg_add(pcg, seed[0], seed[1]);
    tmf_pcg_next(pcg);
}

#endif
