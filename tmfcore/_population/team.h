/* A team of threads that share the work of a step, with a barrier at its start and one at its end.
 *
 * The caller owns the threads (Python's); this header only makes them wait. A waiting thread spins for some
 * microseconds, since steps follow each other closely, and then sleeps.
 */
#ifndef TMFCORE_TEAM_H
#define TMFCORE_TEAM_H

#include "tmfcore/_base/compiler.h"

/* ---------------------------------------------------------------- locks, and waiting for a change, of each system */

#if defined(_WIN32)
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#undef near /* words of 16-bit Windows */
#undef far

typedef SRWLOCK tmf_lock;
typedef CONDITION_VARIABLE tmf_change;

static inline void tmf_lock_open(tmf_lock *lock, tmf_change *change)
{
    InitializeSRWLock(lock);
    InitializeConditionVariable(change);
}

static inline void tmf_lock_close(tmf_lock *lock, tmf_change *change) /* Windows keeps nothing for them */
{
    (void)lock;
    (void)change;
}

static inline void tmf_lock_take(tmf_lock *lock)
{
    AcquireSRWLockExclusive(lock);
}

static inline void tmf_lock_leave(tmf_lock *lock)
{
    ReleaseSRWLockExclusive(lock);
}

static inline void tmf_change_wait(tmf_change *change, tmf_lock *lock)
{
    SleepConditionVariableSRW(change, lock, INFINITE, 0);
}

static inline void tmf_change_tell(tmf_change *change)
{
    WakeAllConditionVariable(change);
}
#else
#include <pthread.h>

typedef pthread_mutex_t tmf_lock;
typedef pthread_cond_t tmf_change;

static inline void tmf_lock_open(tmf_lock *lock, tmf_change *change)
{
    pthread_mutex_init(lock, 0);
    pthread_cond_init(change, 0);
}

static inline void tmf_lock_close(tmf_lock *lock, tmf_change *change)
{
    pthread_cond_destroy(change);
    pthread_mutex_destroy(lock);
}

static inline void tmf_lock_take(tmf_lock *lock)
{
    pthread_mutex_lock(lock);
}

static inline void tmf_lock_leave(tmf_lock *lock)
{
    pthread_mutex_unlock(lock);
}

static inline void tmf_change_wait(tmf_change *change, tmf_lock *lock)
{
    pthread_cond_wait(change, lock);
}

static inline void tmf_change_tell(tmf_change *change)
{
    pthread_cond_broadcast(change);
}
#endif

/* ---------------------------------------------------------------- numbers that order the memory around them */

#if defined(__GNUC__) || defined(__clang__)
static inline int64_t tmf_acquire(const int64_t *shared)
{
    return __atomic_load_n(shared, __ATOMIC_ACQUIRE);
}

static inline void tmf_release(int64_t *shared, int64_t value)
{
    __atomic_store_n(shared, value, __ATOMIC_RELEASE);
}

static inline int64_t tmf_one_less(int64_t *shared)
{
    return __atomic_sub_fetch(shared, 1, __ATOMIC_ACQ_REL);
}
#else
static inline int64_t tmf_acquire(const int64_t *shared)
{
    return InterlockedCompareExchange64((LONG64 *)shared, 0, 0);
}

static inline void tmf_release(int64_t *shared, int64_t value)
{
    InterlockedExchange64((LONG64 *)shared, value);
}

static inline int64_t tmf_one_less(int64_t *shared)
{
    return InterlockedDecrement64((LONG64 *)shared);
}
#endif

/* Tells the processor that a loop waits. */
static inline void tmf_pause(void)
{
#if defined(_WIN32)
    YieldProcessor();
#elif defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb"); /* `yield` does nothing on most of them */
#endif
}

/* ---------------------------------------------------------------- the team */

typedef struct {
    tmf_lock lock;
    tmf_change changed;
    int64_t step;    /* grows by one when a step begins; negative: helpers must return */
    int64_t at_work; /* helpers that have not finished the step */
    int64_t stopped; /* an interrupt ended the step: helpers return from it */
} tmf_team;

enum { TMF_SPINS = 4000 };

static inline void tmf_team_open(tmf_team *team)
{
    tmf_lock_open(&team->lock, &team->changed);
    team->step = team->at_work = team->stopped = 0;
}

static inline void tmf_team_close(tmf_team *team)
{
    tmf_lock_close(&team->lock, &team->changed);
}

/* The leader starts a step, or, with n_helpers < 0, tells the helpers to return. */
static inline void tmf_team_begin(tmf_team *team, int64_t n_helpers)
{
    tmf_lock_take(&team->lock);
    tmf_release(&team->at_work, n_helpers < 0 ? 0 : n_helpers);
    tmf_release(&team->step, n_helpers < 0 ? -1 : team->step + 1);
    tmf_change_tell(&team->changed);
    tmf_lock_leave(&team->lock);
}

/* A helper waits for the step after `last`. Returns its number; a negative number: the helper must return. */
static inline int64_t tmf_team_await(tmf_team *team, int64_t last)
{
    int64_t step = last;
    for (int i = 0; i < TMF_SPINS && step == last; i++) {
        tmf_pause();
        step = tmf_acquire(&team->step);
    }
    if (step != last)
        return step;
    tmf_lock_take(&team->lock);
    while ((step = tmf_acquire(&team->step)) == last)
        tmf_change_wait(&team->changed, &team->lock);
    tmf_lock_leave(&team->lock);
    return step;
}

static inline void tmf_team_finished(tmf_team *team)
{
    tmf_lock_take(&team->lock);
    if (tmf_one_less(&team->at_work) == 0)
        tmf_change_tell(&team->changed);
    tmf_lock_leave(&team->lock);
}

/* The leader says, before a step and in it, whether helpers are to go on; they look while they work. */
static inline void tmf_team_stop(tmf_team *team, int stopped)
{
    tmf_write(&team->stopped, stopped);
}

static inline int tmf_team_stopped(const tmf_team *team)
{
    return tmf_read(&team->stopped) != 0;
}

/* The leader waits until every helper has finished the step. */
static inline void tmf_team_join(tmf_team *team)
{
    for (int i = 0; i < TMF_SPINS; i++) {
        if (tmf_acquire(&team->at_work) == 0)
            return;
        tmf_pause();
    }
    tmf_lock_take(&team->lock);
    while (tmf_acquire(&team->at_work) != 0)
        tmf_change_wait(&team->changed, &team->lock);
    tmf_lock_leave(&team->lock);
}

#endif
