/* The inner loops of the agents engine: load, move by alias tables, count and store tiles of agents.
 *
 * In C, not Cython, because the compiler vectorises them only with `restrict` arguments.
 */
#ifndef TMFCORE_TILES_H
#define TMFCORE_TILES_H

#include "_population/alias.h"
#include "_random/streams.h"

#ifdef TMF_X86
#include <immintrin.h>
#endif

/* ---------------------------------------------------------------- observations of 1, 2 or 4 bytes */

TMF_BY_LEVEL(
    tmf_load,
    (const void *restrict observations, int width, uint32_t *restrict rows, int n),
    (observations, width, rows, n))
{
    if (width == 1)
        for (int i = 0; i < n; i++) rows[i] = ((const uint8_t *)observations)[i];
    else if (width == 2)
        for (int i = 0; i < n; i++) rows[i] = ((const uint16_t *)observations)[i];
    else
        memcpy(rows, observations, (size_t)n * 4);
}

TMF_BY_LEVEL(
    tmf_store,
    (void *restrict observations, int width, const uint32_t *restrict next, int n),
    (observations, width, next, n))
{
    if (width == 1)
        for (int i = 0; i < n; i++) ((uint8_t *)observations)[i] = (uint8_t)next[i];
    else if (width == 2)
        for (int i = 0; i < n; i++) ((uint16_t *)observations)[i] = (uint16_t)next[i];
    else
        memcpy(observations, next, (size_t)n * 4);
}

/* ---------------------------------------------------------------- acting and passive agents */

/* Agents with acting[i] == 0 get their passive rows, which start at row S. */
TMF_BY_LEVEL(
    tmf_mark_passive,
    (uint32_t *restrict rows, const uint8_t *restrict acting, uint32_t n_observations, int n),
    (rows, acting, n_observations, n))
{
    for (int i = 0; i < n; i++)
        rows[i] += acting[i] ? 0u : n_observations;
}

/* acting[i] becomes nonzero if and only if bit i is set; both arrays have room for whole words. */
static inline void tmf_unpack_bits(const uint64_t *bits, uint8_t *acting, int n)
{
    for (int byte = 0; byte < (n + 7) / 8; byte++) {
        const uint64_t eight = bits[byte >> 3] >> (8 * (byte & 7)) & 0xFF;
        /* eight copies of the byte, each with one of its bits kept */
        const uint64_t spread = eight * 0x0101010101010101u & 0x8040201008040201u;
        for (int i = 0; i < 8; i++)
            acting[8 * byte + i] = (uint8_t)(spread >> (8 * i));
    }
}

/* Each of n agents acts if its 64-bit word is below the threshold p * 2^64. */
TMF_BY_LEVEL(
    tmf_bernoulli,
    (const uint64_t *restrict words, uint64_t threshold, uint8_t *restrict acting, int n),
    (words, threshold, acting, n))
{
    for (int i = 0; i < n; i++)
        acting[i] = words[i] < threshold;
}

/* The same with a threshold for each observation, p * 2^63, and the upper 63 bits of each word: p = 1 then fits. */
TMF_BY_LEVEL(
    tmf_bernoulli_by_row,
    (const uint64_t *restrict words, const uint32_t *restrict rows, const uint64_t *restrict thresholds,
     uint8_t *restrict acting, int n),
    (words, rows, thresholds, acting, n))
{
    for (int i = 0; i < n; i++)
        acting[i] = words[i] >> 1 < thresholds[rows[i]];
}

/* Each of n agents acts with probability p = threshold / 2^64, or, unless thresholds is NULL, thresholds[o] / 2^63. */
static inline void tmf_coins(const uint64_t *words, uint64_t threshold, const uint64_t *thresholds,
                             const void *observations, int width, uint32_t *rows, uint8_t *acting, int n)
{
    if (!thresholds) {
        tmf_bernoulli(words, threshold, acting, n);
        return;
    }
    tmf_load(observations, width, rows, n);
    tmf_bernoulli_by_row(words, rows, thresholds, acting, n);
}

/* ---------------------------------------------------------------- moves */

/* Address of the i-th 32-bit number in words, which hold two each. Computed in bytes, since i / 2 of a signed i takes
 * more than a shift. */
TMF_INLINE const void *tmf_half_at(const uint64_t *words, int i)
{
    return (const char *)words + 4 * (size_t)i;
}

TMF_INLINE uint32_t tmf_half(const uint64_t *words, int i)
{
    uint32_t half;
    memcpy(&half, tmf_half_at(words, i), sizeof half);
    return half;
}

