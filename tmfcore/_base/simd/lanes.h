/* Sums over eight lanes, added up in a fixed order: the same bits on every instruction set. And memory in whole lines. */
#ifndef TMFCORE_LANES_H
#define TMFCORE_LANES_H

#include <stdint.h>

#include "_base/simd/cpu.h"

enum {
    TMF_SUMS = 8,
    TMF_LINE = 64 /* bytes of a line of the cache: a vector across two of them is read twice */
};

#if defined(__GNUC__)
#define TMF_ALIGNED __attribute__((aligned(64)))
#else
#define TMF_ALIGNED
#endif

/* The first whole line at or after `memory`, of which TMF_LINE bytes more than needed were asked for. */
static inline double *tmf_align(void *memory)
{
    return (double *)(((uintptr_t)memory + TMF_LINE - 1) & ~(uintptr_t)(TMF_LINE - 1));
}

TMF_INLINE double tmf_lanes(const double *sums)
{
    double four[4], two[2];
#pragma omp simd
    for (int lane = 0; lane < 4; lane++)
        four[lane] = sums[lane] + sums[lane + 4];
#pragma omp simd
    for (int lane = 0; lane < 2; lane++)
        two[lane] = four[lane] + four[lane + 2];
    return two[0] + two[1];
}

#endif
