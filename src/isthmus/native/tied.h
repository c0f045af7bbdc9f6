/* Weights that a layer and an earlier one share, as each of them reads them. */
#pragma once
#include "steps.h"

#ifdef TARGETED
/* Exchange rows and columns whose numbers differ by `s` alone. */
#define EXCHANGED(s)                                                                                                   \
    {                                                                                                                  \
        whole low, high;                                                                                               \
        for (int u = 0; u < V; u++) low[u] = u & s ? V + u - s : u, high[u] = u & s ? V + u : u + s;                   \
        for (int k = 0; k < V; k++) {                                                                                  \
            if (k & s) continue;                                                                                       \
            const vec one = t[k], other = t[k + s];                                                                    \
            t[k] = __builtin_shuffle(one, other, low);                                                                 \
            t[k + s] = __builtin_shuffle(one, other, high);                                                            \
        }                                                                                                              \
    }

INLINE void transposed(const float *from, float *to) {
    vec t[V];
    for (int k = 0; k < V; k++) t[k] = *(const vec *)(from + k * V);
    EXCHANGED(1)
    EXCHANGED(2)
    EXCHANGED(4)
    EXCHANGED(8)
    for (int k = 0; k < V; k++) *(vec *)(to + k * V) = t[k];
}
#else
INLINE void transposed(const float *from, float *to) {
    for (int k = 0; k < V; k++)
        for (int u = 0; u < V; u++) to[u * V + k] = from[k * V + u];
}
#endif

/* Where the panels of a layer start, and its upright ones; and the layer that is tied to it, or `depth`. */
typedef struct { int64_t l, at, up; } spot;

INLINE spot tied_to(const job *j, int64_t l) {
    spot s = {0};
    for (; s.l < j->depth && j->layers[s.l].tied != l; s.l++) {
        s.at += packed(j->layers[s.l]);
        s.up += upright(j->layers[s.l]);
    }
    return s;
}

/* Add the gradients of tied weights to those of panel n of the layer that moves them, square by square. */
INLINE void add_tied(const work *w, const layer a, int64_t n, int64_t here, spot s) {
    const layer b = w->job->layers[s.l];
    const int64_t units = a.out - n * V < V ? a.out - n * V : V;
    float square[V * V] __attribute__((aligned(64))) = {0}, turned[V * V] __attribute__((aligned(64)));
    for (int64_t k = 0; k < w->job->threads; k++)
        for (int64_t i = 0; i < a.in; i += V) {
            float *own = w->gradients + k * w->size;
            memcpy(square, own + s.at + i / V * panel_of(b) + n * V * V, units * V * sizeof(float));
            transposed(square, turned);
            const int64_t rows = a.in - i < V ? a.in - i : V;
            for (int64_t m = 0; m < rows * V; m++) own[here + i * V + m] += turned[m];
        }
}

/* Write panel n of a layer to the one that is tied to it, and upright: there its own squares lie as they are. */
INLINE void write_tied(const work *w, const layer a, int64_t n, int64_t here, spot s) {
    const layer b = w->job->layers[s.l];
    const int64_t units = a.out - n * V < V ? a.out - n * V : V;
    for (int64_t i = 0; i < a.in; i += V) {
        float square[V * V] __attribute__((aligned(64))) = {0}, turned[V * V] __attribute__((aligned(64)));
        memcpy(square, w->p + here + i * V, (a.in - i < V ? a.in - i : V) * V * sizeof(float));
        transposed(square, turned);
        memcpy(w->p + s.at + i / V * panel_of(b) + n * V * V, turned, units * V * sizeof(float));
        if (b.reads >= 0) memcpy(w->uprights + s.up + (n * panels_of(b.out) + i / V) * V * V, square, sizeof(square));
    }
}
