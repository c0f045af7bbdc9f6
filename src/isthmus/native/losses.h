/* What rows of a dense net lose, and what is added for their codes. */
#pragma once
#include "dense.h"

/* Return what the loss adds up to over rows: squares, or cross-entropies from logits, which are
 * max(o, 0) - x o + log(1 + e^-|o|). The last is -log of a logistic between 1/2 and 1, of which 64 are multiplied before
 * one logarithm is taken. */
INLINE double term(int64_t loss, const float *out, const float *x, int64_t rows, int64_t width, int64_t wide, float *h) {
    double total = 0;
    if (loss == CROSS_ENTROPY) {
        for (int64_t i = 0; i < rows * wide; i++) h[i] = fabsf(out[i]);
        logistic(h, h, 1.0f, rows * wide);
    }
    for (int64_t r = 0; r < rows; r++) {
        float row = 0;
        const float *o = out + r * wide, *at = x + r * wide, *p = h + r * wide;
        if (loss == SQUARED) for (int64_t i = 0; i < width; i++) row += (o[i] - at[i]) * (o[i] - at[i]);
        else for (int64_t i = 0; i < width; i++) row += (o[i] > 0 ? o[i] : 0) - at[i] * o[i];
        total += row;
        for (int64_t i = 0; loss == CROSS_ENTROPY && i < width; i += 64) {
            float many = 1;
            for (int64_t k = i; k < i + 64 && k < width; k++) many *= p[k];
            total -= logf(many);
        }
    }
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
