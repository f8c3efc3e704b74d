/* Vectors of TMF_W integers of 32 bits, and of TMF_W / 2 doubles, for lanes_events.h, which is included once per TMF_W.
 *
 * 16: AVX-512. 8: AVX2. 4: vectors of the compiler, for every platform. Integers are compared as signed ones.
 */
#define TMF_V(name) TMF_PASTED(tmf_##name, TMF_W)
#define TMF_D (TMF_W / 2)
#define TMF_VECTOR(name) TMF_TARGET static inline __attribute__((always_inline)) name

typedef uint32_t TMF_V(ints) __attribute__((vector_size(4 * TMF_W)));
typedef int32_t TMF_V(signed) __attribute__((vector_size(4 * TMF_W)));
typedef uint64_t TMF_V(longs) __attribute__((vector_size(8 * TMF_D)));
typedef double TMF_V(doubles) __attribute__((vector_size(8 * TMF_D)));

#define ints TMF_V(ints)
#define doubles TMF_V(doubles)
#define longs TMF_V(longs)

TMF_VECTOR(ints) TMF_V(load)(const uint32_t *from)
{
    return *(const ints *)from;
}

TMF_VECTOR(void) TMF_V(store)(uint32_t *to, ints value)
{
    *(ints *)to = value;
}

TMF_VECTOR(ints) TMF_V(all)(uint32_t value)
{
    return value - (ints){0};
}

TMF_VECTOR(doubles) TMF_V(all_doubles)(double value)
{
    return value - (doubles){0};
}

#if TMF_W == 16

#define mask __mmask16

TMF_VECTOR(mask) TMF_V(at_least)(ints a, ints b)
{
    return _mm512_cmpge_epi32_mask((__m512i)a, (__m512i)b);
}

TMF_VECTOR(mask) TMF_V(equal)(ints a, ints b)
{
    return _mm512_cmpeq_epi32_mask((__m512i)a, (__m512i)b);
}

TMF_VECTOR(mask) TMF_V(below)(ints a, uint32_t b)
{
    return _mm512_cmplt_epu32_mask((__m512i)a, _mm512_set1_epi32((int)b));
}

TMF_VECTOR(int) TMF_V(any)(mask where)
{
    return where != 0;
}

/* The low (0) or high (1) halves of the longs. */
TMF_VECTOR(ints) TMF_V(parts)(longs first, longs second, const int high)
{
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i from = _mm512_add_epi32(even, _mm512_set1_epi32(high));
    return (ints)_mm512_permutex2var_epi32((__m512i)first, from, (__m512i)second);
}

/* The high halves of the products, and, OUT, the low ones. */
TMF_VECTOR(ints) TMF_V(multiply)(ints a, ints b, ints *low)
{
    const __m512i even = _mm512_mul_epu32((__m512i)a, (__m512i)b);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), (__m512i)b);
    *low = (ints)_mm512_mask_mov_epi32(even, 0xAAAA, _mm512_slli_epi64(odd, 32));
    return (ints)_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xAAAA, odd);
}

TMF_VECTOR(ints) TMF_V(more)(ints a, mask where)
{
    return (ints)_mm512_mask_add_epi32((__m512i)a, where, (__m512i)a, _mm512_set1_epi32(1));
}

TMF_VECTOR(ints) TMF_V(less)(ints a, mask where)
{
    return (ints)_mm512_mask_sub_epi32((__m512i)a, where, (__m512i)a, _mm512_set1_epi32(1));
}

/* b where `where`, else a. */
TMF_VECTOR(ints) TMF_V(choose)(ints a, mask where, ints b)
{
    return (ints)_mm512_mask_mov_epi32((__m512i)a, where, (__m512i)b);
}

/* table[at]; at < TMF_SIDE_CELLS if the table is `small`, and then aligned. */
TMF_VECTOR(ints) TMF_V(look)(const uint32_t *table, ints at, const int small)
{
    if (!small)
        return (ints)_mm512_i32gather_epi32((__m512i)at, table, 4);
    const __m512i *const part = (const __m512i *)table;
    return (ints)_mm512_mask_mov_epi32(_mm512_permutex2var_epi32(part[0], (__m512i)at, part[1]),
                                       _mm512_cmpge_epi32_mask((__m512i)at, _mm512_set1_epi32(32)),
                                       _mm512_permutex2var_epi32(part[2], (__m512i)at, part[3]));
}

/* Half 0 of the lanes are the even ones, in the low halves of 64 bits. */
TMF_VECTOR(__m512i) TMF_V(half)(ints a, int h)
{
    return h ? _mm512_srli_epi64((__m512i)a, 32) : _mm512_and_si512((__m512i)a, _mm512_set1_epi64(0xFFFFFFFF));
}

TMF_VECTOR(void) TMF_V(load_doubles)(doubles halves[2], const double *from)
{
    const __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), odd = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
    const __m512d low = _mm512_load_pd(from), high = _mm512_load_pd(from + 8);
    halves[0] = (doubles)_mm512_permutex2var_pd(low, even, high);
    halves[1] = (doubles)_mm512_permutex2var_pd(low, odd, high);
}

TMF_VECTOR(void) TMF_V(store_doubles)(double *to, const doubles halves[2])
{
    const __m512i low = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), high = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    _mm512_store_pd(to, _mm512_permutex2var_pd((__m512d)halves[0], low, (__m512d)halves[1]));
    _mm512_store_pd(to + 8, _mm512_permutex2var_pd((__m512d)halves[0], high, (__m512d)halves[1]));
}

