/* A dense net as the kernels walk it.
 *
 * Rows of buffers are padded with zeros to whole vectors of 16 floats, and to an odd number of them, so that columns
 * spread over the cache. Weights lie in panels of 16 units, [unit / 16][input][unit % 16], whose last row is the bias;
 * where gradients go back through a layer they lie upright as well, [input / 16][unit][input % 16]. One product serves
 * all. Layers are given by the offsets of their weights (out x in) and biases (-1: none) in the flat parameters, and by
 * the layer whose output they read (-1: rows), the one before; one that reads another is a straight path, and adds the
 * output of the one before to its own. Then an activation is applied, and units may be dropped, which stand behind the
 * `dropped` ones of other layers (-1: none may). Straight paths do not cross. Weights of a layer that is tied to an
 * earlier one (-1: to none) are that one's, (in x out); those of the earlier one are moved, and written to both. */
#pragma once
#include <math.h>
#include <string.h>

#include "vectors.h"

#define MOST_LAYERS 64
typedef int32_t whole __attribute__((vector_size(64)));

enum { IDENTITY, RELU, LEAKY, SIGMOID, TANH, SILU };
enum { SQUARED, CROSS_ENTROPY };
enum { ABSOLUTE, CONTRACTION };

typedef struct { int32_t in, out, activation, reads, dropped, tied; int64_t weight, bias; } layer;

INLINE int64_t padded(int64_t n) { return ((n + V - 1) / V | 1) * V; }

#define EITHER(which, a, b) (vec)(((which) & (whole)(a)) | (~(which) & (whole)(b)))

/* Put e^x in the place of x, between e^-87 and e^87, to a few units in the last place (Cephes' polynomial). */
INLINE void power(vec *x) {
    const vec low = (vec){0} - 87.0f, high = (vec){0} + 87.0f;
    vec t = *x;
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
    *x = (q * f * f + f + 1.0f) * two;
}

/* Put 1 / (1 + e^-x) in the place of x. */
INLINE void squash(vec *x) {
    vec t = -*x;
    power(&t);
    *x = 1.0f / (1.0f + t);
}

/* Write 1 / (1 + e^-(by x)) to y. */
INLINE void logistic(float *y, const float *x, float by, int64_t n) {
    for (int64_t i = 0; i < n; i += V) {
        vec t = *(const vec *)(x + i) * by;
        squash(&t);
        *(vec *)(y + i) = t;
    }
}

/* Columns from which on zeros are looked for, the share of others from which on they are not worth it, and how many rows
 * share a list. */
#define FEW 64
#define MANY 0.85
#define TOGETHER 4

/* Which of A's columns are not zero in each TOGETHER of its rows, lists `apart` numbers apart; null: all may be. */
typedef struct { int32_t *listed, *counts; int64_t apart; } some;

/* C[m][n] = bias[n] + sum_k A[m][k] B[k][n] for `panels` of 16 columns, which are `aside` floats apart in B and bias,
 * `beside` in C; rows are `next` apart in B, `ldc` in C, and `down` in A, whose columns are `along` apart. Of `pairs`,
 * numbers of A and B are two each, of k = 2 i and 2 i + 1, and `inner` counts them. */
typedef struct {
    int64_t pairs, rows, panels, inner;
    const float *A;
    int64_t down, along;
    const float *B;
    int64_t aside, next;
    const float *bias;
    float *C;
    int64_t beside, ldc;
    const some *listed;
} factors;

void isthmus_product(const factors *f);

/* Whether this processor multiplies pairs of numbers, rounded to bfloat16. */
int64_t isthmus_pairs(void);

/* Write every two columns of rows as pairs, or every two rows, and zeros beside an odd one. Padding is zero in both;
 * floats are as many bits as a pair. Returns `to`. */
const float *isthmus_pair_columns(const float *x, int64_t rows, int64_t columns, float *to);
const float *isthmus_pair_rows(const float *x, int64_t rows, int64_t ld, float *to);

/* List the columns of x that are not zero in each TOGETHER of its rows, and return their share; what is left of rows is not
 * listed. */
double isthmus_list_rows(const float *x, int64_t rows, int64_t columns, int64_t ld, const some *to);

/* List the rows of x that are not zero in each TOGETHER of its columns; what is left of columns is not listed. */
void isthmus_list_columns(const float *x, int64_t rows, int64_t columns, int64_t ld, const some *to);

INLINE void activate(int64_t kind, float *y, int64_t n) {
    if (kind == RELU) for (int64_t i = 0; i < n; i++) y[i] = y[i] > 0 ? y[i] : 0;
    if (kind == LEAKY) for (int64_t i = 0; i < n; i++) y[i] = y[i] > 0 ? y[i] : 0.01f * y[i];
    if (kind == SIGMOID) logistic(y, y, 1.0f, n);
    if (kind == TANH) logistic(y, y, 2.0f, n);
    if (kind == TANH) for (int64_t i = 0; i < n; i++) y[i] = 2.0f * y[i] - 1.0f;
}

