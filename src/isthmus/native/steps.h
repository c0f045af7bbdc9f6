/* What a call for many steps of Adam is asked to do, and what its threads share. */
#pragma once
#include <float.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>

#include "dense.h"

/* A stage of a convolutional net: the places of its inputs are repeated `tall` and `wide` times, or moved so far apart
 * where `apart` is set; zeros stand around them, `over` rows and `beside` columns before; every so many places (`down`,
 * `along`) are convolved; of pool_tall x pool_wide neighbours the largest is taken, and activated. A product of plain
 * numbers has one place. Weights lie by_unit, by_input and by_place floats apart. */
typedef struct {
    int32_t inputs, in_height, in_width, tall, wide, apart, over, beside, kh, kw, down, along, units, height, width,
        pool_tall, pool_wide, out_height, out_width, activation, by_unit, by_input, by_place, reserved;
    int64_t weight, bias;
} place;

/* The job, and the flat parameters with Adam's moments. */
typedef struct {
    const layer *layers;
    const place *places; /* null: layers say what the net is */
    int64_t depth, loss;
    double precision; /* factor of the loss' slope */
    const float *data;
    int64_t width, begin, steps;
    const int64_t *order, *ends; /* rows of the epoch, and where each batch ends among them */
    const float *inputs; /* what the net reads for rows of this call's batches, in their order; null: the rows */
    const float *targets; /* what its outputs are compared with; null: the rows */
    const float *counts; /* what the loss of every entry of these rows counts; null: 1 */
    float *p, *m, *v;
    int64_t size;
    const double *rates; /* learning rate of each step */
    double beta1, beta2, eps, decay;
    int64_t taken, most, threads;
    double *values; /* of each step: not 0 asks for the sum of the loss over the batch; threads x steps */
    const float *kept; /* what units that may be dropped are multiplied by, for rows of this call's batches */
    int64_t drawn; /* the layer whose outputs are means and log-variances of a code; -1: none */
    const float *noise; /* what a code is drawn by, rows of this call's batches x units */
    int64_t ruled, asks; /* the layer that codes leave, -1: nothing is asked of codes; and what is asked */
    const double *betas; /* of each step: what the divergence from N(0, 1), or what is asked of codes, counts */
    double *apart; /* like values: the penalty's sum over the batch */
    const double *shrinks; /* of each step: what half the squares of all weights count; null: nothing */
    double *squares; /* like values: a thread's part of them, before the step */
    int64_t pairs; /* whether products are of numbers rounded to bfloat16, two at once */
} job;

/* What threads share: parameters, moments and a gradient per thread as products read them, weights upright, scratch. What
 * products read of parameters is `read`: they, or pairs of their rows in the first half of each panel. */
typedef struct work work;
struct work {
    const job *job;
    void (*share)(work *, int64_t);
    int64_t size, room, turned;
    float *p, *m, *v, *read, *gradients, *uprights, *rooms;
    atomic_long arrived, ready;
};

/* Wait for all threads; they are few and soon there, unless the machine has given a core to somebody else. */
static __attribute__((unused)) void meet(atomic_long *arrived, int64_t threads, int64_t meeting) {
    if (threads == 1) return;
    atomic_fetch_add(arrived, 1);
    for (int64_t spins = 0; atomic_load(arrived) < meeting * threads; spins++)
        if (spins > 4000) sched_yield();
}

/* What a step of Adam is taken with. */
typedef struct { float rate, root, keep; } pace;

INLINE pace pace_of(const job *j, int64_t s) {
    const double t = (double)(j->taken + s + 1), rate = j->rates[s];
    const double first = 1 - pow(j->beta1, t), second = 1 - pow(j->beta2, t);
    return (pace){(float)(rate / first), (float)sqrt(second), (float)(1 - rate * j->decay)};
}

/* Move parameters from `i` to `end`, whole vectors, by the sum of all threads' gradients and `shrink` times what they
 * are. */
INLINE void adam(const work *w, pace by, float shrink, int64_t i, int64_t end) {
    const job *j = w->job;
    const float b1 = (float)(1 - j->beta1), b2 = (float)j->beta2, c2 = (float)(1 - j->beta2);
    const float small = j->eps > 0 ? (float)j->eps : FLT_MIN; /* without eps, what has no gradient stays */
    for (; i < end; i += V) {
        vec *p = (vec *)(w->p + i), *m = (vec *)(w->m + i), *v = (vec *)(w->v + i), g = *p * shrink;
        for (int64_t k = 0; k < j->threads; k++) g += *(const vec *)(w->gradients + k * w->size + i);
        *m += b1 * (g - *m);
        vec square = b2 * *v + c2 * g * g;
        *v = square;
        for (int u = 0; u < V; u++) square[u] = sqrtf(square[u]);
        *p = *p * by.keep - by.rate * *m / (square / by.root + small);
    }
}

/* Say how much memory a net needs, and how its steps are taken. */
void isthmus_dense(work *w);
void isthmus_places(work *w);
