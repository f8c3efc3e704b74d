/* Two words by which another thread follows a run: the number of steps made, and whether the run must stop. */
#ifndef TMFCORE_WATCH_H
#define TMFCORE_WATCH_H

#include <stdint.h>

/* Report `done` steps; return whether the run must stop. Both accesses are relaxed: they order no other memory. */
static inline int tmf_told(int64_t *watch, int64_t done)
{
    __atomic_store_n(&watch[0], done, __ATOMIC_RELAXED);
    return __atomic_load_n(&watch[1], __ATOMIC_RELAXED) != 0;
}

#endif
