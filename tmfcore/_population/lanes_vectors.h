/* Vectors of TMF_W integers of 32 bits, and of TMF_W / 2 doubles, for lanes_events.h, which is included once per TMF_W.
 *
 * 16: AVX-512. 8: AVX2. 4: vectors of the compiler, for every platform. Integers are compared as signed ones.
 */
#define TMF_V(name) TMF_PASTED(tmf_##name, TMF_W)
#define TMF_D (TMF_W / 2)
#define TMF_VECTOR(name) TMF_TARGET static inline __attribute__((always_inline)) name

typedef uint32_t TMF_V(ints) __attribute__((vector_size(4 * TMF_W)));
typedef int32_t TMF_V(signed) __attribute__((vector_size(4 * TMF_W)));
typedef double TMF_V(doubles) __attribute__((vector_size(8 * TMF_D)));

#define ints TMF_V(ints)
#define doubles TMF_V(doubles)

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

TMF_VECTOR(int) TMF_V(any)(mask where)
{
    return where != 0;
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

TMF_VECTOR(__m256i) TMF_V(half)(ints a, int h)
{
    return h ? _mm512_extracti64x4_epi64((__m512i)a, 1) : _mm512_castsi512_si256((__m512i)a);
}

/* table[at] of half h of the lanes; at < 8 if the table is `small`. */
TMF_VECTOR(doubles) TMF_V(look_doubles)(const double *table, ints at, int h, const int small)
{
    if (small)
        return (doubles)_mm512_permutexvar_pd(_mm512_cvtepu32_epi64(TMF_V(half)(at, h)), _mm512_loadu_pd(table));
    return (doubles)_mm512_i32gather_pd(TMF_V(half)(at, h), table, 8);
}

TMF_VECTOR(doubles) TMF_V(to_doubles)(ints a, int h)
{
    return (doubles)_mm512_cvtepi32_pd(TMF_V(half)(a, h));
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

#if TMF_W == 8

TMF_VECTOR(int) TMF_V(any)(mask where)
{
    return !_mm256_testz_si256((__m256i)where, (__m256i)where);
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
