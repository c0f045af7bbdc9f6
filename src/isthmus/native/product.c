/* The product that all layers of dense nets are made of, forward and back: of numbers, and of pairs of rounded ones. */
#include "dense.h"

/* Place of the w-th vector of `type` behind panel p, where panels are `apart` floats apart. */
#define PLACE(type, w, apart) ((p + (w) * (int)sizeof(type) / 64) * (apart) + (w) * (int)sizeof(type) / 4 % V)

/* The columns of A that a block of rows reads. */
#define ALL_MANY inner
#define ALL_OF(q) q
#define LISTED_MANY listed->counts[m / TOGETHER]
#define LISTED_OF(q) listed->listed[m / TOGETHER * listed->apart + q]

/* Add products with a vector: of a number of A, or of a pair, whose two products are added up as one. */
#define NUMBERS(sum, a, b) sum += *(a) * b
#define PAIRS(sum, a, b)                                                                                               \
    sum = (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)((whole){0} + *(const int32_t *)(a)), (__m512bh)b)

/* Blocks of `high` rows and `wide` vectors of columns, known to the compiler, from row m on while they fit. */
#define BLOCKS(of, type, high, wide, which)                                                                            \
    for (; m + high <= rows; m += high) {                                                                              \
        type sum[high][wide], b[wide];                                                                                 \
        for (int r = 0; r < high; r++)                                                                                 \
            for (int w = 0; w < wide; w++)                                                                             \
                sum[r][w] = bias ? *(const type *)(bias + PLACE(type, w, aside)) : (type){0};                          \
        for (int64_t q = 0; q < which##_MANY; q++) {                                                                   \
            const int64_t k = which##_OF(q);                                                                           \
            for (int w = 0; w < wide; w++) b[w] = *(const type *)(B + PLACE(type, w, aside) + k * next);               \
            for (int r = 0; r < high; r++)                                                                             \
                for (int w = 0; w < wide; w++) of(sum[r][w], A + (m + r) * down + k * along, b[w]);                    \
        }                                                                                                              \
        for (int r = 0; r < high; r++)                                                                                 \
            for (int w = 0; w < wide; w++) *(type *)(C + (m + r) * ldc + PLACE(type, w, beside)) = sum[r][w];          \
    }

/* Sums stay in registers of `HELD` floats: of 8 rows and 2 or 3 panels where there are 32 of 16 floats, of 6 rows and a
 * panel where there are 16 of 8, of 3 rows where there are 16 of 4. One panel of 12 rows is slower than two of 8: each
 * number of A is read for a single product. The fewer rows have a list in common, the shorter it is; with 4 of them and
 * 6 panels sums still are not held up by what they read. */
#define OF_16(of)                                                                                                      \
    for (int64_t p = 0, wide; p < panels; p += wide) {                                                                 \
        int64_t m = 0;                                                                                                 \
        if (listed) {                                                                                                  \
            wide = (panels - p) / ((panels - p + 5) / 6);                                                              \
            if (wide == 6) OF_LISTED(of, 6)                                                                            \
            else if (wide == 5) OF_LISTED(of, 5)                                                                       \
            else if (wide == 4) OF_LISTED(of, 4)                                                                       \
            else if (wide == 3) OF_LISTED(of, 3)                                                                       \
            else if (wide == 2) OF_LISTED(of, 2)                                                                       \
            else OF_LISTED(of, 1)                                                                                      \
            continue;                                                                                                  \
        }                                                                                                              \
        wide = p + 1 == panels ? 1 : p + 3 == panels ? 3 : 2;                                                          \
        if (wide == 3) {                                                                                               \
            BLOCKS(of, vec, 8, 3, ALL)                                                                                 \
            BLOCKS(of, vec, 1, 3, ALL)                                                                                 \
        } else if (wide == 2) {                                                                                        \
            BLOCKS(of, vec, 8, 2, ALL)                                                                                 \
            BLOCKS(of, vec, 1, 2, ALL)                                                                                 \
        } else {                                                                                                       \
            BLOCKS(of, vec, 12, 1, ALL)                                                                                \
            BLOCKS(of, vec, 4, 1, ALL)                                                                                 \
            BLOCKS(of, vec, 1, 1, ALL)                                                                                 \
        }                                                                                                              \
    }

#define OF_LISTED(of, wide)                                                                                            \
    {                                                                                                                  \
        BLOCKS(of, vec, TOGETHER, wide, LISTED)                                                                        \
        BLOCKS(of, vec, 1, wide, ALL)                                                                                  \
    }

#define OF_FEWER(type, high, wide)                                                                                     \
    for (int64_t p = 0; p < panels; p++) {                                                                             \
        int64_t m = 0;                                                                                                 \
        BLOCKS(NUMBERS, type, high, wide, ALL)                                                                         \
        BLOCKS(NUMBERS, type, 1, wide, ALL)                                                                            \
    }

/* The names that blocks know, which nothing that they write can change. */
#define READ(f)                                                                                                        \
    const int64_t rows = f->rows, panels = f->panels, inner = f->inner, down = f->down, along = f->along,              \
                  aside = f->aside, next = f->next, beside = f->beside, ldc = f->ldc;                                  \
    const float *A = f->A, *B = f->B, *bias = f->bias;                                                                 \
    const some *listed = f->listed;                                                                                    \
    float *C = f->C;

