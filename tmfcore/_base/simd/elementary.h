/* Exponentials and logarithms of arrays, with the same bits on every instruction set.
 *
 * Sources    argument reduction by additions of 1.5 * 2^52 and by the bits of a double; Taylor series of exp on
 *            |r| <= ln(2) / 2, series of artanh for log on sqrt(1/2) <= m <= sqrt(2); errors below 1.2 units in the last place.
 */
#ifndef TMFCORE_ELEMENTARY_H
#define TMFCORE_ELEMENTARY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_base/simd/cpu.h"

#define TMF_SHIFT 0x1.8p52 /* x + TMF_SHIFT is rounded to an integer, which stands in its low bits */

#define TMF_LN2_HIGH 0x1.62e42feep-1          /* 33 bits: its product with an exponent is exact */
#define TMF_LN2_LOW 0x1.a39ef35793c76p-33

TMF_INLINE double tmf_double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

TMF_INLINE uint64_t tmf_bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* exp(x) is power + power p for -708 <= x <= 0; returns p, near exp(r) - 1 for the remainder r of x by ln 2. */
TMF_INLINE double tmf_exp_parts(double x, double *power)
{
    const double shifted = x * 0x1.71547652b82fep0 + TMF_SHIFT; /* its low bits are n, the nearest to x / ln 2 */
    const double n = shifted - TMF_SHIFT;
    const double r = (x - n * TMF_LN2_HIGH) - n * TMF_LN2_LOW;
    *power = tmf_double_of((tmf_bits_of(shifted) + 1023) << 52);
    double p = 1.0 / 6227020800.0;
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
    return p * r * r + r;
}

/* exp(x) for -708 <= x <= 0. */
TMF_INLINE double tmf_exp_above(double x)
{
    double power;
    const double p = tmf_exp_parts(x, &power);
    return power + power * p;
}

/* exp(x) - 1 for x <= 0. */
TMF_INLINE double tmf_expm1_one(double x)
{
    double power;
    const double p = tmf_exp_parts(x < -708.0 ? -708.0 : x, &power);
    return (power - 1.0) + power * p;
}

/* exp(x) for x <= 0; 0 below -708, NaN for NaN. */
TMF_INLINE double tmf_exp_one(double x)
{
    const double power = tmf_exp_above(x < -708.0 ? -708.0 : x);
    return x < -708.0 ? 0.0 : power;
}

/* log(x) for normal x > 0; t is x - 1, which the caller may know more precisely than x. */
TMF_INLINE double tmf_log_near(double x, double t)
{
    const uint64_t bits = tmf_bits_of(x);
    const uint64_t biased = (bits + (((uint64_t)1024 << 52) - 0x3FE6A09E667F3BCDu)) >> 52; /* 1024 + k, x = 2^k m */
    const double k = tmf_double_of(biased | 0x4330000000000000u) - (0x1p52 + 1024.0);
    const double m = tmf_double_of(bits - ((biased - 1024) << 52));
    const double f = k == 0 ? t : m - 1.0;
    const double s = f / (2.0 + f);
    const double z = s * s;
    double p = 2.0 / 19.0;
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

/* log(x) for normal x > 0. */
TMF_INLINE double tmf_log_one(double x)
{
    return tmf_log_near(x, x - 1.0);
}

/* x[i] becomes exp(x[i]), x[i] <= 0. */
TMF_BY_LEVEL(tmf_exp_all, (double *restrict x, ptrdiff_t n), (x, n))
{
#pragma omp simd
    for (ptrdiff_t i = 0; i < n; i++)
        x[i] = tmf_exp_one(x[i]);
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
