/* A dense net as the kernels walk it.
 *
 * Rows of buffers are padded with zeros to whole vectors of 16 floats, and to an odd number of them, so that columns
 * spread over the cache. Weights lie in panels of 16 units, [unit / 16][input][unit % 16], whose last row is the bias;
 * where gradients go back through a layer they lie upright as well, [input / 16][unit][input % 16]. One product serves
 * all. Layers are given by the offsets of their weights (out x in) and biases (-1: none) in the flat parameters; a layer's
 * activation is applied to its output. */
#pragma once
#include <math.h>
#include <string.h>

#include "vectors.h"

#define MOST_LAYERS 64
typedef int32_t whole __attribute__((vector_size(64)));

enum { IDENTITY, RELU, LEAKY, SIGMOID, TANH };
enum { SQUARED, CROSS_ENTROPY };

typedef struct { int32_t in, out, activation, reserved; int64_t weight, bias; } layer;

INLINE int64_t padded(int64_t n) { return ((n + V - 1) / V | 1) * V; }

#define EITHER(which, a, b) (vec)(((which) & (whole)(a)) | (~(which) & (whole)(b)))

/* Write 1 / (1 + e^-(by x)) to y, to a few units in the last place (Cephes' polynomial for e^x), a vector at a time. */
INLINE void logistic(float *y, const float *x, float by, int64_t n) {
    const vec low = (vec){0} - 87.0f, high = (vec){0} + 87.0f;
    for (int64_t i = 0; i < n; i += V) {
        vec t = *(const vec *)(x + i) * -by;
        t = EITHER(t < low, low, t);
        t = EITHER(t > high, high, t);
        const vec k = t * 1.44269504f + 12582912.0f - 12582912.0f; /* the nearest whole number */
        const vec f = t - k * 0.693359375f + k * 2.12194440e-4f;
        vec q = (vec){0} + 1.9875691500e-4f;
        q = q * f + 1.3981999507e-3f;
        q = q * f + 8.3334519073e-3f;
        q = q * f + 4.1665795894e-2f;
        q = q * f + 1.6666665459e-1f;
        q = q * f + 5.0000001201e-1f;
        const vec two = (vec)((__builtin_convertvector(k, whole) + 127) << 23);
        *(vec *)(y + i) = 1.0f / (1.0f + (q * f * f + f + 1.0f) * two);
    }
}

/* Place of the w-th vector of `type` behind panel p, where panels are `apart` floats apart. */
#define PLACE(type, w, apart) ((p + (w) * (int)sizeof(type) / 64) * (apart) + (w) * (int)sizeof(type) / 4 % V)

/* Blocks of `high` rows and `wide` vectors of columns, known to the compiler, from row m on while they fit. */
#define BLOCKS(type, high, wide)                                                                                       \
    for (; m + high <= rows; m += high) {                                                                              \
        type sum[high][wide], b[wide];                                                                                 \
        for (int r = 0; r < high; r++)                                                                                 \
            for (int w = 0; w < wide; w++) sum[r][w] = bias ? *(const type *)(bias + PLACE(type, w, aside)) : (type){0}; \
        for (int64_t k = 0; k < inner; k++) {                                                                          \
            for (int w = 0; w < wide; w++) b[w] = *(const type *)(B + PLACE(type, w, aside) + k * next);               \
            for (int r = 0; r < high; r++)                                                                             \
                for (int w = 0; w < wide; w++) sum[r][w] += A[(m + r) * down + k * along] * b[w];                      \
        }                                                                                                              \
        for (int r = 0; r < high; r++)                                                                                 \
            for (int w = 0; w < wide; w++) *(type *)(C + (m + r) * ldc + PLACE(type, w, beside)) = sum[r][w];          \
    }

/* C[m][n] = bias[n] + sum_k A[m][k] B[k][n] for `panels` of 16 columns, which are `aside` floats apart in B and bias,
 * `beside` in C; rows are `next` apart in B, `ldc` in C, and `down` in A, whose columns are `along` apart. Sums stay in
 * registers of `held` floats: of 8 rows and 2 or 3 panels where there are 32 of 16 floats, of 6 rows and a panel where
 * there are 16 of 8, of 3 rows where there are 16 of 4. One panel of 12 rows is slower than two of 8: each number of A is
 * read for a single product. */
INLINE void product(int held, int64_t rows, int64_t panels, int64_t inner, const float *A, int64_t down, int64_t along,
        const float *B, int64_t aside, int64_t next, const float *bias, float *C, int64_t beside, int64_t ldc) {
    for (int64_t p = 0, wide; p < panels; p += wide) {
        int64_t m = 0;
        wide = held < 16 || p + 1 == panels ? 1 : p + 3 == panels ? 3 : 2;
        if (wide == 3) {
            BLOCKS(vec, 8, 3)
            BLOCKS(vec, 1, 3)
        } else if (wide == 2) {
            BLOCKS(vec, 8, 2)
            BLOCKS(vec, 1, 2)
        } else if (held == 16) {
            BLOCKS(vec, 12, 1)
            BLOCKS(vec, 4, 1)
            BLOCKS(vec, 1, 1)
        } else if (held == 8) {
            BLOCKS(half, 6, 2)
            BLOCKS(half, 1, 2)
        } else {
            BLOCKS(quarter, 3, 4)
            BLOCKS(quarter, 1, 4)
        }
    }
}

