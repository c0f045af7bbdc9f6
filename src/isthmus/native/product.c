/* The product that all layers of dense nets are made of, forward and back. */
#include "dense.h"

/* Place of the w-th vector of `type` behind panel p, where panels are `apart` floats apart. */
#define PLACE(type, w, apart) ((p + (w) * (int)sizeof(type) / 64) * (apart) + (w) * (int)sizeof(type) / 4 % V)

/* The columns of A that a block of rows reads. */
#define ALL_MANY inner
#define ALL_OF(q) q
#define LISTED_MANY listed->counts[m / 8]
#define LISTED_OF(q) listed->listed[m / 8 * listed->apart + q]

/* Blocks of `high` rows and `wide` vectors of columns, known to the compiler, from row m on while they fit. */
#define BLOCKS(type, high, wide, which)                                                                                \
    for (; m + high <= rows; m += high) {                                                                              \
        type sum[high][wide], b[wide];                                                                                 \
        for (int r = 0; r < high; r++)                                                                                 \
            for (int w = 0; w < wide; w++)                                                                             \
                sum[r][w] = bias ? *(const type *)(bias + PLACE(type, w, aside)) : (type){0};                          \
        for (int64_t q = 0; q < which##_MANY; q++) {                                                                   \
            const int64_t k = which##_OF(q);                                                                           \
            for (int w = 0; w < wide; w++) b[w] = *(const type *)(B + PLACE(type, w, aside) + k * next);               \
            for (int r = 0; r < high; r++)                                                                             \
                for (int w = 0; w < wide; w++) sum[r][w] += A[(m + r) * down + k * along] * b[w];                      \
        }                                                                                                              \
        for (int r = 0; r < high; r++)                                                                                 \
            for (int w = 0; w < wide; w++) *(type *)(C + (m + r) * ldc + PLACE(type, w, beside)) = sum[r][w];          \
    }

/* Sums stay in registers of `HELD` floats: of 8 rows and 2 or 3 panels where there are 32 of 16 floats, of 6 rows and a
 * panel where there are 16 of 8, of 3 rows where there are 16 of 4. One panel of 12 rows is slower than two of 8: each
 * number of A is read for a single product. */
DISPATCHED
void isthmus_product(int64_t rows, int64_t panels, int64_t inner, const float *A, int64_t down, int64_t along,
        const float *B, int64_t aside, int64_t next, const float *bias, float *C, int64_t beside, int64_t ldc,
        const some *listed) {
    const int held = HELD;
    for (int64_t p = 0, wide; p < panels; p += wide) {
        int64_t m = 0;
        wide = held < 16 || p + 1 == panels ? 1 : p + 3 == panels ? 3 : 2;
        if (wide == 3) {
            if (listed) BLOCKS(vec, 8, 3, LISTED)
            BLOCKS(vec, 8, 3, ALL)
            BLOCKS(vec, 1, 3, ALL)
        } else if (wide == 2) {
            if (listed) BLOCKS(vec, 8, 2, LISTED)
            BLOCKS(vec, 8, 2, ALL)
            BLOCKS(vec, 1, 2, ALL)
        } else if (held == 16) {
            if (listed) BLOCKS(vec, 8, 1, LISTED)
            BLOCKS(vec, 12, 1, ALL)
            BLOCKS(vec, 4, 1, ALL)
            BLOCKS(vec, 1, 1, ALL)
        } else if (held == 8) {
            BLOCKS(half, 6, 2, ALL)
            BLOCKS(half, 1, 2, ALL)
        } else {
            BLOCKS(quarter, 3, 4, ALL)
            BLOCKS(quarter, 1, 4, ALL)
        }
    }
}

DISPATCHED
double isthmus_list_rows(const float *x, int64_t rows, int64_t columns, int64_t ld, const some *to) {
    int64_t total = 0;
    for (int64_t m = 0; m + 8 <= rows; m += 8) {
        int32_t *list = to->listed + m / 8 * to->apart, count = 0;
        for (int64_t k = 0; k < columns; k += V) {
            whole any = {0};
            for (int r = 0; r < 8; r++) any |= (whole)*(const vec *)(x + (m + r) * ld + k);
            for (int u = 0; u < V; u++) {
                list[count] = (int32_t)(k + u);
                count += any[u] != 0;
            }
        }
        to->counts[m / 8] = count;
        total += count;
    }
    return rows < 8 ? 1 : (double)total / (double)(rows / 8 * columns);
}

DISPATCHED
void isthmus_list_columns(const float *x, int64_t rows, int64_t columns, int64_t ld, const some *to) {
    for (int64_t m = 0; m + 8 <= columns; m += 8) {
        int32_t *list = to->listed + m / 8 * to->apart, count = 0;
        for (int64_t r = 0; r < rows; r++) {
            int32_t any = 0;
            for (int u = 0; u < 8; u++) any |= ((const int32_t *)(x + r * ld + m))[u];
            list[count] = (int32_t)r;
            count += any != 0;
        }
        to->counts[m / 8] = count;
    }
}
