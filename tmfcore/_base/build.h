/* The compiler of this build and the instruction set in use. setup.py defines the TMFCORE_ macros. */
#ifndef TMFCORE_BUILD_H
#define TMFCORE_BUILD_H

#include "_base/simd/cpu.h"

#if defined(__clang__)
#define TMF_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define TMF_COMPILER "gcc " __VERSION__
#elif defined(_MSC_VER)
#define TMF_COMPILER "msvc"
#else
#define TMF_COMPILER "unknown"
#endif

/* Name of the instruction level in use (cpu.h); NULL if TMFCORE_INSTRUCTION_SET names no level. */
static inline const char *tmf_instruction_set(void)
{
#ifdef TMF_X86
    static const char *const names[] = {"x86-64", "AVX2", "AVX-512", "AVX-512 VBMI"};
    return tmf_instruction_level() < 0 ? 0 : names[tmf_instruction_level()];
#else
    return "portable";
#endif
}

#endif