/* The slope of an activation by what it gave. */
INLINE void slope(int64_t kind, float *g, const float *y, int64_t n) {
    if (kind == RELU) for (int64_t i = 0; i < n; i++) g[i] = y[i] > 0 ? g[i] : 0;
    if (kind == LEAKY) for (int64_t i = 0; i < n; i++) g[i] = y[i] > 0 ? g[i] : 0.01f * g[i];
    if (kind == SIGMOID) for (int64_t i = 0; i < n; i++) g[i] *= y[i] * (1 - y[i]);
    if (kind == TANH) for (int64_t i = 0; i < n; i++) g[i] *= 1 - y[i] * y[i];
}

/* x / (1 + e^-x), with room for n numbers, and its slope by x. */
INLINE void silu(float *y, float *h, int64_t n) {
    logistic(h, y, 1.0f, n);
    for (int64_t i = 0; i < n; i++) y[i] *= h[i];
}

INLINE void slope_of_silu(float *g, const float *x, float *h, int64_t n) {
    logistic(h, x, 1.0f, n);
    for (int64_t i = 0; i < n; i++) g[i] *= h[i] * (1 + x[i] * (1 - h[i]));
}

INLINE void clear_padding(float *y, int64_t rows, int64_t width, int64_t ld) {
    for (int64_t r = 0; r < rows; r++) memset(y + r * ld + width, 0, (ld - width) * sizeof(float));
}

INLINE int64_t panels_of(int64_t n) { return (n + V - 1) / V; }

/* How many floats a panel of a layer, all its panels, and its upright panels are: none where no gradient goes back. */
INLINE int64_t panel_of(const layer a) { return (a.in + 1) * V; }
INLINE int64_t packed(const layer a) { return panels_of(a.out) * panel_of(a); }
INLINE int64_t upright(const layer a) { return a.reads < 0 ? 0 : panels_of(a.in) * panels_of(a.out) * V * V; }

INLINE int64_t of_all(const layer *layers, int64_t depth, int64_t (*size)(const layer)) {
    int64_t total = 0;
    for (int64_t l = 0; l < depth; l++) total += size(layers[l]);
    return total;
}

/* Write panel n of a layer from flat parameters; units that there are none of are zero. */
INLINE void pack(const layer a, int64_t n, const float *flat, float *panel) {
    for (int64_t u = 0; u < V; u++) {
        const int there = n * V + u < a.out, tied = a.tied >= 0;
        const float *w = flat + a.weight + (n * V + u) * (tied ? 1 : a.in);
        for (int64_t i = 0; i < a.in; i++) panel[i * V + u] = there ? w[i * (tied ? a.out : 1)] : 0;
        panel[a.in * V + u] = there && a.bias >= 0 ? flat[a.bias + n * V + u] : 0;
    }
}

/* Write flat parameters from panel n of a layer. */
INLINE void unpack(const layer a, int64_t n, const float *panel, float *flat) {
    for (int64_t u = 0; u < V && n * V + u < a.out; u++) {
        float *w = flat + a.weight + (n * V + u) * a.in;
        for (int64_t i = 0; a.tied < 0 && i < a.in; i++) w[i] = panel[i * V + u];
        if (a.bias >= 0) flat[a.bias + n * V + u] = panel[a.in * V + u];
    }
}

INLINE int64_t halved(int64_t n) { return (n + 1) / 2; }

/* Draw codes mean + e^(log-variance / 2) noise, `units` numbers per row, from rows of `ld` that hold both. */
INLINE void draw(const float *from, int64_t ld, const float *noise, int64_t units, int64_t rows, float *code) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < units; i++)
            code[r * padded(units) + i] = from[r * ld + i] + expf(from[r * ld + units + i] / 2) * noise[r * units + i];
}

/* Where a thread computes with rows: what the net reads of them, they where that is something else, what layers write,
 * before their activation too where its slope is not seen from behind, and buffers as wide as the widest layer, some of
 * them for the way back alone. Of pairs, those of the rows' columns and rows are kept, others are made for a product. What
 * came back along a straight path waits for what comes along the deep one. Which columns are not zero in each few rows, and
 * which rows in each few columns, is listed where it is worth it. */
typedef struct {
    float *x, *t, *y[MOST_LAYERS], *before[MOST_LAYERS], *g, *h, *code, *waits, *beside, *below, *a, *b;
    some columns, rows;
} room;

/* Take the next floats of a thread's memory. */
#define TAKE(to, floats) (to) = (void *)at, at += ((floats) + V - 1) / V * V

/* Return how many floats a thread needs for so many rows, there alone or there and `back`, and share them out where `at`
 * is given. */
