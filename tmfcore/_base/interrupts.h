/* When a kernel must look for interrupts, and what it finds: a stop of its thread's work, or that signals are due.
 *
 * A kernel counts down between looks; the countdown adapts to the time that its steps take, about four milliseconds
 * from look to look. The clock has the resolution of the system's timer, and costs a few nanoseconds.
 */
#ifndef TMFCORE_INTERRUPTS_H
#define TMFCORE_INTERRUPTS_H

#include <time.h>

#include "tmfcore/_base/compiler.h"

/* One flag for all threads that work for one call; `outer` belongs to the call that this one is a part of. */
typedef struct tmf_stop {
    int64_t raised;
    struct tmf_stop *outer;
} tmf_stop;

/* Steps until the next look, steps between the last two, and the time of the last. All 0: look at once. */
typedef struct {
    int64_t left, every, since;
} tmf_looks;

enum { TMF_NOTHING, TMF_SIGNALS_DUE, TMF_STOPPED };

static const int64_t TMF_APART = 4000000;     /* nanoseconds between looks */
static const uint64_t TMF_SIGNALS = 50000000; /* nanoseconds between two times that the interpreter is asked */
static const int64_t TMF_MOST_STEPS = 1 << 20;

static TMF_THREAD_LOCAL tmf_stop *tmf_own_stop = 0; /* of the call that this thread works for; 0: its own master */
static TMF_THREAD_LOCAL int64_t tmf_asked = 0;      /* when this thread last asked the interpreter */

static inline int64_t tmf_now(void)
{
    struct timespec now;
#if defined(_WIN32)
    timespec_get(&now, TIME_UTC);
#elif defined(CLOCK_MONOTONIC_COARSE)
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
    clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void tmf_stop_raise(tmf_stop *stop)
{
    tmf_write(&stop->raised, 1);
}

static inline int tmf_is_stopped(const tmf_stop *stop)
{
    for (; stop; stop = stop->outer)
        if (tmf_read(&stop->raised))
            return 1;
    return 0;
}

/* The next countdown: as many steps as took TMF_APART, at most twice as many as before. */
static inline void tmf_count_again(tmf_looks *it, int64_t now)
{
    const int64_t passed = now - it->since;
    int64_t every = it->every > 0 ? it->every : 1;
    if (passed < TMF_APART / 2)
        every = every < TMF_MOST_STEPS ? 2 * every : every;
    else if (passed > 2 * TMF_APART)
        every = every * TMF_APART / passed;
    it->every = every > 0 ? every : 1;
    it->left = it->every - 1;
    it->since = now;
}

/* Look, for the stop of the call that this thread works for, and for signals if it is time to ask for them. */
static inline int tmf_look(tmf_looks *it)
{
    const int64_t now = tmf_now();
    tmf_count_again(it, now);
    if (tmf_is_stopped(tmf_own_stop))
        return TMF_STOPPED;
    if ((uint64_t)(now - tmf_asked) < TMF_SIGNALS) /* a clock that was set back has passed it */
        return TMF_NOTHING;
    tmf_asked = now;
    return TMF_SIGNALS_DUE;
}

#endif
