/* Answers of a dense net: one walk of rows through all layers, in the cache, for code, output and loss. */
#include "answers.h"

/* Return the loss of one row whose padding is zero in both; h is as wide. Lanes are added up in double precision. */
INLINE double loss_of(int64_t loss, const float *o, const float *x, int64_t width, int64_t wide, float *h) {
    vec sum = {0}, many = (vec){0} + 1.0f;
    double total = 0;
    if (loss == SQUARED) {
        for (int64_t i = 0; i < wide; i += V) {
            const vec d = *(const vec *)(o + i) - *(const vec *)(x + i);
            sum += d * d;
        }
    } else {
        for (int64_t i = 0; i < wide; i++) h[i] = fabsf(o[i]);
        logistic(h, h, 1.0f, wide);
        for (int64_t i = width; i < wide; i++) h[i] = 1;
        for (int64_t i = 0; i < wide; i += V) {
            const vec at = *(const vec *)(o + i), none = {0};
            sum += EITHER(at > none, at, none) - *(const vec *)(x + i) * at;
            many *= *(const vec *)(h + i);
            /* Of numbers between 1/2 and 1, so that 64 of them are no smaller than a float may be. */
            if (i / V % 64 == 63 || i + V >= wide) {
                for (int u = 0; u < V; u++) total -= logf(many[u]);
                many = none + 1.0f;
            }
        }
    }
    for (int u = 0; u < V; u++) total += sum[u];
    return total;
}

INLINE void write_rows(float *to, const float *from, int64_t rows, int64_t width, int64_t ld) {
    for (int64_t r = 0; to && r < rows; r++) memcpy(to + r * width, from + r * ld, width * sizeof(float));
}

DISPATCHED
void isthmus_answer_dense(const question *q) {
    const int64_t wide = padded(q->width), depth = q->out || q->sums ? q->depth : q->coded;
    const int64_t units = q->layers[q->coded - 1].out, last = q->layers[depth - 1].out;
    room r;
    memset(q->room, 0, lay_out(q->layers, q->depth, q->most, 0, 0, q->room, &r) * sizeof(float));
    for (int64_t first = 0; first < q->rows; first += q->most) {
        const int64_t rows = q->rows - first < q->most ? q->rows - first : q->most;
        for (int64_t i = 0; i < rows; i++)
            memcpy(r.x + i * wide, q->data + (first + i) * q->width, q->width * sizeof(float));
        ahead(q->layers, depth, q->packs, 0, rows, sparse(&r, rows, q->width, 0), &r, (chance){.drawn = -1});
        const float *out = r.y[depth - 1];
        write_rows(q->code ? q->code + first * units : 0, r.y[q->coded - 1], rows, units, padded(units));
        write_rows(q->out ? q->out + first * last : 0, out, rows, last, padded(last));
        for (int64_t i = 0; q->sums && i < rows; i++)
            q->sums[first + i] = loss_of(q->loss, out + i * wide, r.x + i * wide, q->width, wide, r.h);
    }
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
