/* What rows of a dense net lose, and what is added for their codes. */
#pragma once
#include "dense.h"

/* Add up lanes in double precision, in pairs: one after another they would wait for each other. */
INLINE double lanes(vec s) {
    double d[V / 2];
    for (int u = 0; u < V / 2; u++) d[u] = (double)s[u] + (double)s[u + V / 2];
    for (int u = 0; u < V / 4; u++) d[u] += d[u + V / 4];
    return (d[0] + d[2]) + (d[1] + d[3]);
}

/* Return the loss of one row, whose padding is zero in both: squares, or cross-entropies from logits, which are
 * max(o, 0) - x o + log(1 + e^-|o|). */
INLINE double loss_of(int64_t loss, const float *o, const float *x, int64_t width) {
    const int64_t wide = panels_of(width) * V;
    const vec none = {0}, one = none + 1.0f;
    const whole order = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vec sum = none, many = one;
    double total = 0;
    for (int64_t i = 0; i < wide; i += V) {
        const vec at = *(const vec *)(o + i), by = *(const vec *)(x + i);
        if (loss == SQUARED) {
            sum += (at - by) * (at - by);
            continue;
        }
        sum += EITHER(at > none, at, none) - by * at;
        const whole there = order < (int32_t)(width - i);
        vec t = EITHER(at > none, -at, at);
        power(&t);
        many *= EITHER(there, one + t, one);
        /* Of numbers between 1 and 2, so that 64 of them are no larger than a float may be. */
        if (i / V % 64 == 63 || i + V >= wide) {
            for (int u = 0; u < V; u++) total += logf(many[u]);
            many = one;
        }
    }
    return total + lanes(sum);
}

/* Return what the loss adds up to over rows that are `wide` apart. */
INLINE double term(int64_t loss, const float *out, const float *x, int64_t rows, int64_t width, int64_t wide) {
    double total = 0;
    for (int64_t r = 0; r < rows; r++) total += loss_of(loss, out + r * wide, x + r * wide, width);
    return total;
}

/* Return what the loss adds up to over rows of which every entry has a count. */
INLINE double counted(int64_t loss, const float *out, const float *x, const float *counts, int64_t rows, int64_t width,
        int64_t wide) {
    double total = 0;
    for (int64_t r = 0; r < rows; r++) {
        const float *o = out + r * wide, *at = x + r * wide, *by = counts + r * width;
        for (int64_t i = 0; i < width; i++) {
            const float d = o[i] - at[i], zero = (o[i] > 0 ? o[i] : 0) - at[i] * o[i];
            total += by[i] * (loss == SQUARED ? d * d : zero + log1pf(expf(-fabsf(o[i]))));
        }
    }
    return total;
}

/* Return the sum of absolute values of rows. */
INLINE double absolute(const float *y, int64_t rows, int64_t width, int64_t ld) {
    double total = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++) total += fabsf(y[r * ld + i]);
    return total;
}

/* Add the gradient of absolute values. */
INLINE void add_signs(float *g, const float *y, float by, int64_t n) {
    for (int64_t i = 0; i < n; i++) g[i] += y[i] > 0 ? by : y[i] < 0 ? -by : 0;
}

/* Write the squared lengths of the weights that each unit of a layer reads. */
INLINE void lengths_of(const layer a, const float *panels, float *to) {
    for (int64_t n = 0; n < panels_of(a.out); n++, panels += panel_of(a)) {
        vec sum = {0};
        for (int64_t i = 0; i < a.in; i++) sum += *(const vec *)(panels + i * V) * *(const vec *)(panels + i * V);
        *(vec *)(to + n * V) = sum;
    }
}

/* Put the square of the slope of units in the place of what they gave. */
INLINE void squared_slope(int64_t kind, vec *y) {
    const vec none = {0}, one = none + 1.0f;
    vec s = one;
    if (kind == SIGMOID) s = *y * (one - *y);
    if (kind == TANH) s = one - *y * *y;
    if (kind == RELU) s = EITHER(*y > none, one, none);
    if (kind == LEAKY) s = EITHER(*y > none, one, 0.01f * one);
    *y = s * s;
}

/* Return the sum over rows of ||J||^2, J the Jacobian of a first layer's outputs y: squares of slopes times lengths. */
INLINE double contraction(const layer a, const float *y, const float *lengths, int64_t rows) {
    double total = 0;
    for (int64_t r = 0; r < rows; r++, y += padded(a.out)) {
        vec sum = {0};
        for (int64_t i = 0; i < panels_of(a.out) * V; i += V) {
            vec t = *(const vec *)(y + i);
            squared_slope(a.activation, &t);
            sum += t * *(const vec *)(lengths + i);
        }
        total += lanes(sum);
    }
    return total;
}

/* Add the gradient of `by` times that sum: of the outputs, of which the slope is asked that slopes have, and then of the
 * weights. */
INLINE void add_bends(const layer a, float *g, const float *y, const float *lengths, float by, int64_t rows) {
    if (a.activation != SIGMOID && a.activation != TANH) return; /* slopes of others do not change */
    for (int64_t r = 0; r < rows; r++, y += padded(a.out), g += padded(a.out))
        for (int64_t i = 0; i < panels_of(a.out) * V; i += V) {
            const vec at = *(const vec *)(y + i), s = at * (1.0f - at), bend = s * (1.0f - 2.0f * at);
            const vec both = a.activation == SIGMOID ? bend : -2.0f * at * (1.0f - at * at);
            *(vec *)(g + i) += 2.0f * by * *(const vec *)(lengths + i) * both;
        }
}

INLINE void add_reach(const layer a, const float *panels, const float *y, float by, int64_t rows, float *grad) {
    for (int64_t n = 0; n < panels_of(a.out); n++, panels += panel_of(a), grad += panel_of(a)) {
        vec sum = {0};
        for (int64_t r = 0; r < rows; r++) {
            vec t = *(const vec *)(y + r * padded(a.out) + n * V);
            squared_slope(a.activation, &t);
            sum += t;
        }
        for (int64_t i = 0; i < a.in; i++) *(vec *)(grad + i * V) += 2.0f * by * sum * *(const vec *)(panels + i * V);
    }
}

/* Return the sum over rows of (mean^2 + e^log-variance - 1 - log-variance) / 2. */
INLINE double divergence(const float *from, int64_t ld, int64_t units, int64_t rows) {
    double total = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < units; i++) {
            const float m = from[r * ld + i], v = from[r * ld + units + i];
            total += (m * m + expf(v) - 1 - v) / 2;
        }
    return total;
}

/* Write the gradient of means and log-variances, given that of codes, and what a row's divergence counts. */
INLINE void undraw(float *g, const float *given, const float *from, int64_t ld, const float *code, int64_t units,
        int64_t rows, float beta) {
    const int64_t narrow = padded(units);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < units; i++) {
            const float m = from[r * ld + i], v = from[r * ld + units + i], own = given[r * narrow + i];
            g[r * ld + i] = own + beta * m;
            g[r * ld + units + i] = (own * (code[r * narrow + i] - m) + beta * (expf(v) - 1)) / 2;
        }
    }
    clear_padding(g, rows, 2 * units, ld);
}
