/* Exponentials and logarithms of arrays, for the CPU at hand, with the same bits on all of them.
 *
 * Sources    argument reduction by additions of 1.5 * 2^52 and by the bits of a double; Taylor series of exp on
 *            |r| <= ln(2) / 2, series of artanh for log on sqrt(1/2) <= m <= sqrt(2); errors below 2 units in the last place.
 */
#ifndef TMFCORE_ELEMENTARY_H
#define TMFCORE_ELEMENTARY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_base/simd/cpu.h"

#if defined(__GNUC__)
#define TMF_UNUSED __attribute__((unused)) /* in a module that needs only one of them */
#else
#define TMF_UNUSED
#endif

#define TMF_LN2_HIGH 0x1.62e42feep-1          /* 33 bits: times an exponent it is exact */
#define TMF_LN2_LOW 0x1.a39ef35793c76p-33

/* exp(x) for x <= 0; 0 below -708, NaN for NaN. */
static inline double tmf_exp_one(double x)
{
    const double magic = 0x1.8p52;
    const double kept = x < -708.0 ? -708.0 : x;
    const double shifted = kept * 0x1.71547652b82fep0 + magic; /* its low bits are n, the nearest to x / ln 2 */
    const double n = shifted - magic;
    const double r = (kept - n * TMF_LN2_HIGH) - n * TMF_LN2_LOW;
    double p = 1.0 / 6227020800.0;
    uint64_t bits;
    double power;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    p = p * r * r + r; /* exp(r) - 1 */
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&power, &bits, sizeof power);
    return x < -708.0 ? 0.0 : power + power * p;
}

/* log(x) for normal x > 0. */
static inline double tmf_log_one(double x)
{
    uint64_t bits, biased;
    double m, exponent;
    memcpy(&bits, &x, sizeof bits);
    biased = (bits + (((uint64_t)1024 << 52) - 0x3FE6A09E667F3BCDu)) >> 52; /* 1024 + k, x = 2^k m */
    bits -= (biased - 1024) << 52;
    memcpy(&m, &bits, sizeof m);
    bits = biased | 0x4330000000000000u;
    memcpy(&exponent, &bits, sizeof exponent);
    const double k = exponent - (0x1p52 + 1024.0);
    const double f = m - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    double p = 2.0 / 23.0;
    p = p * z + 2.0 / 21.0;
    p = p * z + 2.0 / 19.0;
    p = p * z + 2.0 / 17.0;
    p = p * z + 2.0 / 15.0;
    p = p * z + 2.0 / 13.0;
    p = p * z + 2.0 / 11.0;
    p = p * z + 2.0 / 9.0;
    p = p * z + 2.0 / 7.0;
    p = p * z + 2.0 / 5.0;
    p = p * z + 2.0 / 3.0;
    return k * TMF_LN2_HIGH + (f - (s * (f - p * z) - k * TMF_LN2_LOW)); /* log(1 + f) = f - s (f - z p) */
}

/* out[i] = exp(x[i]), x[i] <= 0 */
TMF_BY_LEVEL(tmf_exp_all, (const double *restrict x, ptrdiff_t n, double *restrict out), (x, n, out))
{
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = tmf_exp_one(x[i]);
}

/* out[i] = log(x[i] + shift) */
TMF_BY_LEVEL(
    tmf_log_all, (const double *restrict x, double shift, ptrdiff_t n, double *restrict out), (x, shift, n, out))
{
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++)
        out[i] = tmf_log_one(x[i] + shift);
}

#endif
