/* One bit per agent that says whether it acts: drawn for 64 agents at a time, and counted. */
#ifndef TMFCORE_BITS_H
#define TMFCORE_BITS_H

#include <stdint.h>
#include <string.h>

#include "_base/simd/cpu.h"

#ifdef TMF_X86
#include <immintrin.h>
#endif

/* Sets bit i of bits[w] if number 64 w + i is below the threshold. random (16 n_words,) holds four 16-bit numbers per
 * word. */
#define TMF_BITS_ARGUMENTS \
    const uint64_t *restrict random, uint16_t threshold, uint64_t *restrict bits, int n_words

static void tmf_bits_below_base(TMF_BITS_ARGUMENTS)
{
    for (int w = 0; w < n_words; w++, random += 16) {
        uint16_t number[64];
        uint64_t word = 0;
        memcpy(number, random, sizeof number);
        for (int i = 0; i < 64; i++)
            word |= (uint64_t)(number[i] < threshold) << i;
        bits[w] = word;
    }
}

#ifdef TMF_X86
TMF_TARGET_AVX2
static void tmf_bits_below_avx2(TMF_BITS_ARGUMENTS)
{
    /* for unsigned numbers, a < t if and only if the saturating t - a is not 0 */
    const __m256i limit = _mm256_set1_epi16((short)threshold), zero = _mm256_setzero_si256();
    for (int w = 0; w < n_words; w++, random += 16) {
        uint32_t half[2];
        for (int h = 0; h < 2; h++) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)(random + 8 * h));
            const __m256i second = _mm256_loadu_si256((const __m256i *)(random + 8 * h + 4));
            const __m256i not_below = _mm256_packs_epi16(_mm256_cmpeq_epi16(_mm256_subs_epu16(limit, first), zero),
                                                         _mm256_cmpeq_epi16(_mm256_subs_epu16(limit, second), zero));
            half[h] = ~(uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(not_below, 0xD8));
        }
        bits[w] = half[0] | (uint64_t)half[1] << 32;
    }
}

TMF_TARGET_AVX512
static void tmf_bits_below_avx512(TMF_BITS_ARGUMENTS)
{
    const __m512i limit = _mm512_set1_epi16((short)threshold);
    for (int w = 0; w < n_words; w++, random += 16) {
        const __mmask32 low = _mm512_cmplt_epu16_mask(_mm512_loadu_si512(random), limit);
        const __mmask32 high = _mm512_cmplt_epu16_mask(_mm512_loadu_si512(random + 8), limit);
        bits[w] = low | (uint64_t)high << 32;
    }
}
#endif

static void tmf_bits_below(TMF_BITS_ARGUMENTS)
{
#ifdef TMF_X86
    if (tmf_instruction_level() >= 2) {
        tmf_bits_below_avx512(random, threshold, bits, n_words);
        return;
    }
    if (tmf_instruction_level() >= 1) {
        tmf_bits_below_avx2(random, threshold, bits, n_words);
        return;
    }
#endif
    tmf_bits_below_base(random, threshold, bits, n_words);
}

static int64_t tmf_count_bits(const uint64_t *bits, int64_t n_words)
{
    int64_t n = 0;
    for (int64_t w = 0; w < n_words; w++)
        n += tmf_ones(bits[w]);
    return n;
}

#endif
