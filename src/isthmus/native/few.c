/* Codes of which few units are active: which these are, what they say, and what is asked of them.
 *
 * A code of `rows` rows is given by where each row starts among its active `units` (rows + 1 numbers) and their `values`.
 * The same code, turned, has units for rows. Rows are shared out among threads so that each has as many active units;
 * no result depends on the number of threads. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

enum { SUMS, DOTS, PROJECT, LARGEST, COUNT, ABOVE };

typedef struct {
    int64_t what, threads, rows, width, k;
    int64_t *starts, *units;
    float *values;
    const float *dense, *left; /* matrices of `width` columns: by unit, and by row */
    float *out;
    int64_t add; /* whether sums are added to what is there */
    double limit;
} few;

typedef struct { const few *job; int64_t id; int32_t failed; } share;

/* The first row of a thread's share. */
static int64_t begins(const few *j, int64_t id) {
    if (j->what >= PROJECT) return j->rows * id / j->threads;
    const int64_t wanted = (j->starts[j->rows] + j->rows) * id / j->threads;
    int64_t low = 0, high = j->rows;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (j->starts[middle] + middle < wanted) low = middle + 1;
        else high = middle;
    }
    return low;
}

#define LANES(type) (int)(sizeof(type) / sizeof(float))

/* Columns of a row of sums, `wide` vectors of `type` at once, from c on while they fit. */
#define COLUMNS(type, wide)                                                                                            \
    for (; c + wide * LANES(type) <= j->width; c += wide * LANES(type)) {                                              \
        type sum[wide];                                                                                                \
        for (int w = 0; w < wide; w++) sum[w] = j->add ? *(const type *)(out + c + w * LANES(type)) : (type){0};       \
        for (int64_t i = from; i < to; i++) {                                                                          \
            const float *d = j->dense + j->units[i] * j->width + c, value = j->values[i];                              \
            for (int w = 0; w < wide; w++) sum[w] += value * *(const type *)(d + w * LANES(type));                     \
        }                                                                                                              \
        for (int w = 0; w < wide; w++) *(type *)(out + c + w * LANES(type)) = sum[w];                                  \
    }

/* out[r] (+)= sum_i values[i] dense[units[i]]. */
INLINE void sums(const few *j, int64_t r, int held) {
    const int64_t from = j->starts[r], to = j->starts[r + 1];
    float *out = j->out + r * j->width;
    int64_t c = 0;
    if (held == 16) COLUMNS(vec, 8)
    if (held == 8) COLUMNS(half, 8)
    COLUMNS(quarter, 8)
    COLUMNS(quarter, 1)
    for (; c < j->width; c++) {
        float sum = j->add ? out[c] : 0;
        for (int64_t i = from; i < to; i++) sum += j->values[i] * j->dense[j->units[i] * j->width + c];
        out[c] = sum;
    }
}

/* Add products to `total`, four vectors of `type` at once, while they fit. */
#define PRODUCTS(type)                                                                                                 \
    {                                                                                                                  \
        type sum[4] = {{0}, {0}, {0}, {0}};                                                                            \
        for (; c + 4 * LANES(type) <= n; c += 4 * LANES(type))                                                         \
            for (int w = 0; w < 4; w++)                                                                                \
                sum[w] += *(const type *)(a + c + w * LANES(type)) * *(const type *)(b + c + w * LANES(type));         \
        const type all = (sum[0] + sum[1]) + (sum[2] + sum[3]);                                                        \
        for (int v = 0; v < LANES(type); v++) total += all[v];                                                         \
    }

INLINE float dot(const float *a, const float *b, int64_t n, int held) {
    float total = 0;
    int64_t c = 0;
    if (held == 16) PRODUCTS(vec)
    if (held == 8) PRODUCTS(half)
    PRODUCTS(quarter)
    for (; c < n; c++) total += a[c] * b[c];
    return total;
}