#ifdef PAIRED
#define HALF __attribute__((target("arch=x86-64-v4,avx512bf16")))

HALF static void product_of_pairs(const factors *f) {
    READ(f)
    OF_16(PAIRS)
}

int64_t isthmus_pairs(void) { return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16"); }

HALF const float *isthmus_pair_columns(const float *x, int64_t rows, int64_t columns, float *to) {
    const int64_t ld = padded(columns), narrow = padded(halved(columns)), end = (columns + V - 1) / V * V;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < narrow; i += V) {
            const vec none = {0}, *from = (const vec *)(x + r * ld + 2 * i);
            const vec one = 2 * i < end ? from[0] : none, other = 2 * i + V < end ? from[1] : none;
            *(vec *)(to + r * narrow + i) = (vec)_mm512_cvtne2ps_pbh((__m512)other, (__m512)one);
        }
    return to;
}

HALF const float *isthmus_pair_rows(const float *x, int64_t rows, int64_t ld, float *to) {
    typedef int16_t places __attribute__((vector_size(64)));
    places mixed;
    for (int16_t u = 0; u < V; u++) mixed[2 * u] = u, mixed[2 * u + 1] = V + u;
    for (int64_t r = 0; r < rows; r += 2)
        for (int64_t i = 0; i < ld; i += V) {
            const vec none = {0}, *from = (const vec *)(x + r * ld + i);
            const vec one = from[0], other = r + 1 < rows ? *(const vec *)(x + (r + 1) * ld + i) : none;
            const places both = (places)_mm512_cvtne2ps_pbh((__m512)other, (__m512)one);
            *(vec *)(to + r / 2 * ld + i) = (vec)__builtin_shuffle(both, mixed);
        }
    return to;
}
#else
int64_t isthmus_pairs(void) { return 0; }

/* Nobody asks for these here. */
static void product_of_pairs(const factors *f) { (void)f; }
const float *isthmus_pair_columns(const float *x, int64_t rows, int64_t columns, float *to) { return to; }
const float *isthmus_pair_rows(const float *x, int64_t rows, int64_t ld, float *to) { return to; }
#endif

DISPATCHED
static void product_of_numbers(const factors *f) {
    READ(f)
    const int held = HELD;
    if (held == 16) OF_16(NUMBERS)
    else if (held == 8) OF_FEWER(half, 6, 2)
    else OF_FEWER(quarter, 3, 4)
}

void isthmus_product(const factors *f) { (f->pairs ? product_of_pairs : product_of_numbers)(f); }

#ifdef LISTS
/* Append those of 16 places, from `first` on, whose bits are set; returns how many. */
LISTS static int32_t append(int32_t *list, int64_t first, __mmask16 set) {
    const __m512i order = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i places = _mm512_add_epi32(order, _mm512_set1_epi32((int32_t)first));
    _mm512_storeu_si512(list, _mm512_maskz_compress_epi32(set, places));
    return __builtin_popcount(set);
}

LISTS double isthmus_list_rows(const float *x, int64_t rows, int64_t columns, int64_t ld, const some *to) {
    int64_t total = 0;
    for (int64_t m = 0; m + TOGETHER <= rows; m += TOGETHER) {
        int32_t *list = to->listed + m / TOGETHER * to->apart, count = 0;
        for (int64_t k = 0; k < columns; k += V) {
            __m512i any = _mm512_setzero_si512();
            for (int r = 0; r < TOGETHER; r++) any = _mm512_or_si512(any, _mm512_loadu_si512(x + (m + r) * ld + k));
            count += append(list + count, k, _mm512_test_epi32_mask(any, any));
        }
        to->counts[m / TOGETHER] = count;
        total += count;
    }
    return rows < TOGETHER ? 1 : (double)total / (double)(rows / TOGETHER * columns);
}

LISTS void isthmus_list_columns(const float *x, int64_t rows, int64_t columns, int64_t ld, const some *to) {
    memset(to->counts, 0, (columns / TOGETHER + 1) * sizeof(int32_t));
    for (int64_t n = 0; n < rows; n += V)
        for (int64_t k = 0; k < columns; k += V) {
            int32_t bits[V] = {0}; /* of 16 columns in each row */
            for (int u = 0; u < V && n + u < rows; u++) {
                const __m512i row = _mm512_loadu_si512(x + (n + u) * ld + k);
                bits[u] = _mm512_test_epi32_mask(row, row);
            }
            const __m512i all = _mm512_loadu_si512(bits);
            for (int64_t u = 0, m = k / TOGETHER; u < V && k + u + TOGETHER <= columns; u += TOGETHER, m++) {
                const __m512i own = _mm512_set1_epi32(((1 << TOGETHER) - 1) << u);
                to->counts[m] += append(to->listed + m * to->apart + to->counts[m], n, _mm512_test_epi32_mask(all, own));
            }
        }
}
#else
/* Nobody asks for these here. */
double isthmus_list_rows(const float *x, int64_t rows, int64_t columns, int64_t ld, const some *to) { return 1; }
void isthmus_list_columns(const float *x, int64_t rows, int64_t columns, int64_t ld, const some *to) {}
#endif