INLINE void activate(int64_t kind, float *y, int64_t n) {
    if (kind == RELU) for (int64_t i = 0; i < n; i++) y[i] = y[i] > 0 ? y[i] : 0;
    if (kind == LEAKY) for (int64_t i = 0; i < n; i++) y[i] = y[i] > 0 ? y[i] : 0.01f * y[i];
    if (kind == SIGMOID) logistic(y, y, 1.0f, n);
    if (kind == TANH) logistic(y, y, 2.0f, n);
    if (kind == TANH) for (int64_t i = 0; i < n; i++) y[i] = 2.0f * y[i] - 1.0f;
}

INLINE void slope(int64_t kind, float *g, const float *y, int64_t n) {
    if (kind == RELU) for (int64_t i = 0; i < n; i++) g[i] = y[i] > 0 ? g[i] : 0;
    if (kind == LEAKY) for (int64_t i = 0; i < n; i++) g[i] = y[i] > 0 ? g[i] : 0.01f * g[i];
    if (kind == SIGMOID) for (int64_t i = 0; i < n; i++) g[i] *= y[i] * (1 - y[i]);
    if (kind == TANH) for (int64_t i = 0; i < n; i++) g[i] *= 1 - y[i] * y[i];
}

INLINE void clear_padding(float *y, int64_t rows, int64_t width, int64_t ld) {
    for (int64_t r = 0; r < rows; r++) memset(y + r * ld + width, 0, (ld - width) * sizeof(float));
}

INLINE int64_t panels_of(int64_t n) { return (n + V - 1) / V; }

/* How many floats a panel of a layer, all its panels, and its upright panels are. */
INLINE int64_t panel_of(const layer a) { return (a.in + 1) * V; }
INLINE int64_t packed(const layer a) { return panels_of(a.out) * panel_of(a); }
INLINE int64_t upright(const layer a) { return panels_of(a.in) * panels_of(a.out) * V * V; }

INLINE int64_t of_all(const layer *layers, int64_t depth, int64_t (*size)(const layer)) {
    int64_t total = 0;
    for (int64_t l = 0; l < depth; l++) total += size(layers[l]);
    return total;
}

/* Write panel n of a layer from flat parameters; units that there are none of are zero. */
INLINE void pack(const layer a, int64_t n, const float *flat, float *panel) {
    for (int64_t u = 0; u < V; u++) {
        const int there = n * V + u < a.out;
        const float *w = flat + a.weight + (n * V + u) * a.in;
        for (int64_t i = 0; i < a.in; i++) panel[i * V + u] = there ? w[i] : 0;
        panel[a.in * V + u] = there && a.bias >= 0 ? flat[a.bias + n * V + u] : 0;
    }
}

/* Write flat parameters from panel n of a layer. */
INLINE void unpack(const layer a, int64_t n, const float *panel, float *flat) {
    for (int64_t u = 0; u < V && n * V + u < a.out; u++) {
        float *w = flat + a.weight + (n * V + u) * a.in;
        for (int64_t i = 0; i < a.in; i++) w[i] = panel[i * V + u];
        if (a.bias >= 0) flat[a.bias + n * V + u] = panel[a.in * V + u];
    }
}

/* Draw codes mean + e^(log-variance / 2) noise, `units` numbers per row, from rows of `ld` that hold both. */
INLINE void draw(const float *from, int64_t ld, const float *noise, int64_t units, int64_t rows, float *code) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < units; i++)
            code[r * padded(units) + i] = from[r * ld + i] + expf(from[r * ld + units + i] / 2) * noise[r * units + i];
}

/* Walk `rows` rows in x through all layers, whose panels are `at`; y has one buffer per layer. Behind the layer `drawn`
 * codes are drawn. */
INLINE void ahead(int held, const layer *layers, int64_t depth, const float *at, int64_t rows, const float *x, float **y,
        int64_t drawn, const float *noise, float *code) {
    const float *from = x;
    for (int64_t l = 0; l < depth; at += packed(layers[l++])) {
        const layer a = layers[l];
        const int64_t ld = padded(a.out);
        product(held, rows, panels_of(a.out), a.in, from, padded(a.in), 1, at, panel_of(a), V, at + a.in * V, y[l], V, ld);
        activate(a.activation, y[l], rows * ld);
        if (a.activation == SIGMOID) clear_padding(y[l], rows, a.out, ld);
        from = y[l];
        if (l == drawn) {
            draw(y[l], ld, noise, a.out / 2, rows, code);
            from = code;
        }
    }
}

/* Return how many floats of scratch a thread needs for so many rows, and lay it out where `room` is given. */
static int64_t lay_out(const layer *layers, int64_t depth, int64_t rows, float *room, float **y, float **rest) {
    int64_t at = rows * padded(layers[0].in), widest = padded(layers[0].in);
    for (int64_t l = 0; l < depth; l++) {
        const int64_t out = padded(layers[l].out);
        if (room) y[l] = room + at;
        at += rows * out;
        widest = out > widest ? out : widest;
    }
    for (int k = 0; room && k < 3; k++) rest[k] = room + at + k * rows * widest;
    return at + 3 * rows * widest;
}
