/* A team of threads that share the work of a step, with a barrier at its start and one at its end.
 *
 * The caller owns the threads (Python's); this header only makes them wait. A waiting thread spins for some
 * microseconds, since steps follow each other closely, and then sleeps. Without POSIX threads a team has one member.
 */
#ifndef TMFCORE_TEAM_H
#define TMFCORE_TEAM_H

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define TMF_TEAMS 1

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    long step;    /* grows by one when a step begins; negative: helpers must return */
    long at_work; /* helpers that have not finished the step */
    int stopped;  /* an interrupt ended the step: helpers return from it */
} tmf_team;

enum { TMF_SPINS = 4000 };

static inline void tmf_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static inline void tmf_team_open(tmf_team *team)
{
    pthread_mutex_init(&team->lock, 0);
    pthread_cond_init(&team->changed, 0);
    team->step = team->at_work = 0;
    team->stopped = 0;
}

static inline void tmf_team_close(tmf_team *team)
{
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->lock);
}

/* The leader starts a step, or, with n_helpers < 0, tells the helpers to return. */
static inline void tmf_team_begin(tmf_team *team, long n_helpers)
{
    pthread_mutex_lock(&team->lock);
    __atomic_store_n(&team->at_work, n_helpers < 0 ? 0 : n_helpers, __ATOMIC_RELEASE);
    __atomic_store_n(&team->step, n_helpers < 0 ? -1 : team->step + 1, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
}

/* A helper waits for the step after `last`. Returns its number; a negative number: the helper must return. */
static inline long tmf_team_await(tmf_team *team, long last)
{
    long step = last;
    for (int i = 0; i < TMF_SPINS && step == last; i++) {
        tmf_pause();
        step = __atomic_load_n(&team->step, __ATOMIC_ACQUIRE);
    }
    if (step != last)
        return step;
    pthread_mutex_lock(&team->lock);
    while (team->step == last)
        pthread_cond_wait(&team->changed, &team->lock);
    step = team->step;
    pthread_mutex_unlock(&team->lock);
    return step;
}

static inline void tmf_team_finished(tmf_team *team)
{
    pthread_mutex_lock(&team->lock);
    if (__atomic_sub_fetch(&team->at_work, 1, __ATOMIC_ACQ_REL) == 0)
        pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->lock);
}

/* The leader says, before a step and in it, whether helpers are to go on; they look while they work. */
static inline void tmf_team_stop(tmf_team *team, int stopped)
{
    __atomic_store_n(&team->stopped, stopped, __ATOMIC_RELAXED);
}

static inline int tmf_team_stopped(const tmf_team *team)
{
    return __atomic_load_n(&team->stopped, __ATOMIC_RELAXED);
}

/* The leader waits until every helper has finished the step. */
static inline void tmf_team_join(tmf_team *team)
{
    for (int i = 0; i < TMF_SPINS; i++) {
        if (__atomic_load_n(&team->at_work, __ATOMIC_ACQUIRE) == 0)
            return;
        tmf_pause();
    }
    pthread_mutex_lock(&team->lock);
    while (__atomic_load_n(&team->at_work, __ATOMIC_ACQUIRE) != 0)
        pthread_cond_wait(&team->changed, &team->lock);
    pthread_mutex_unlock(&team->lock);
}

#else
#define TMF_TEAMS 0

typedef struct {
    int stopped;
} tmf_team;

static inline void tmf_team_open(tmf_team *team) { team->stopped = 0; }
static inline void tmf_team_close(tmf_team *team) { (void)team; }
static inline void tmf_team_begin(tmf_team *team, long n_helpers) { (void)team; (void)n_helpers; }
static inline long tmf_team_await(tmf_team *team, long last) { (void)team; (void)last; return -1; }
static inline void tmf_team_finished(tmf_team *team) { (void)team; }
static inline void tmf_team_stop(tmf_team *team, int stopped) { team->stopped = stopped; }
static inline int tmf_team_stopped(const tmf_team *team) { return team->stopped; }
static inline void tmf_team_join(tmf_team *team) { (void)team; }
#endif

#endif