/* Draws a flow (alias.h) for each agent of the tile from half a random word; returns whether a tie occurred.
 *
 * Written for each instruction set, since gcc does not vectorise gathers when it tunes for a generic CPU.
 * Tables have fewer than 2^31 cells: 32-bit signed indices suffice.
 */
#define TMF_DRAW_ARGUMENTS \
    const uint32_t *restrict rows, const uint64_t *restrict random, const uint32_t *restrict cells, \
    int column_bits, uint32_t *restrict flows, int n

static uint32_t tmf_draw_from(TMF_DRAW_ARGUMENTS, int first)
{
    const int shift = 32 - column_bits;
    const uint32_t fraction_mask = (1u << shift) - 1, column_mask = (1u << column_bits) - 1;
    uint32_t tie = 0;
    for (int i = first; i < n; i++) {
        const uint32_t base = rows[i] << column_bits, drawn = tmf_half(random, i);
        const uint32_t column = drawn >> shift;
        const uint32_t fraction = drawn & fraction_mask;
        const uint32_t cell = cells[base | column];
        const uint32_t threshold = cell >> column_bits;
        const uint32_t alias = cell & column_mask;
        const uint32_t stands = 0u - (uint32_t)(fraction < threshold); /* a mask: a branch would be mispredicted */
        tie |= fraction == threshold;
        flows[i] = base | (alias ^ ((alias ^ column) & stands));
    }
    return tie;
}

#ifdef TMF_X86
TMF_TARGET_AVX2
static uint32_t tmf_draw_avx2(TMF_DRAW_ARGUMENTS)
{
    const __m128i bits = _mm_cvtsi32_si128(column_bits), shift = _mm_cvtsi32_si128(32 - column_bits);
    const __m256i fraction_mask = _mm256_set1_epi32((int)((1u << (32 - column_bits)) - 1));
    const __m256i column_mask = _mm256_set1_epi32((int)((1u << column_bits) - 1));
    __m256i tie = _mm256_setzero_si256();
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i drawn = _mm256_loadu_si256((const __m256i *)tmf_half_at(random, i));
        const __m256i base = _mm256_sll_epi32(_mm256_loadu_si256((const __m256i *)(rows + i)), bits);
        const __m256i column = _mm256_srl_epi32(drawn, shift);
        const __m256i fraction = _mm256_and_si256(drawn, fraction_mask);
        const __m256i cell = _mm256_i32gather_epi32((const int *)cells, _mm256_or_si256(base, column), 4);
        const __m256i threshold = _mm256_srl_epi32(cell, bits); /* < 2^31, like the fraction: compare as signed */
        const __m256i stands = _mm256_cmpgt_epi32(threshold, fraction);
        const __m256i pick = _mm256_blendv_epi8(_mm256_and_si256(cell, column_mask), column, stands);
        tie = _mm256_or_si256(tie, _mm256_cmpeq_epi32(fraction, threshold));
        _mm256_storeu_si256((__m256i *)(flows + i), _mm256_or_si256(base, pick));
    }
    return (uint32_t)!_mm256_testz_si256(tie, tie) | tmf_draw_from(rows, random, cells, column_bits, flows, n, i);
}

TMF_TARGET_AVX512
static uint32_t tmf_draw_avx512(TMF_DRAW_ARGUMENTS)
{
    const __m128i bits = _mm_cvtsi32_si128(column_bits), shift = _mm_cvtsi32_si128(32 - column_bits);
    const __m512i fraction_mask = _mm512_set1_epi32((int)((1u << (32 - column_bits)) - 1));
    const __m512i column_mask = _mm512_set1_epi32((int)((1u << column_bits) - 1));
    __mmask16 tie = 0;
    int i = 0;
    for (; i + 16 <= n; i += 16) {
        const __m512i drawn = _mm512_loadu_si512(tmf_half_at(random, i));
        const __m512i base = _mm512_sll_epi32(_mm512_loadu_si512(rows + i), bits);
        const __m512i column = _mm512_srl_epi32(drawn, shift);
        const __m512i fraction = _mm512_and_si512(drawn, fraction_mask);
        const __m512i cell = _mm512_i32gather_epi32(_mm512_or_si512(base, column), cells, 4);
        const __m512i threshold = _mm512_srl_epi32(cell, bits);
        const __mmask16 stands = _mm512_cmplt_epu32_mask(fraction, threshold);
        const __m512i pick = _mm512_mask_blend_epi32(stands, _mm512_and_si512(cell, column_mask), column);
        tie |= _mm512_cmpeq_epi32_mask(fraction, threshold);
        _mm512_storeu_si512(flows + i, _mm512_or_si512(base, pick));
    }
    return (uint32_t)(tie != 0) | tmf_draw_from(rows, random, cells, column_bits, flows, n, i);
}

