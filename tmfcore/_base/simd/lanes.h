/* Sums over eight lanes in a fixed order, with the same bits on every instruction set; alignment to cache lines. */
#ifndef TMFCORE_LANES_H
#define TMFCORE_LANES_H

#include <stdint.h>

#include "_base/simd/cpu.h"

enum {
    TMF_SUMS = 8,
    TMF_LINE = 64 /* bytes of a cache line: a vector that crosses a line costs two reads */
};

/* The first cache line at or after `memory`, which must be allocated with TMF_LINE bytes more than needed. */
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
