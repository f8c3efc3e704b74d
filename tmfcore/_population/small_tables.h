/* Moves by alias tables of up to 256 cells: a flow fits in a byte, and a draw takes two random bytes.
 *
 * The bytes h and l of an agent are the top 16 bits of the draw of alias.h: h holds the column and the top of the
 * fraction, l the rest. If these bits equal those of the threshold, 16 + 32 more bits, addressed by step and agent,
 * decide: the short draw loses no precision. With VBMI all tables are in registers, and 64 agents move at once.
 *
 * Random bytes come in blocks of 64 h and 64 l for 64 agents; the last block is whole, too.
 */
#ifndef TMFCORE_BYTES_H
#define TMFCORE_BYTES_H

#include "_population/alias.h"
#include "_random/streams.h"

#ifdef TMF_X86
#include <immintrin.h>
#endif

typedef struct { /* address of the bits that decide ties */
    const tmf_alias *alias;
    const uint64_t *key;
    uint64_t step, first, purpose; /* `first`: the first agent of the part */
} tmf_tie_break;

static uint8_t tmf_break_tie(const tmf_tie_break *ties, int i, uint32_t row, uint32_t h, uint32_t l)
{
    uint64_t more[4] = {ties->step, ties->first + (uint64_t)i, ties->key[2] ^ ties->purpose, ties->key[3]};
    tmf_philox(more, ties->key[0], ties->key[1]);
    return (uint8_t)tmf_draw_one(ties->alias, row, h << 24 | l << 16 | (uint32_t)(more[0] >> 48), (uint32_t)more[0]);
}

/* observations (n,): INOUT, replaced by the successors. flows (n,): OUT. acting (n,): 0 for passive; NULL: all act. */
#define TMF_BYTES_ARGUMENTS \
    const tmf_bytes *bytes, uint8_t *restrict observations, const uint8_t *restrict acting, int n_observations, \
    const uint8_t *restrict random, const tmf_tie_break *ties, uint8_t *restrict flows, int n

static void tmf_move_bytes_from(TMF_BYTES_ARGUMENTS, int i)
{
    const int b = bytes->column_bits;
    const uint32_t mask = (1u << (8 - b)) - 1;
    for (; i < n; i++) {
        const uint32_t h = random[(i & ~63) * 2 + (i & 63)], l = random[(i & ~63) * 2 + 64 + (i & 63)];
        const uint32_t row = observations[i] + (acting && !acting[i] ? (uint32_t)n_observations : 0u);
        const uint32_t column = h >> (8 - b), fraction = (h & mask) << 8 | l;
        const uint32_t at = row << b | column;
        const uint32_t threshold = (uint32_t)bytes->high[at] << 8 | bytes->low[at];
        const uint32_t other = bytes->other[at];
        const uint32_t stands = 0u - (uint32_t)(fraction < threshold);
        uint8_t flow = (uint8_t)(row << b | (other ^ ((other ^ column) & stands)));
        if (TMF_UNLIKELY(fraction == threshold))
            flow = tmf_break_tie(ties, i, row, h, l);
        flows[i] = flow;
        observations[i] = bytes->successor[flow];
    }
}

#ifdef TMF_X86
/* table[index] for 64 indices, each below 64 * quarters. */
TMF_TARGET_AVX512VBMI
static inline __m512i tmf_look_up(const __m512i *table, int quarters, __m512i index)
{
    if (quarters == 1)
        return _mm512_permutexvar_epi8(index, table[0]);
    if (quarters == 2)
        return _mm512_permutex2var_epi8(table[0], index, table[1]);
    return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), _mm512_permutex2var_epi8(table[0], index, table[1]),
                                  _mm512_permutex2var_epi8(table[2], index, table[3]));
}