TMF_TARGET_AVX512
static void tmf_gather_avx512(const uint32_t *restrict table, const uint32_t *restrict at, uint32_t *restrict out, int n)
{
    int i = 0;
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_si512(out + i, _mm512_i32gather_epi32(_mm512_loadu_si512(at + i), table, 4));
    for (; i < n; i++)
        out[i] = table[at[i]];
}
#endif

static uint32_t tmf_draw(TMF_DRAW_ARGUMENTS)
{
#ifdef TMF_X86
    if (tmf_instruction_level() >= 2)
        return tmf_draw_avx512(rows, random, cells, column_bits, flows, n);
    if (tmf_instruction_level() >= 1)
        return tmf_draw_avx2(rows, random, cells, column_bits, flows, n);
#endif
    return tmf_draw_from(rows, random, cells, column_bits, flows, n, 0);
}

/* Redraws the tied agents of a tile; the deciding bits of its i-th agent are addressed by `first` + i. */
static void tmf_settle_ties(const tmf_alias *alias, const uint32_t *rows, const uint64_t *random, uint32_t *flows, int n,
                            const uint64_t key[4], uint64_t step, uint64_t first, uint64_t purpose)
{
    const int b = alias->column_bits;
    for (int i = 0; i < n; i++) {
        const uint32_t drawn = tmf_half(random, i), at = rows[i] << b | drawn >> (32 - b);
        if ((drawn & ((1u << (32 - b)) - 1)) == alias->cells[at] >> b) {
            uint64_t more[4] = {step, first + (uint64_t)i, key[2] ^ purpose, key[3]};
            tmf_philox(more, key[0], key[1]);
            flows[i] = tmf_draw_one(alias, rows[i], drawn, (uint32_t)more[0]);
        }
    }
}

/* next[i] = flows[i] & mask: the successors, if the tables are dense. */
TMF_BY_LEVEL(
    tmf_low_bits,
    (const uint32_t *restrict flows, uint32_t mask, uint32_t *restrict next, int n),
    (flows, mask, next, n))
{
    for (int i = 0; i < n; i++)
        next[i] = flows[i] & mask;
}

static void tmf_successors(const tmf_alias *alias, const uint32_t *restrict flows, uint32_t *restrict next, int n)
{
    if (!alias->successors) {
        tmf_low_bits(flows, (1u << alias->cell_bits) - 1, next, n);
        return;
    }
#ifdef TMF_X86
    if (tmf_instruction_level() >= 2) {
        tmf_gather_avx512(alias->successors, flows, next, n);
        return;
    }
#endif
    for (int i = 0; i < n; i++)
        next[i] = alias->successors[flows[i]];
}

/* codes[i] = flows[i] >> cell_bits, which is row << action bits | action. */
TMF_BY_LEVEL(
    tmf_codes,
    (const uint32_t *restrict flows, int cell_bits, uint32_t *restrict codes, int n),
    (flows, cell_bits, codes, n))
{
    for (int i = 0; i < n; i++)
        codes[i] = flows[i] >> cell_bits;
}

/* ---------------------------------------------------------------- load, draw and store in one pass
 *
 * For runs that record no individuals. observations (n,) of `width` bytes -> after (n,) of the same width, and, unless
 * NULL, keys[i] = flow >> shift, below 2^16. Returns whether a tie occurred; the caller then redraws with tmf_draw.
 */
#define TMF_MOVE_ARGUMENTS \
    const tmf_alias *alias, const void *restrict observations, int width, const uint8_t *restrict acting, \
    uint32_t n_observations, const uint64_t *restrict random, int shift, uint16_t *restrict keys, void *restrict after, \
    int n

#ifdef TMF_X86
TMF_TARGET_AVX2
static inline __m256i tmf_widen_avx2(const void *observations, int width, int i)
{
    if (width == 1)
        return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)((const uint8_t *)observations + i)));
    if (width == 2)
        return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)((const uint16_t *)observations + i)));
    return _mm256_loadu_si256((const __m256i *)((const uint32_t *)observations + i));
}

