/* Addressed streams of random bits: (key, step, block, purpose) opens a stream directly, in any order.
 *
 * Sources    xoshiro256++ (Blackman & Vigna, ACM TOMS 2021); Philox4x64-10 (Salmon et al., SC 2011).
 */
#ifndef TMFCORE_STREAMS_H
#define TMFCORE_STREAMS_H

#include <stdint.h>
#include <string.h>

#include "_base/simd/cpu.h"
#include "tmfcore/_random/bounded.h"

/* The last part of a stream's address. */
enum { TMF_MOVES, TMF_ACTIVATIONS, TMF_SELECTION, TMF_TIES, TMF_SINGLES, TMF_NAMES, TMF_SINGLES_AGAIN, TMF_SKIPS,
       TMF_NOISE, TMF_TIMES };

#define TMF_LANES 8
#define TMF_TILE 2048 /* agents that share one stream at one step ... */
#define TMF_PART 512  /* ... and are moved in parts of this size, to stay in the first-level cache */

typedef struct {
    uint64_t state[4][TMF_LANES]; /* eight xoshiro256++ generators side by side */
    uint64_t words[TMF_LANES];    /* words drawn ahead for tmf_next; */
    int left;                     /* the last `left` of them are unused */
} tmf_stream;

static inline void tmf_philox(uint64_t counter[4], uint64_t key0, uint64_t key1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t low0, low1;
        const uint64_t high0 = tmf_multiply_high(0xD2E7470EE14C6C93u, counter[0], &low0);
        const uint64_t high1 = tmf_multiply_high(0xCA5A826395121157u, counter[2], &low1);
        counter[0] = high1 ^ counter[1] ^ key0;
        counter[1] = low1;
        counter[2] = high0 ^ counter[3] ^ key1;
        counter[3] = low0;
        key0 += 0x9E3779B97F4A7C15u;
        key1 += 0xBB67AE8584CAA73Bu;
    }
}

TMF_INLINE uint64_t tmf_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Expands a seed of four words into the state of every lane. */
TMF_BY_LEVEL(tmf_seed_lanes, (const uint64_t *restrict seed, uint64_t *restrict state), (seed, state))
{
    for (int word = 0; word < 4; word++, state += TMF_LANES)
#pragma omp simd
        for (int lane = 0; lane < TMF_LANES; lane++)
            state[lane] = tmf_mix(seed[word] + 0x9E3779B97F4A7C15u * (uint64_t)(lane + 1));
}

/* Opens the stream at address (step, block, purpose) under a 256-bit key: Philox makes the four words of the seed. */
static inline void tmf_open(tmf_stream *stream, const uint64_t key[4], uint64_t step, uint64_t block, uint64_t purpose)
{
    uint64_t seed[4] = {step, block, key[2] ^ purpose, key[3]};
    tmf_philox(seed, key[0], key[1]);
    tmf_seed_lanes(seed, stream->state[0]);
    stream->left = 0;
}

static inline uint64_t tmf_rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* Fills out[0..8n) with 64-bit words. */
TMF_BY_LEVEL(tmf_fill, (tmf_stream *restrict stream, uint64_t *restrict out, int n), (stream, out, n))
{
    uint64_t a[TMF_LANES], b[TMF_LANES], c[TMF_LANES], d[TMF_LANES];
    memcpy(a, stream->state[0], sizeof a);
    memcpy(b, stream->state[1], sizeof b);
    memcpy(c, stream->state[2], sizeof c);
    memcpy(d, stream->state[3], sizeof d);
    for (int i = 0; i < n; i++, out += TMF_LANES) { /* an index i * 8 + lane would be scattered under -fwrapv */
#pragma omp simd
        for (int lane = 0; lane < TMF_LANES; lane++) {
            const uint64_t shifted = b[lane] << 17;
            out[lane] = tmf_rotate(a[lane] + d[lane], 23) + a[lane];
            c[lane] ^= a[lane];
            d[lane] ^= b[lane];
            b[lane] ^= c[lane];
            a[lane] ^= d[lane];
            c[lane] ^= shifted;
            d[lane] = tmf_rotate(d[lane], 45);
        }
    }
    memcpy(stream->state[0], a, sizeof a);
    memcpy(stream->state[1], b, sizeof b);
    memcpy(stream->state[2], c, sizeof c);
    memcpy(stream->state[3], d, sizeof d);
}

/* Takes n steps of every lane back: the state before tmf_fill drew 8 n words. */
static inline void tmf_rewind(tmf_stream *stream, int n)
{
    for (int lane = 0; lane < TMF_LANES; lane++) {
        uint64_t a = stream->state[0][lane], b = stream->state[1][lane];
        uint64_t c = stream->state[2][lane], d = stream->state[3][lane];
        for (int i = 0; i < n; i++) {
            const uint64_t both = tmf_rotate(d, 64 - 45);                      /* d ^ b before the step */
            const uint64_t x = b ^ c;                                          /* b ^ (b << 17) before it */
            const uint64_t before = x ^ (x << 17) ^ (x << 34) ^ (x << 51);     /* b */
            a ^= both;
            c = b ^ before ^ a;
            d = both ^ before;
            b = before;
        }
        stream->state[0][lane] = a;
        stream->state[1][lane] = b;
        stream->state[2][lane] = c;
        stream->state[3][lane] = d;
    }
}

static inline uint64_t tmf_next(tmf_stream *stream)
{
    if (stream->left == 0) {
        tmf_fill(stream, stream->words, 1);
        stream->left = TMF_LANES;
    }
    return stream->words[TMF_LANES - stream->left--];
}

/* The first Philox word at address (step, attempt, purpose), for the rare draws that need more than their word. */
static inline uint64_t tmf_again(const uint64_t key[4], uint64_t step, uint64_t attempt, uint64_t purpose)
{
    uint64_t word[4] = {step, attempt, key[2] ^ purpose, key[3]};
    tmf_philox(word, key[0], key[1]);
    return word[0];
}

static inline double tmf_uniform(uint64_t word)
{
    return (double)(word >> 11) * 0x1p-53;
}

/* n integers, exactly uniform on {0..bound-1}, from n words; a word that would bias them is replaced by a new one. */
static inline void tmf_below(tmf_stream *stream, const uint64_t *words, uint64_t bound, uint64_t *out, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t low;
        out[i] = tmf_multiply_high(words[i], bound, &low);
        while (tmf_biased(low, bound))
            out[i] = tmf_multiply_high(tmf_next(stream), bound, &low);
    }
}

#endif
