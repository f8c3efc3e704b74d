/* Two words by which another thread follows a run: steps made, and whether the run is to stop. */
#ifndef TMFCORE_WATCH_H
#define TMFCORE_WATCH_H

#include <stdint.h>

/* Say that `done` steps are made; whether the run is to stop. Neither word orders other memory. */
static inline int tmf_told(int64_t *watch, int64_t done)
{
    __atomic_store_n(&watch[0], done, __ATOMIC_RELAXED);
    return __atomic_load_n(&watch[1], __ATOMIC_RELAXED) != 0;
}

#endif
