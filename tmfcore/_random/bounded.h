/* Parts of uniform draws from {0..n-1}: the 128-bit product and the rejection test; and the largest populations.
 *
 * Source     D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019).
 * Contract   draws are exactly uniform for every n >= 1, because words that would bias them are rejected.
 */
#ifndef TMFCORE_BOUNDED_H
#define TMFCORE_BOUNDED_H

#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
static inline uint64_t tmf_multiply_high(uint64_t a, uint64_t b, uint64_t *low)
{
    uint64_t high;
    *low = _umul128(a, b, &high);
    return high;
}
#else
static inline uint64_t tmf_multiply_high(uint64_t a, uint64_t b, uint64_t *low)
{
    __extension__ typedef unsigned __int128 uint128;
    const uint128 product = (uint128)a * b;
    *low = (uint64_t)product;
    return (uint64_t)(product >> 64);
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
