/* Instruction levels: the level is chosen once, when a module is loaded; loops are compiled for each level.
 *
 * Level      0 base: the baseline of the platform      1 AVX2      2 AVX-512      3 AVX-512 with VBMI
 *            The highest level that the CPU supports. The environment variable TMFCORE_INSTRUCTION_SET (base, avx2,
 *            avx512, avx512vbmi) caps it, for tests: results have the same bits at every level.
 * Use        TMF_BY_LEVEL for loops that the compiler vectorises. For intrinsics: a function with the attribute
 *            TMF_TARGET_AVX2, _AVX512 or _AVX512VBMI, called only if tmf_instruction_level() is at least that level.
 */
#ifndef TMFCORE_CPU_H
#define TMFCORE_CPU_H

#include "tmfcore/_base/compiler.h"

#if defined(TMF_GNU) && defined(__x86_64__)
#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

#define TMF_X86 1
#define TMF_TARGET_AVX2 __attribute__((target("avx2,bmi,bmi2")))
#define TMF_TARGET_AVX512 __attribute__((target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl")))
#define TMF_TARGET_AVX512VBMI __attribute__((target("avx2,bmi,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))

static int tmf_level; /* -1: TMFCORE_INSTRUCTION_SET names no level */

/* The highest level that the CPU has and the system saves the registers of. Not by __builtin_cpu_supports: the runtime of
 * some compilers answers 0 to everything. Bits: Intel, "Software Developer's Manual", volume 2A, CPUID, and volume 1, 13.1. */
static inline int tmf_highest_level(void)
{
    const unsigned avx2 = 1u << 5 | 1u << 3 | 1u << 8;                        /* AVX2, BMI1, BMI2 */
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;        /* F, DQ, BW, VL */
    unsigned a, b, c, d, features, more, saved, rest;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27) || !__get_cpuid_count(7, 0, &a, &features, &more, &d))
        return 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(rest) : "c"(0)); /* bit 27 above: the system lets us ask */
    if ((features & avx2) != avx2 || (saved & 0x06) != 0x06)
        return 0;
    if ((features & avx512) != avx512 || (saved & 0xE6) != 0xE6)
        return 1;
    return more & 1u << 1 ? 3 : 2; /* VBMI */
}

__attribute__((constructor)) static void tmf_choose_level(void)
{
    static const char *const names[] = {"base", "avx2", "avx512", "avx512vbmi"};
    const char *const asked = getenv("TMFCORE_INSTRUCTION_SET");
    const int level = tmf_highest_level();
    int cap = 3;
    if (asked && *asked)
        while (cap >= 0 && strcmp(asked, names[cap]))
            cap--;
    tmf_level = level < cap ? level : cap;
}

static inline int tmf_instruction_level(void)
{
    return tmf_level;
}

/* TMF_BY_LEVEL(name, (parameters), (arguments)) { body } defines `static void name(parameters)`, which calls the body
 * as compiled for level 0, 1 or 2. */
#define TMF_BY_LEVEL(name, parameters, arguments) \
    static inline __attribute__((always_inline)) void name##_body parameters; \
    static inline void name##_base parameters { name##_body arguments; } \
    TMF_TARGET_AVX2 static inline void name##_avx2 parameters { name##_body arguments; } \
    TMF_TARGET_AVX512 static inline void name##_avx512 parameters { name##_body arguments; } \
    static inline void name parameters \
    { \
        if (tmf_instruction_level() >= 2) \
            name##_avx512 arguments; \
        else if (tmf_instruction_level() == 1) \
            name##_avx2 arguments; \
        else \
            name##_base arguments; \
    } \
    static inline __attribute__((always_inline)) void name##_body parameters

#else

static inline int tmf_instruction_level(void)
{
    return 0;
}

#define TMF_BY_LEVEL(name, parameters, arguments) static inline void name parameters

#endif

/* Calls of(n, ...), with a constant n for n <= 6: the compiler then unrolls loops over n. */
#define TMF_BY_LENGTH(of, n, ...) \
    switch (n) { \
    case 1: of(1, __VA_ARGS__); break; \
    case 2: of(2, __VA_ARGS__); break; \
    case 3: of(3, __VA_ARGS__); break; \
    case 4: of(4, __VA_ARGS__); break; \
    case 5: of(5, __VA_ARGS__); break; \
    case 6: of(6, __VA_ARGS__); break; \
    default: of(n, __VA_ARGS__); \
    }

#endif