TMF_TARGET_AVX512VBMI
static inline __attribute__((always_inline)) void tmf_move_bytes_quarters(TMF_BYTES_ARGUMENTS, int quarters)
{
    const int b = bytes->column_bits;
    const __m128i up = _mm_cvtsi32_si128(b), down = _mm_cvtsi32_si128(8 - b);
    const __m512i column_mask = _mm512_set1_epi8((char)((1u << b) - 1));
    const __m512i fraction_mask = _mm512_set1_epi8((char)((1u << (8 - b)) - 1));
    const __m512i row_mask = _mm512_set1_epi8((char)(0xFFu << b));
    const __m512i passive = _mm512_set1_epi8((char)n_observations), zero = _mm512_setzero_si512();
    __m512i high[4], low[4], other[4], successor[4];
    for (int k = 0; k < quarters; k++) {
        high[k] = _mm512_load_si512(bytes->high + 64 * k);
        low[k] = _mm512_load_si512(bytes->low + 64 * k);
        other[k] = _mm512_load_si512(bytes->other + 64 * k);
        successor[k] = _mm512_load_si512(bytes->successor + 64 * k);
    }
    int i = 0;
    for (; i + 64 <= n; i += 64, random += 128) {
        const __m512i h = _mm512_loadu_si512(random), l = _mm512_loadu_si512(random + 64);
        __m512i rows = _mm512_loadu_si512(observations + i);
        if (acting)
            rows = _mm512_mask_add_epi8(rows, _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(acting + i), zero), rows, passive);
        const __m512i base = _mm512_and_si512(_mm512_sll_epi16(rows, up), row_mask);
        const __m512i column = _mm512_and_si512(_mm512_srl_epi16(h, down), column_mask);
        const __m512i fraction = _mm512_and_si512(h, fraction_mask);
        const __m512i at = _mm512_or_si512(base, column);
        const __m512i threshold = tmf_look_up(high, quarters, at), finer = tmf_look_up(low, quarters, at);
        const __mmask64 level = _mm512_cmpeq_epu8_mask(fraction, threshold);
        const __mmask64 stands = _mm512_cmplt_epu8_mask(fraction, threshold) | (level & _mm512_cmplt_epu8_mask(l, finer));
        const __mmask64 tied = level & _mm512_cmpeq_epu8_mask(l, finer);
        const __m512i pick = _mm512_mask_blend_epi8(stands, tmf_look_up(other, quarters, at), column);
        __m512i flow = _mm512_or_si512(base, pick);
        if (TMF_UNLIKELY(tied != 0)) {
            uint8_t row[64];
            _mm512_storeu_si512(row, rows);
            _mm512_storeu_si512(flows + i, flow);
            for (__mmask64 left = tied; left; left &= left - 1) {
                const int j = __builtin_ctzll(left);
                flows[i + j] = tmf_break_tie(ties, i + j, row[j], random[j], random[64 + j]);
            }
            flow = _mm512_loadu_si512(flows + i);
        }
        _mm512_storeu_si512(flows + i, flow);
        _mm512_storeu_si512(observations + i, tmf_look_up(successor, quarters, flow));
    }
    if (i < n)
        tmf_move_bytes_from(bytes, observations, acting, n_observations, random - 2 * i, ties, flows, n, i);
}

TMF_TARGET_AVX512VBMI
static void tmf_move_bytes_vbmi(TMF_BYTES_ARGUMENTS)
{
    if (bytes->n_quarters == 1)
        tmf_move_bytes_quarters(bytes, observations, acting, n_observations, random, ties, flows, n, 1);
    else if (bytes->n_quarters == 2)
        tmf_move_bytes_quarters(bytes, observations, acting, n_observations, random, ties, flows, n, 2);
    else
        tmf_move_bytes_quarters(bytes, observations, acting, n_observations, random, ties, flows, n, 4);
}