/* Packs eight numbers below 2^16 into 16 bits each. */
TMF_TARGET_AVX2
static inline __m128i tmf_narrow_avx2(__m256i eight)
{
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(eight, eight), 0x08));
}

TMF_TARGET_AVX2
static int tmf_move_avx2(TMF_MOVE_ARGUMENTS)
{
    const int b = alias->column_bits;
    const __m128i bits = _mm_cvtsi32_si128(b), down = _mm_cvtsi32_si128(32 - b), key_shift = _mm_cvtsi32_si128(shift);
    const __m256i fraction_mask = _mm256_set1_epi32((int)((1u << (32 - b)) - 1));
    const __m256i column_mask = _mm256_set1_epi32((int)((1u << b) - 1));
    const __m256i cell_mask = _mm256_set1_epi32((int)((1u << alias->cell_bits) - 1));
    const __m256i passive = _mm256_set1_epi32((int)n_observations), zero = _mm256_setzero_si256();
    __m256i tie = zero;
    for (int i = 0; i < n; i += 8) {
        const __m256i drawn = _mm256_loadu_si256((const __m256i *)tmf_half_at(random, i));
        __m256i rows = tmf_widen_avx2(observations, width, i);
        if (acting) {
            const __m256i acts = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(acting + i)));
            rows = _mm256_add_epi32(rows, _mm256_and_si256(passive, _mm256_cmpeq_epi32(acts, zero)));
        }
        const __m256i base = _mm256_sll_epi32(rows, bits);
        const __m256i column = _mm256_srl_epi32(drawn, down);
        const __m256i fraction = _mm256_and_si256(drawn, fraction_mask);
        const __m256i cell = _mm256_i32gather_epi32((const int *)alias->cells, _mm256_or_si256(base, column), 4);
        const __m256i threshold = _mm256_srl_epi32(cell, bits);
        const __m256i stands = _mm256_cmpgt_epi32(threshold, fraction);
        const __m256i pick = _mm256_blendv_epi8(_mm256_and_si256(cell, column_mask), column, stands);
        const __m256i flow = _mm256_or_si256(base, pick);
        __m256i next = _mm256_and_si256(flow, cell_mask);
        if (alias->successors)
            next = _mm256_i32gather_epi32((const int *)alias->successors, flow, 4);
        tie = _mm256_or_si256(tie, _mm256_cmpeq_epi32(fraction, threshold));
        if (keys)
            _mm_storeu_si128((__m128i *)(keys + i), tmf_narrow_avx2(_mm256_srl_epi32(flow, key_shift)));
        if (width == 1)
            _mm_storel_epi64((__m128i *)((uint8_t *)after + i), _mm_packus_epi16(tmf_narrow_avx2(next), _mm_setzero_si128()));
        else if (width == 2)
            _mm_storeu_si128((__m128i *)((uint16_t *)after + i), tmf_narrow_avx2(next));
        else
            _mm256_storeu_si256((__m256i *)((uint32_t *)after + i), next);
    }
    return !_mm256_testz_si256(tie, tie);
}

