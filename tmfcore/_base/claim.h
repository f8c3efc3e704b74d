/* A mark on an object that works for one call at a time, whether or not the interpreter has a lock. */
#ifndef TMFCORE_CLAIM_H
#define TMFCORE_CLAIM_H

#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

/* Takes the mark; returns 0 if another call has it. */
static inline int tmf_claim(int64_t *mark)
{
#if defined(__GNUC__) || defined(__clang__)
    return __atomic_exchange_n(mark, 1, __ATOMIC_ACQUIRE) == 0;
#else
    return _InterlockedExchange64(mark, 1) == 0;
#endif
}

static inline void tmf_give_back(int64_t *mark)
{
#if defined(__GNUC__) || defined(__clang__)
    __atomic_store_n(mark, 0, __ATOMIC_RELEASE);
#else
    _InterlockedExchange64(mark, 0);
#endif
}

#endif