/* Eight agents at a time: each gathered 32-bit cell gives threshold and alias. */
TMF_TARGET_AVX2
static void tmf_move_bytes_avx2(TMF_BYTES_ARGUMENTS)
{
    const int b = bytes->column_bits;
    const __m128i up = _mm_cvtsi32_si128(b), down = _mm_cvtsi32_si128(8 - b), cut = _mm_cvtsi32_si128(b + 16);
    const __m256i column_mask = _mm256_set1_epi32((int)((1u << b) - 1));
    const __m256i fraction_mask = _mm256_set1_epi32((int)((1u << (16 - b)) - 1));
    const __m256i passive = _mm256_set1_epi32(n_observations), zero = _mm256_setzero_si256();
    const __m256i cell_mask = _mm256_set1_epi32((int)((1u << ties->alias->cell_bits) - 1));
    const uint32_t *const cells = ties->alias->cells, *const successors = ties->alias->successors;
    const __m256i lowest = _mm256_set1_epi64x(0x0C080400), halves = _mm256_setr_epi32(0, 4, 0, 4, 0, 4, 0, 4);
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        const uint8_t *const drawn = random + (i & ~63) * 2 + (i & 63);
        const __m256i h = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)drawn));
        const __m256i l = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(drawn + 64)));
        __m256i rows = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(observations + i)));
        if (acting) {
            const __m256i acts = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(acting + i)));
            rows = _mm256_add_epi32(rows, _mm256_and_si256(passive, _mm256_cmpeq_epi32(acts, zero)));
        }
        const __m256i base = _mm256_sll_epi32(rows, up);
        const __m256i column = _mm256_srl_epi32(h, down);
        const __m256i fraction = _mm256_and_si256(_mm256_or_si256(_mm256_slli_epi32(h, 8), l), fraction_mask);
        const __m256i cell = _mm256_i32gather_epi32((const int *)cells, _mm256_or_si256(base, column), 4);
        const __m256i threshold = _mm256_srl_epi32(cell, cut);
        const __m256i stands = _mm256_cmpgt_epi32(threshold, fraction);
        const __m256i pick = _mm256_blendv_epi8(_mm256_and_si256(cell, column_mask), column, stands);
        __m256i flow = _mm256_or_si256(base, pick);
        const int tied = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(fraction, threshold)));
        if (TMF_UNLIKELY(tied != 0)) {
            uint32_t at[8];
            _mm256_storeu_si256((__m256i *)at, flow);
            for (int j = 0; j < 8; j++)
                if (tied >> j & 1) {
                    const uint32_t row = observations[i + j] + (acting && !acting[i + j] ? (uint32_t)n_observations : 0u);
                    at[j] = tmf_break_tie(ties, i + j, row, drawn[j], drawn[64 + j]);
                }
            flow = _mm256_loadu_si256((const __m256i *)at);
        }
        const __m256i next = successors ? _mm256_i32gather_epi32((const int *)successors, flow, 4)
                                        : _mm256_and_si256(flow, cell_mask);
        const __m256i flows_low = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(flow, lowest), halves);
        const __m256i next_low = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(next, lowest), halves);
        _mm_storel_epi64((__m128i *)(flows + i), _mm256_castsi256_si128(flows_low));
        _mm_storel_epi64((__m128i *)(observations + i), _mm256_castsi256_si128(next_low));
    }
    tmf_move_bytes_from(bytes, observations, acting, n_observations, random, ties, flows, n, i);
}
#endif

static void tmf_move_bytes(TMF_BYTES_ARGUMENTS)
{
#ifdef TMF_X86
    if (tmf_instruction_level() >= 3) {
        tmf_move_bytes_vbmi(bytes, observations, acting, n_observations, random, ties, flows, n);
        return;
    }
    if (tmf_instruction_level() >= 1) {
        tmf_move_bytes_avx2(bytes, observations, acting, n_observations, random, ties, flows, n);
        return;
    }
#endif
    tmf_move_bytes_from(bytes, observations, acting, n_observations, random, ties, flows, n, 0);
}

/* ---------------------------------------------------------------- histograms of bytes */

enum { TMF_FEW_VALUES = 16 }; /* up to this many values, counting compares with each value */

/* counts[v] += the number of values equal to v, for all v < n_values <= TMF_FEW_VALUES. */
static void tmf_count_few_from(const uint8_t *restrict values, int n_values, uint32_t *restrict counts, int n)
{
    (void)n_values;
    for (int i = 0; i < n; i++)
        counts[values[i]]++;
}

