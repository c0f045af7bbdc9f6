/* Answers of a dense net: one walk of rows through all layers, in the cache, for code, output and loss. */
#include "answers.h"
#include "losses.h"

INLINE void write_rows(float *to, const float *from, int64_t rows, int64_t width, int64_t ld) {
    for (int64_t r = 0; to && r < rows; r++) memcpy(to + r * width, from + r * ld, width * sizeof(float));
}

/* Read row n, in the net's units. What it is shifted and multiplied by is padded as rows are, so that no loop ends within
 * a vector. */
INLINE void read_row(const question *q, int64_t n, int64_t wide, float *x) {
    const double *fine = q->fine ? q->fine + n * q->width : 0;
    if (!fine) memcpy(x, q->data + n * q->width, q->width * sizeof(float));
    else if (!q->factor) for (int64_t i = 0; i < q->width; i++) x[i] = (float)fine[i];
    else for (int64_t i = 0; i < q->width; i++) x[i] = (float)(fine[i] - q->centre[i]);
    if (!q->factor) return;
    for (int64_t i = 0; i < wide; i += V) {
        vec *at = (vec *)(x + i);
        if (!fine) *at -= *(const vec *)(q->near + i);
        *at *= *(const vec *)(q->factor + i); /* a division takes longer than all else here */
    }
}

/* Note the `ends` of n numbers, whole vectors, where they are asked for; `none` is no longer zero where some are not finite. */
INLINE void look(const float *x, int64_t n, int ends, vec *low, vec *high, vec *none) {
    for (int64_t i = 0; i < n; i += V) {
        const vec at = *(const vec *)(x + i);
        *none += at - at;
        if (!ends) continue;
        *low = EITHER(at < *low, at, *low);
        *high = EITHER(at > *high, at, *high);
    }
}

INLINE void note(vec low, vec high, vec none, float *seen) {
    for (int u = 0; u < V; u++) {
        seen[0] = low[u] < seen[0] ? low[u] : seen[0];
        seen[1] = high[u] > seen[1] ? high[u] : seen[1];
        if (none[u] != 0) seen[2] = 1;
    }
}

/* Fetch rows from memory that are read next, while others are walked through the net. */
INLINE void fetch(const question *q, int64_t first, int64_t rows) {
    const int64_t size = q->width * (q->fine ? sizeof(double) : sizeof(float));
    const char *from = (q->fine ? (const char *)q->fine : (const char *)q->data) + first * size;
    for (int64_t i = 0; i < rows * size; i += 64) __builtin_prefetch(from + i);
}

DISPATCHED
void isthmus_answer_dense(const question *q) {
    const int64_t wide = padded(q->width), full = panels_of(q->width) * V, depth = q->out || q->sums ? q->depth : q->coded;
    const int64_t units = q->layers[q->coded - 1].out, last = q->layers[depth - 1].out;
    vec low = {0}, high = {0}, none = {0};
    const int ends = q->loss == CROSS_ENTROPY;
    room r;
    memset(q->room, 0, lay_out(q->layers, q->depth, q->most, 0, 0, q->room, &r) * sizeof(float));
    for (int64_t first = 0; first < q->rows; first += q->most) {
        const int64_t rows = q->rows - first < q->most ? q->rows - first : q->most;
        for (int64_t i = 0; i < rows; i++) {
            read_row(q, first + i, full, r.x + i * wide);
            if (q->seen) look(r.x + i * wide, full, ends, &low, &high, &none);
        }
        ahead(q->layers, depth, q->packs, 0, rows, sparse(&r, rows, q->width, 0), &r, (chance){.drawn = -1});
        const float *out = r.y[depth - 1];
        write_rows(q->code ? q->code + first * units : 0, r.y[q->coded - 1], rows, units, padded(units));
        write_rows(q->out ? q->out + first * last : 0, out, rows, last, padded(last));
        for (int64_t i = 0; i < rows; i++) {
            if (first + rows + i < q->rows) fetch(q, first + rows + i, 1);
            if (q->sums) q->sums[first + i] = loss_of(q->loss, out + i * wide, r.x + i * wide, q->width);
        }
    }
    if (q->seen) note(low, high, none, q->seen);
}

void isthmus_answer(const question *q) { (q->places ? isthmus_answer_places : isthmus_answer_dense)(q); }

/* Write the panels of a net, isthmus_packs floats. */
DISPATCHED
void isthmus_pack(const layer *layers, int64_t depth, const float *p, float *packs) {
    for (int64_t l = 0; l < depth; packs += packed(layers[l++]))
        for (int64_t n = 0; n < panels_of(layers[l].out); n++) pack(layers[l], n, p, packs + n * panel_of(layers[l]));
}

int64_t isthmus_packs(const layer *layers, int64_t depth) { return of_all(layers, depth, packed); }

/* Return how many floats of scratch a question needs. */
int64_t isthmus_room(const question *q) {
    return q->places ? isthmus_room_of_places(q) : lay_out(q->layers, q->depth, q->most, 0, 0, 0, 0);
}

/* What tells a library of other sources: the sizes of what is handed over. 0 where it was made for other processors. */
int64_t isthmus_sizes(void) {
#define HAS __builtin_cpu_supports
#if defined(__AVX2__)
    if (!HAS("avx2") || !HAS("fma")) return 0;
#endif
#if defined(__AVX512VL__)
    if (!HAS("avx512f") || !HAS("avx512bw") || !HAS("avx512dq") || !HAS("avx512vl")) return 0;
#endif
    return sizeof(job) << 32 | sizeof(question) << 16 | sizeof(place);
}
