/* Observations of single agents, stored in 1, 2 or 4 bytes. */
#ifndef TMFCORE_OBSERVATIONS_H
#define TMFCORE_OBSERVATIONS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tmfcore/_base/compiler.h"

static inline uint32_t tmf_load_one(const void *observations, int width, uint64_t i)
{
    return width == 1 ? ((const uint8_t *)observations)[i]
         : width == 2 ? ((const uint16_t *)observations)[i]
                      : ((const uint32_t *)observations)[i];
}

static inline void tmf_store_one(void *observations, int width, uint64_t i, uint32_t observation)
{
    if (width == 1) ((uint8_t *)observations)[i] = (uint8_t)observation;
    else if (width == 2) ((uint16_t *)observations)[i] = (uint16_t)observation;
    else ((uint32_t *)observations)[i] = observation;
}

/* row[i] = row[from[i]] for the n entries of `width` bytes; scratch has the size of row. */
static inline void tmf_pick(void *restrict row, int width, const uint32_t *restrict from, int64_t n, void *restrict scratch)
{
    char *const out = scratch;
    const char *const in = row;
    if (width == 1)
        for (int64_t i = 0; i < n; i++) out[i] = in[from[i]];
    else if (width == 2)
        for (int64_t i = 0; i < n; i++) memcpy(out + 2 * i, in + 2 * (int64_t)from[i], 2);
    else if (width == 4)
        for (int64_t i = 0; i < n; i++) memcpy(out + 4 * i, in + 4 * (int64_t)from[i], 4);
    else
        for (int64_t i = 0; i < n; i++) memcpy(out + 8 * i, in + 8 * (int64_t)from[i], 8);
    memcpy(row, scratch, (size_t)n * (size_t)width);
}

static inline void tmf_prefetch_one(const void *observations, int width, uint64_t i)
{
    TMF_PREFETCH((const char *)observations + (size_t)i * (size_t)width);
}

#endif