#ifdef TMF_X86
TMF_TARGET_AVX512
static void tmf_count_few_avx512(const uint8_t *restrict values, int n_values, uint32_t *restrict counts, int n)
{
    int i = 0;
    for (; i + 256 <= n; i += 256) {
        const __m512i a = _mm512_loadu_si512(values + i), b = _mm512_loadu_si512(values + i + 64);
        const __m512i c = _mm512_loadu_si512(values + i + 128), d = _mm512_loadu_si512(values + i + 192);
        for (int v = 0; v < n_values; v++) {
            const __m512i wanted = _mm512_set1_epi8((char)v);
            counts[v] += (uint32_t)(__builtin_popcountll(_mm512_cmpeq_epi8_mask(a, wanted))
                                    + __builtin_popcountll(_mm512_cmpeq_epi8_mask(b, wanted))
                                    + __builtin_popcountll(_mm512_cmpeq_epi8_mask(c, wanted))
                                    + __builtin_popcountll(_mm512_cmpeq_epi8_mask(d, wanted)));
        }
    }
    tmf_count_few_from(values + i, n_values, counts, n - i);
}

TMF_TARGET_AVX2
static void tmf_count_few_avx2(const uint8_t *restrict values, int n_values, uint32_t *restrict counts, int n)
{
    int i = 0;
    for (; i + 256 <= n; i += 256) {
        for (int v = 0; v < n_values; v++) {
            const __m256i wanted = _mm256_set1_epi8((char)v);
            __m256i found = _mm256_setzero_si256(); /* at most 8 per byte */
            for (int k = 0; k < 8; k++)
                found = _mm256_sub_epi8(
                    found, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(values + i + 32 * k)), wanted));
            const __m256i sums = _mm256_sad_epu8(found, _mm256_setzero_si256());
            counts[v] += (uint32_t)(_mm256_extract_epi64(sums, 0) + _mm256_extract_epi64(sums, 1)
                                    + _mm256_extract_epi64(sums, 2) + _mm256_extract_epi64(sums, 3));
        }
    }
    tmf_count_few_from(values + i, n_values, counts, n - i);
}
#endif

static void tmf_count_few(const uint8_t *values, int n_values, uint32_t *counts, int n)
{
#ifdef TMF_X86
    if (tmf_instruction_level() >= 2) {
        tmf_count_few_avx512(values, n_values, counts, n);
        return;
    }
    if (tmf_instruction_level() >= 1) {
        tmf_count_few_avx2(values, n_values, counts, n);
        return;
    }
#endif
    tmf_count_few_from(values, n_values, counts, n);
}

/* Four private tables, (4, n_cells): with one, neighbouring agents in the same cell would make each increment wait for
 * the last. */
static void tmf_count_bytes(const uint8_t *restrict values, uint32_t *restrict tables, size_t n_cells, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, values + i, sizeof eight);
        tables[eight & 0xFF]++;
        tables[n_cells + (eight >> 8 & 0xFF)]++;
        tables[2 * n_cells + (eight >> 16 & 0xFF)]++;
        tables[3 * n_cells + (eight >> 24 & 0xFF)]++;
        tables[eight >> 32 & 0xFF]++;
        tables[n_cells + (eight >> 40 & 0xFF)]++;
        tables[2 * n_cells + (eight >> 48 & 0xFF)]++;
        tables[3 * n_cells + (eight >> 56)]++;
    }
    for (; i < n; i++)
        tables[values[i]]++;
}

/* For values below 64: counts pairs of neighbours in tables (4096,), and the last n % 8 values in singles (64,). */
static void tmf_count_pairs(const uint8_t *restrict values, uint32_t *restrict tables, uint32_t *restrict singles, int n)
{
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, values + i, sizeof eight);
        const uint64_t pairs = (eight & 0x003F003F003F003Fu) | (eight >> 2 & 0x0FC00FC00FC00FC0u);
        tables[pairs & 0xFFFF]++;
        tables[pairs >> 16 & 0xFFFF]++;
        tables[pairs >> 32 & 0xFFFF]++;
        tables[pairs >> 48]++;
    }
    for (; i < n; i++)
        singles[values[i]]++;
}

#endif
