/* What compilers say in words of their own; everything else in the headers is C11.
 *
 * TMF_GNU    GNU C (gcc, clang): vectors, 128-bit products, hints. MSVC has none of them, nor has a build with -DTMF_PLAIN,
 *            by which tests hold what MSVC compiles against the rest: results have the same bits.
 */
#ifndef TMFCORE_COMPILER_H
#define TMFCORE_COMPILER_H

#include <stdint.h>

#if (defined(__GNUC__) || defined(__clang__)) && !defined(TMF_PLAIN)
#define TMF_GNU 1
#endif

/* TMF_INLINE: always inlined, so that a constant argument gives a loop of constant length. */
#if defined(TMF_GNU)
#define TMF_INLINE static inline __attribute__((always_inline))
#define TMF_NOINLINE __attribute__((noinline))
#define TMF_ALIGNED __attribute__((aligned(64)))
#define TMF_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define TMF_PREFETCH(address) __builtin_prefetch(address)
#else
#define TMF_UNLIKELY(condition) (condition)
#define TMF_PREFETCH(address) ((void)(address))
#if defined(_MSC_VER)
#define TMF_INLINE static __forceinline
#define TMF_NOINLINE __declspec(noinline)
#define TMF_ALIGNED __declspec(align(64))
#else
#define TMF_INLINE static inline
#define TMF_NOINLINE
#define TMF_ALIGNED
#endif
#endif

#if defined(_MSC_VER)
#define TMF_THREAD_LOCAL __declspec(thread)
#else
#define TMF_THREAD_LOCAL _Thread_local
#endif

/* Numbers that other threads read and write meanwhile: whole, and in no order with other memory. */
#if defined(__GNUC__) || defined(__clang__)
static inline int64_t tmf_read(const int64_t *shared)
{
    return __atomic_load_n(shared, __ATOMIC_RELAXED);
}

static inline void tmf_write(int64_t *shared, int64_t value)
{
    __atomic_store_n(shared, value, __ATOMIC_RELAXED);
}
#else
static inline int64_t tmf_read(const int64_t *shared)
{
    return *(const volatile int64_t *)shared;
}

static inline void tmf_write(int64_t *shared, int64_t value)
{
    *(volatile int64_t *)shared = value;
}
#endif

/* The number of bits of x that are 1. */
static inline int tmf_ones(uint64_t x)
{
#if defined(TMF_GNU)
    return __builtin_popcountll(x);
#else
    x -= x >> 1 & 0x5555555555555555u;
    x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
    return (int)(x * 0x0101010101010101u >> 56);
#endif
}

#endif