/* out[i] = left[r] . dense[units[i]]. */
INLINE void dots(const few *j, int64_t r, int held) {
    for (int64_t i = j->starts[r]; i < j->starts[r + 1]; i++)
        j->out[i] = dot(j->left + r * j->width, j->dense + j->units[i] * j->width, j->width, held);
}

/* Numbers as whole ones of the same order, the first of equals larger, and what is not a number the largest. */
INLINE int64_t keyed(float x, int64_t i) {
    int32_t bits;
    memcpy(&bits, &x, 4);
    bits = x != x ? INT32_MAX : bits < 0 ? (int32_t)(INT32_MIN - (uint32_t)bits) : bits;
    return (int64_t)((uint64_t)(int64_t)bits << 32 | (uint32_t)(INT32_MAX - i));
}

INLINE float from_key(int64_t key) {
    int32_t bits = (int32_t)(key >> 32);
    bits = bits < 0 ? (int32_t)(INT32_MIN - (uint32_t)bits) : bits;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

INLINE int64_t place(int64_t key) { return INT32_MAX - (int64_t)(int32_t)(uint32_t)key; }

/* Put the k largest of n different keys first (Hoare, 1961). */
static void select_largest(int64_t *keys, int64_t n, int64_t k) {
    int64_t low = 0, high = n - 1;
    while (low < high) {
        const int64_t a = keys[low], b = keys[(low + high) / 2], c = keys[high];
        const int64_t pivot = a > b ? (b > c ? b : a > c ? c : a) : (a > c ? a : b > c ? c : b);
        int64_t i = low, h = high;
        while (i <= h) {
            while (keys[i] > pivot) i++;
            while (keys[h] < pivot) h--;
            if (i > h) break;
            const int64_t moved = keys[i];
            keys[i++] = keys[h];
            keys[h--] = moved;
        }
        if (k - 1 <= h) high = h;
        else if (k - 1 >= i) low = i;
        else return;
    }
}

/* Whether any of `many` numbers is not under a limit; what is not a number never is. */
INLINE int any_passes(const float *x, float limit, int many) {
    int any = 0;
    for (int i = 0; i < many; i++) any |= !(x[i] < limit);
    return any;
}

/* Do `with` for every i at which a row's number is not under a limit. */
#define FOR_PASSING(x, n, limit, with)                                                                                 \
    {                                                                                                                  \
        int64_t block = 0;                                                                                             \
        for (; block + 4 * V <= (n); block += 4 * V) {                                                                 \
            if (!any_passes((x) + block, limit, 4 * V)) continue;                                                      \
            for (int64_t part = block; part < block + 4 * V; part += V) {                                              \
                if (!any_passes((x) + part, limit, V)) continue;                                                       \
                for (int64_t i = part; i < part + V; i++) if (!((x)[i] < (limit))) with                                \
            }                                                                                                          \
        }                                                                                                              \
        for (int64_t i = block; i < (n); i++) if (!((x)[i] < (limit))) with                                            \
    }

/* The k largest of a row. The k-th largest of the largest of disjoint groups is no larger than the k-th largest of all,
 * and not much smaller where there are a few times k groups; only what is not under it is looked at. */
INLINE void largest(const few *j, int64_t r, int64_t *keys) {
    const float *x = j->dense + r * j->width;
    const int64_t wanted = (4 * j->k + 4 * V - 1) / (4 * V), each = j->width / (4 * V) / wanted;
    float limit = -INFINITY;
    int64_t count = 0;
    if (each > 1) {
        for (int64_t s = 0; s < wanted; s++) {
            float most[4 * V];
            for (int v = 0; v < 4 * V; v++) most[v] = -INFINITY;
            for (const float *now = x + s * each * 4 * V, *end = now + each * 4 * V; now < end; now += 4 * V)
                for (int v = 0; v < 4 * V; v++) most[v] = now[v] > most[v] ? now[v] : most[v];
            for (int v = 0; v < 4 * V; v++, count++) keys[count] = keyed(most[v], count);
        }
        select_largest(keys, count, j->k);
        int64_t least = keys[0];
        for (int64_t i = 1; i < j->k; i++) least = keys[i] < least ? keys[i] : least;
        limit = from_key(least);
        count = 0;
    }
    FOR_PASSING(x, j->width, limit, keys[count++] = keyed(x[i], i);)
    select_largest(keys, count, j->k);
    for (int64_t i = 0; i < j->k; i++) {
        j->units[r * j->k + i] = place(keys[i]);
        j->values[r * j->k + i] = x[place(keys[i])];
    }
}

/* Count the numbers of a row that are not under a limit, or write them down. */
INLINE void above(const few *j, int64_t r) {
    const float *x = j->dense + r * j->width, limit = (float)j->limit;
    int64_t at = j->what == COUNT ? 0 : j->starts[r];
    if (j->what == COUNT) {
        FOR_PASSING(x, j->width, limit, at++;)
        j->starts[r + 1] = at;
    } else {
        FOR_PASSING(x, j->width, limit, { j->units[at] = i; j->values[at++] = x[i]; })
    }
}

/* out[r] = (out[r] - (out[r] . w[r]) w[r] / |w[r]|^2) / |w[r]|, for w = dense and values = 1 / |w|. */
INLINE void project(const few *j, int64_t r, int held) {
    float *g = j->out + r * j->width;
    const float *w = j->dense + r * j->width, by = j->values[r], along = dot(g, w, j->width, held) * by * by;
    for (int64_t c = 0; c < j->width; c++) g[c] = (g[c] - along * w[c]) * by;
}

DISPATCHED
int32_t isthmus_few_share(const few *j, int64_t id) {
    const int64_t end = begins(j, id + 1), most = j->width + 4 * j->k + 4 * V;
    const int held = HELD;
    int64_t *keys = j->what == LARGEST ? malloc(most * sizeof(int64_t)) : 0;
    if (j->what == LARGEST && !keys) return 1;
    for (int64_t r = begins(j, id); r < end; r++) {
        if (j->what == SUMS) sums(j, r, held);
        else if (j->what == DOTS) dots(j, r, held);
        else if (j->what == PROJECT) project(j, r, held);
        else if (j->what == LARGEST) largest(j, r, keys);
        else above(j, r);
    }
    free(keys);
    return 0;
}

static void *started(void *given) {
    share *s = given;
    s->failed = isthmus_few_share(s->job, s->id);
    return 0;
}

/* Do a job; returns 0, or 1 where memory was lacking. A thread that cannot be started is done without. */
int32_t isthmus_few(const few *j) {
    pthread_t threads[MOST_THREADS];
    share shares[MOST_THREADS];
    int32_t failed = 0;
    int64_t made = 1;
    for (; made < j->threads; made++) {
        shares[made] = (share){j, made, 0};
        if (pthread_create(threads + made, 0, started, shares + made)) break;
    }
    failed |= isthmus_few_share(j, 0);
    for (int64_t k = made; k < j->threads; k++) failed |= isthmus_few_share(j, k);
    for (int64_t k = 1; k < made; k++) {
        pthread_join(threads[k], 0);
        failed |= shares[k].failed;
    }
    return failed;
}

/* The same code with units for rows: `starts` of each of the `width` units, and for each place of it the row and the
 * place in the code as it was. */
void isthmus_turn(const few *j, int64_t *starts, int64_t *rows, int64_t *places) {
    memset(starts, 0, (j->width + 1) * sizeof(int64_t));
    const int64_t total = j->starts[j->rows];
    for (int64_t i = 0; i < total; i++) starts[j->units[i] + 1]++;
    for (int64_t u = 0; u < j->width; u++) starts[u + 1] += starts[u];
    for (int64_t r = 0; r < j->rows; r++)
        for (int64_t i = j->starts[r]; i < j->starts[r + 1]; i++) {
            const int64_t at = starts[j->units[i]]++;
            rows[at] = r;
            places[at] = i;
        }
    /* Every start has moved to the next one. */
    memmove(starts + 1, starts, j->width * sizeof(int64_t));
    starts[0] = 0;
}