TMF_TARGET_AVX512
static inline __attribute__((always_inline)) int tmf_move_width_avx512(TMF_MOVE_ARGUMENTS)
{
    const int b = alias->column_bits;
    const __m128i bits = _mm_cvtsi32_si128(b), down = _mm_cvtsi32_si128(32 - b), key_shift = _mm_cvtsi32_si128(shift);
    const __m512i fraction_mask = _mm512_set1_epi32((int)((1u << (32 - b)) - 1));
    const __m512i column_mask = _mm512_set1_epi32((int)((1u << b) - 1));
    const __m512i cell_mask = _mm512_set1_epi32((int)((1u << alias->cell_bits) - 1));
    const __m512i passive = _mm512_set1_epi32((int)n_observations);
    const uint32_t *const cells = alias->cells, *const successors = alias->successors;
    __mmask16 tie = 0;
    for (int i = 0; i < n; i += 16) {
        const __m512i drawn = _mm512_loadu_si512(tmf_half_at(random, i));
        __m512i rows = width == 1   ? _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)((const uint8_t *)observations + i)))
                       : width == 2 ? _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)((const uint16_t *)observations + i)))
                                    : _mm512_loadu_si512((const uint32_t *)observations + i);
        if (acting) {
            const __m128i acts = _mm_loadu_si128((const __m128i *)(acting + i));
            rows = _mm512_mask_add_epi32(rows, _mm_cmpeq_epi8_mask(acts, _mm_setzero_si128()), rows, passive);
        }
        const __m512i base = _mm512_sll_epi32(rows, bits);
        const __m512i column = _mm512_srl_epi32(drawn, down);
        const __m512i fraction = _mm512_and_si512(drawn, fraction_mask);
        const __m512i cell = _mm512_i32gather_epi32(_mm512_or_si512(base, column), cells, 4);
        const __m512i threshold = _mm512_srl_epi32(cell, bits);
        const __mmask16 stands = _mm512_cmplt_epu32_mask(fraction, threshold);
        const __m512i pick = _mm512_mask_blend_epi32(stands, _mm512_and_si512(cell, column_mask), column);
        const __m512i flow = _mm512_or_si512(base, pick);
        __m512i next = _mm512_and_si512(flow, cell_mask);
        if (successors)
            next = _mm512_i32gather_epi32(flow, successors, 4);
        tie |= _mm512_cmpeq_epi32_mask(fraction, threshold);
        if (keys)
            _mm256_storeu_si256((__m256i *)(keys + i), _mm512_cvtepi32_epi16(_mm512_srl_epi32(flow, key_shift)));
        if (width == 1)
            _mm_storeu_si128((__m128i *)((uint8_t *)after + i), _mm512_cvtepi32_epi8(next));
        else if (width == 2)
            _mm256_storeu_si256((__m256i *)((uint16_t *)after + i), _mm512_cvtepi32_epi16(next));
        else
            _mm512_storeu_si512((uint32_t *)after + i, next);
    }
    return tie != 0;
}

TMF_TARGET_AVX512
static int tmf_move_avx512(TMF_MOVE_ARGUMENTS)
{
    if (width == 1)
        return tmf_move_width_avx512(alias, observations, 1, acting, n_observations, random, shift, keys, after, n);
    if (width == 2)
        return tmf_move_width_avx512(alias, observations, 2, acting, n_observations, random, shift, keys, after, n);
    return tmf_move_width_avx512(alias, observations, 4, acting, n_observations, random, shift, keys, after, n);
}
#endif

/* Whether tmf_move can move n agents: whole vectors, on a CPU with gather instructions. */
static inline int tmf_moves_fused(int n)
{
    return tmf_instruction_level() >= 1 && n % 16 == 0;
}

static int tmf_move(TMF_MOVE_ARGUMENTS)
{
#ifdef TMF_X86
    if (tmf_instruction_level() >= 2)
        return tmf_move_avx512(alias, observations, width, acting, n_observations, random, shift, keys, after, n);
    return tmf_move_avx2(alias, observations, width, acting, n_observations, random, shift, keys, after, n);
#else
    (void)alias; (void)observations; (void)width; (void)acting; (void)n_observations; (void)random; (void)shift;
    (void)keys; (void)after; (void)n;
    return 1;
#endif
}

/* ---------------------------------------------------------------- histograms
 *
 * Up to 2^16 cells: four indices of 16 bits are read at once, since loads bound the loop, and each goes to its own
 * private table. With one table, neighbouring agents in the same cell would make each increment wait for the last. More
 * cells: one table, one index at a time.
 */
enum { TMF_SPREAD = 4, TMF_SPREAD_CELLS = 1 << 16 };

TMF_BY_LEVEL(tmf_pack, (const uint32_t *restrict at, uint16_t *restrict packed, int n), (at, packed, n))
{
    for (int i = 0; i < n; i++)
        packed[i] = (uint16_t)at[i];
}

static void tmf_count_packed(const uint16_t *restrict packed, uint32_t *restrict tables, size_t n_cells, int n)
{
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        uint64_t four;
        memcpy(&four, packed + i, sizeof four);
        tables[four & 0xFFFF]++;
        tables[n_cells + (four >> 16 & 0xFFFF)]++;
        tables[2 * n_cells + (four >> 32 & 0xFFFF)]++;
        tables[3 * n_cells + (four >> 48)]++;
    }
    for (; i < n; i++)
        tables[packed[i]]++;
}

static void tmf_count(const uint32_t *restrict at, uint16_t *restrict packed, uint32_t *restrict tables, size_t n_cells,
                      int n)
{
    if (n_cells > TMF_SPREAD_CELLS) {
        for (int i = 0; i < n; i++)
            tables[at[i]]++;
        return;
    }
    tmf_pack(at, packed, n);
    tmf_count_packed(packed, tables, n_cells, n);
}

#endif
