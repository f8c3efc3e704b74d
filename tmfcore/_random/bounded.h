/* Parts of uniform draws from {0..n-1}: the 128-bit product and the rejection test; and the largest populations.
 *
 * Source     D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019).
 * Contract   draws are exactly uniform for every n >= 1, because words that would bias them are rejected.
 */
#ifndef TMFCORE_BOUNDED_H
#define TMFCORE_BOUNDED_H

#include <stdint.h>

#include "tmfcore/_base/compiler.h"

/* The high and the low word of a b. */
#if defined(TMF_GNU) && defined(__SIZEOF_INT128__)
static inline uint64_t tmf_multiply_high(uint64_t a, uint64_t b, uint64_t *low)
{
    __extension__ typedef unsigned __int128 uint128;
    const uint128 product = (uint128)a * b;
    *low = (uint64_t)product;
    return (uint64_t)(product >> 64);
}
#elif defined(_MSC_VER) && defined(_M_X64)
#include <intrin.h>
static inline uint64_t tmf_multiply_high(uint64_t a, uint64_t b, uint64_t *low)
{
    uint64_t high;
    *low = _umul128(a, b, &high);
    return high;
}
#elif defined(_MSC_VER) && defined(_M_ARM64)
#include <intrin.h>
static inline uint64_t tmf_multiply_high(uint64_t a, uint64_t b, uint64_t *low)
{
    *low = a * b;
    return __umulh(a, b);
}
#else
static inline uint64_t tmf_multiply_high(uint64_t a, uint64_t b, uint64_t *low)
{
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t across = a1 * b0 + (a0 * b0 >> 32); /* at most 2^64 - 2^32: nothing is carried out */
    const uint64_t rest = a0 * b1 + (uint32_t)across;
    *low = a * b;
    return a1 * b1 + (across >> 32) + (rest >> 32);
}
#endif

#define TMF_MOST_AGENTS ((int64_t)1000000000000000000) /* 10^18: binomials are exact up to this n */
#define TMF_MOST_BATCHED ((int64_t)1000000000000)      /* 10^12: hypergeometrics are exact up to this N */

/* Whether a draw whose product has the low word `low` must be rejected, to keep {0..n-1} uniform. */
static inline int tmf_biased(uint64_t low, uint64_t n)
{
    return low < n && low < (uint64_t)(0 - n) % n;
}

#endif