static __attribute__((unused)) int64_t lay_out(const layer *layers, int64_t depth, int64_t rows, int64_t pairs,
        int64_t back, float *at, room *r) {
    room unused;
    float *const start = at;
    const int64_t columns = layers[0].in;
    int64_t widest = padded(columns);
    if (!r) r = &unused;
    TAKE(r->x, rows * padded(columns));
    TAKE(r->t, back ? rows * padded(layers[depth - 1].out) : 0);
    for (int64_t l = 0; l < depth; l++) {
        const int64_t out = padded(layers[l].out);
        TAKE(r->y[l], rows * out);
        r->before[l] = 0;
        if (back && layers[l].activation == SILU) TAKE(r->before[l], rows * out);
        widest = out > widest ? out : widest;
    }
    TAKE(r->h, rows * widest);
    TAKE(r->g, back ? rows * widest : 0);
    TAKE(r->code, back ? rows * widest : 0);
    TAKE(r->waits, back ? rows * widest : 0);
    TAKE(r->beside, pairs ? rows * padded(columns) : 0);
    TAKE(r->below, pairs ? rows * padded(columns) : 0);
    TAKE(r->a, pairs ? rows * widest : 0);
    TAKE(r->b, pairs ? rows * widest : 0);
    r->columns.apart = padded(columns) + V;
    r->rows.apart = rows + V;
    TAKE(r->columns.listed, (rows / TOGETHER + 1) * r->columns.apart);
    TAKE(r->columns.counts, rows / TOGETHER + 1);
    TAKE(r->rows.listed, (columns / TOGETHER + 1) * r->rows.apart);
    TAKE(r->rows.counts, columns / TOGETHER + 1);
    return at - start;
}

/* List the columns that are not zero, or the pairs of columns; returns whether they are few enough. Registers of other
 * sizes read all. */
INLINE int sparse(const room *r, int64_t rows, int64_t columns, int64_t pairs) {
    if (columns < FEW || HELD < 16) return 0;
    const int64_t many = pairs ? halved(columns) : columns;
    return isthmus_list_rows(pairs ? r->beside : r->x, rows, many, padded(many), &r->columns) <= MANY;
}

/* Return what a layer reads: rows, a code that was drawn, or what another layer wrote. */
INLINE const float *read_by(const layer a, const room *r, int64_t drawn) {
    return a.reads < 0 ? r->x : a.reads == drawn ? r->code : r->y[a.reads];
}

INLINE void add(float *to, const float *from, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] += from[i];
}

/* What is drawn for rows: behind the layer `drawn` codes, by `noise`; and what each of the units that may be dropped is
 * multiplied by, `droppable` of a row. */
typedef struct { int64_t drawn, droppable; const float *noise, *kept; } chance;

/* How many units of a row may be dropped. */
INLINE int64_t droppable(const layer *layers, int64_t depth) {
    int64_t total = 0;
    for (int64_t l = 0; l < depth; l++) total += layers[l].dropped < 0 ? 0 : layers[l].out;
    return total;
}

/* Multiply what a layer wrote, or its gradient, by what was drawn. */
INLINE void keep(const layer a, chance by, int64_t rows, float *y) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < a.out; i++) y[r * padded(a.out) + i] *= by.kept[r * by.droppable + a.dropped + i];
}

/* Walk rows through all layers, whose panels are `at`, of pairs where it is so; columns may be `listed`. */
INLINE void ahead(const layer *layers, int64_t depth, const float *at, int64_t pairs, int64_t rows, int listed, room *r,
        chance by) {
    for (int64_t l = 0; l < depth; at += packed(layers[l++])) {
        const layer a = layers[l];
        const int64_t ld = padded(a.out), inner = pairs ? halved(a.in) : a.in;
        const float *from = read_by(a, r, by.drawn);
        float *y = r->y[l];
        if (pairs) from = a.reads < 0 ? r->beside : isthmus_pair_columns(from, rows, a.in, r->a);
        isthmus_product(&(factors){
            .pairs = pairs, .rows = rows, .panels = panels_of(a.out), .inner = inner,
            .A = from, .down = padded(inner), .along = 1,
            .B = at, .aside = panel_of(a), .next = V, .bias = at + a.in * V,
            .C = y, .beside = V, .ldc = ld, .listed = a.reads < 0 && listed ? &r->columns : 0,
        });
        if (a.reads != l - 1) add(y, r->y[l - 1], rows * ld);
        if (r->before[l]) memcpy(r->before[l], y, rows * ld * sizeof(float));
        if (a.activation == SILU) silu(y, r->h, rows * ld);
        else activate(a.activation, y, rows * ld);
        if (a.activation == SIGMOID) clear_padding(y, rows, a.out, ld);
        if (a.dropped >= 0 && by.kept) keep(a, by, rows, y);
        if (l == by.drawn) draw(y, ld, by.noise, a.out / 2, rows, r->code);
    }
}
