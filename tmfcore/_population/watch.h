/* A word by which another thread follows a run: the number of steps made. */
#ifndef TMFCORE_WATCH_H
#define TMFCORE_WATCH_H

#include <stdint.h>

/* Report `done` steps. The store is relaxed: it orders no other memory. */
static inline void tmf_tell(int64_t *watch, int64_t done)
{
    __atomic_store_n(&watch[0], done, __ATOMIC_RELAXED);
}

#endif
