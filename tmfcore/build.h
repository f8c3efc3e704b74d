/* What the kernels were compiled with, and what the CPU they run on offers. The TMFCORE_ macros come from setup.py. */
#ifndef TMFCORE_BUILD_H
#define TMFCORE_BUILD_H

#if defined(__clang__)
#define TMF_COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define TMF_COMPILER "gcc " __VERSION__
#elif defined(_MSC_VER)
#define TMF_COMPILER "msvc"
#else
#define TMF_COMPILER "unknown"
#endif

#if defined(__x86_64__) && defined(__GNUC__)
static inline const char *tmf_instruction_set(void)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "AVX-512";
    return __builtin_cpu_supports("avx2") ? "AVX2" : "x86-64";
}
#else
static inline const char *tmf_instruction_set(void)
{
    return "portable";
}
#endif

#endif
