/* A word by which another thread follows a run: the number of steps made. */
#ifndef TMFCORE_WATCH_H
#define TMFCORE_WATCH_H

#include "tmfcore/_base/compiler.h"

static inline void tmf_tell(int64_t *watch, int64_t done)
{
    tmf_write(watch, done);
}

#endif