/* table[at] of half h of the lanes; at < 8 if the table is `small`. */
TMF_VECTOR(doubles) TMF_V(look_doubles)(const double *table, ints at, int h, const int small)
{
    if (small) /* reads the lowest three bits of the indices */
        return (doubles)_mm512_permutexvar_pd(h ? TMF_V(half)(at, 1) : (__m512i)at, _mm512_loadu_pd(table));
    return (doubles)_mm512_i64gather_pd(TMF_V(half)(at, h), table, 8);
}

TMF_VECTOR(doubles) TMF_V(to_doubles)(ints a, int h)
{
    return (doubles)_mm512_cvtepi64_pd(TMF_V(half)(a, h));
}

#else

#define mask ints

TMF_VECTOR(mask) TMF_V(at_least)(ints a, ints b)
{
    return (mask)((TMF_V(signed))a >= (TMF_V(signed))b);
}

TMF_VECTOR(mask) TMF_V(equal)(ints a, ints b)
{
    return (mask)(a == b);
}

TMF_VECTOR(mask) TMF_V(below)(ints a, uint32_t b)
{
    return ~TMF_V(at_least)(a ^ TMF_V(all)(0x80000000u), TMF_V(all)(b ^ 0x80000000u));
}

TMF_VECTOR(ints) TMF_V(more)(ints a, mask where)
{
    return a - where;
}

TMF_VECTOR(ints) TMF_V(less)(ints a, mask where)
{
    return a + where;
}

TMF_VECTOR(ints) TMF_V(choose)(ints a, mask where, ints b)
{
    return (a & ~where) | (b & where);
}

TMF_VECTOR(void) TMF_V(load_doubles)(doubles halves[2], const double *from)
{
    memcpy(halves, from, 2 * sizeof(doubles));
}

TMF_VECTOR(void) TMF_V(store_doubles)(double *to, const doubles halves[2])
{
    memcpy(to, halves, 2 * sizeof(doubles));
}

#if TMF_W == 8

TMF_VECTOR(int) TMF_V(any)(mask where)
{
    return !_mm256_testz_si256((__m256i)where, (__m256i)where);
}

TMF_VECTOR(ints) TMF_V(parts)(longs first, longs second, const int high)
{
    const __m256 a = (__m256)first, b = (__m256)second;
    const __m256 mixed = high ? _mm256_shuffle_ps(a, b, 0xDD) : _mm256_shuffle_ps(a, b, 0x88);
    return (ints)_mm256_permute4x64_epi64((__m256i)mixed, 0xD8);
}

TMF_VECTOR(ints) TMF_V(multiply)(ints a, ints b, ints *low)
{
    const __m256i even = _mm256_mul_epu32((__m256i)a, (__m256i)b);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), (__m256i)b);
    *low = (ints)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
    return (ints)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}

TMF_VECTOR(ints) TMF_V(look)(const uint32_t *table, ints at, const int small)
{
    (void)small;
    return (ints)_mm256_i32gather_epi32((const int *)table, (__m256i)at, 4);
}

TMF_VECTOR(__m128i) TMF_V(half)(ints a, int h)
{
    return h ? _mm256_extracti128_si256((__m256i)a, 1) : _mm256_castsi256_si128((__m256i)a);
}

TMF_VECTOR(doubles) TMF_V(look_doubles)(const double *table, ints at, int h, const int small)
{
    (void)small;
    return (doubles)_mm256_i32gather_pd(table, TMF_V(half)(at, h), 8);
}

TMF_VECTOR(doubles) TMF_V(to_doubles)(ints a, int h)
{
    return (doubles)_mm256_cvtepi32_pd(TMF_V(half)(a, h));
}

#else

TMF_VECTOR(int) TMF_V(any)(mask where)
{
    uint32_t all = 0;
    for (int r = 0; r < TMF_W; r++)
        all |= where[r];
    return all != 0;
}

TMF_VECTOR(ints) TMF_V(parts)(longs first, longs second, const int high)
{
    ints found;
    for (int r = 0; r < TMF_W; r++)
        found[r] = (uint32_t)((r < TMF_D ? first[r] : second[r - TMF_D]) >> 32 * high);
    return found;
}

TMF_VECTOR(ints) TMF_V(multiply)(ints a, ints b, ints *low)
{
    *low = a * b;
    for (int r = 0; r < TMF_W; r++)
        a[r] = (uint32_t)(((uint64_t)a[r] * b[r]) >> 32);
    return a;
}

TMF_VECTOR(ints) TMF_V(look)(const uint32_t *table, ints at, const int small)
{
    (void)small;
    for (int r = 0; r < TMF_W; r++)
        at[r] = table[at[r]];
    return at;
}

TMF_VECTOR(doubles) TMF_V(look_doubles)(const double *table, ints at, int h, const int small)
{
    doubles found;
    (void)small;
    for (int r = 0; r < TMF_D; r++)
        found[r] = table[at[h * TMF_D + r]];
    return found;
}

TMF_VECTOR(doubles) TMF_V(to_doubles)(ints a, int h)
{
    doubles found;
    for (int r = 0; r < TMF_D; r++)
        found[r] = (int32_t)a[h * TMF_D + r];
    return found;
}

#endif
#endif
