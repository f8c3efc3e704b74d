/* One agent's observation, of 1, 2 or 4 bytes. */
#ifndef TMFCORE_OBSERVATIONS_H
#define TMFCORE_OBSERVATIONS_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define TMF_PREFETCH(address) __builtin_prefetch(address)
#else
#define TMF_PREFETCH(address) ((void)0)
#endif

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

static inline void tmf_prefetch_one(const void *observations, int width, uint64_t i)
{
    TMF_PREFETCH((const char *)observations + (size_t)i * (size_t)width);
    (void)observations; (void)width; (void)i;
}

#endif
