/* Steps of Adam on a dense autoencoder, many per call and on several threads: torch's calls cost small nets more than
 * what they compute, and wide ones a pass through memory between any two of them.
 *
 * Every thread takes its share of a batch's rows there and back, with a gradient of its own; then every thread adds up
 * and moves its share of the parameters, and packs its share of the weights. So a step has three barriers, whatever its
 * depth.
 *
 * Rows of buffers are padded with zeros to whole vectors of 16 floats, and to an odd number of them, so that columns
 * spread over the cache. One product serves all: C[m][n] = sum_k A[m][k] B[k][n], with any strides of A, and B as rows or
 * as panels of 16 columns. Layers are given by the offsets of their weights (out x in) and biases (-1: none) in the flat
 * parameters; a layer's activation is applied to its output. */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define V 16
#define MOST_LAYERS 64
#define MOST_THREADS 64
typedef float vec __attribute__((vector_size(64), aligned(4)));
typedef int32_t whole __attribute__((vector_size(64)));
#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define DISPATCHED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DISPATCHED
#endif

static int has_avx512(void) {
#ifdef __x86_64__
    return __builtin_cpu_supports("avx512f");
#else
    return 0;
#endif
}

enum { IDENTITY, RELU, LEAKY, SIGMOID, TANH };
enum { SQUARED, CROSS_ENTROPY };

typedef struct { int32_t in, out, activation, reserved; int64_t weight, bias; } layer;

/* What a call is asked to do, and the flat parameters with Adam's moments. */
typedef struct {
    const layer *layers;
    int64_t depth, loss;
    double precision; /* factor of the loss' slope */
    const float *data;
    int64_t width, begin, steps;
    const int64_t *order, *ends; /* rows of the epoch, and where each batch ends among them */
    float *p, *m, *v, *gradients; /* gradients: one of `size` per thread */
    int64_t size;
    const double *rates; /* learning rate of each step */
    double beta1, beta2, eps, decay;
    int64_t taken, most, threads;
    float *room, *packs; /* threads times isthmus_room floats, and isthmus_packs */
    double *values; /* of each step: not 0 asks for the sum of the loss over the batch; threads x steps */
    int64_t drawn; /* the layer whose outputs are means and log-variances of a code; -1: none */
    const float *noise; /* what a code is drawn by, rows of this call's batches x units */
    const double *betas; /* of each step: what the divergence from N(0, 1) counts */
    double *divergences; /* like values: its sum over the batch */
} job;

typedef struct { const job *job; int64_t id; atomic_long *arrived, *ready; } share;

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

/* A block of `rows` rows, known to the compiler, and one vector of columns. */
#define BLOCK(rows)                                                                                                    \
    {                                                                                                                  \
        vec sum[rows];                                                                                                 \
        for (int r = 0; r < rows; r++) sum[r] = bias ? *(const vec *)(bias + n) : (vec){0};                            \
        for (int64_t k = 0; k < inner; k++) {                                                                          \
            const vec b = *(const vec *)(panel + k * next);                                                            \
            for (int r = 0; r < rows; r++) sum[r] += A[(m + r) * down + k * along] * b;                                \
        }                                                                                                              \
        for (int r = 0; r < rows; r++) *(vec *)(C + (m + r) * ldc + n) = sum[r];                                       \
    }

/* Panels of 16 columns of B are 16 * `aside` floats apart, its rows `next`. Twelve rows of sums fit the registers of
 * AVX-512 (`tall`), six those of others. */
INLINE void product(int tall, int64_t rows, int64_t columns, int64_t inner, const float *A, int64_t down, int64_t along,
        const float *B, int64_t aside, int64_t next, const float *bias, float *C, int64_t ldc) {
    for (int64_t n = 0; n < columns; n += V) {
        const float *panel = B + n * aside;
        int64_t m = 0;
        if (tall) for (; m + 12 <= rows; m += 12) BLOCK(12)
        for (; m + 6 <= rows; m += 6) BLOCK(6)
        for (; m < rows; m++) BLOCK(1)
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

/* Both forms in which products read a layer's weights, side by side in `pack`, and behind them the bias: W (out x in) as
 * panels of 16 units, [unit / 16][input][unit % 16], and as panels of 16 inputs, [input / 16][unit][input % 16]. */
INLINE int64_t units_of(const layer a) { return (a.out + V - 1) / V * V; }
INLINE int64_t inputs_of(const layer a) { return (a.in + V - 1) / V * V; }
INLINE int64_t packed(const layer a) { return units_of(a) * a.in + inputs_of(a) * a.out + units_of(a); }

/* Write this thread's share of the panels of all layers, which wait for everybody. */
INLINE void pack_all(const job *j, int64_t id) {
    float *pack = j->packs;
    for (int64_t l = 0; l < j->depth; pack += packed(j->layers[l++])) {
        const layer a = j->layers[l];
        const float *w = j->p + a.weight;
        const int64_t panels = units_of(a) / V, across = inputs_of(a) / V;
        for (int64_t n = panels * id / j->threads; n < panels * (id + 1) / j->threads; n++)
            for (int64_t i = 0; i < a.in; i++)
                for (int64_t u = 0; u < V; u++)
                    pack[n * V * a.in + i * V + u] = n * V + u < a.out ? w[(n * V + u) * a.in + i] : 0;
        float *upright = pack + units_of(a) * a.in;
        for (int64_t n = across * id / j->threads; l && n < across * (id + 1) / j->threads; n++)
            for (int64_t o = 0; o < a.out; o++)
                for (int64_t u = 0; u < V; u++)
                    upright[n * V * a.out + o * V + u] = n * V + u < a.in ? w[o * a.in + n * V + u] : 0;
        float *bias = upright + inputs_of(a) * a.out;
        for (int64_t o = 0; !id && o < units_of(a); o++) bias[o] = o < a.out && a.bias >= 0 ? j->p[a.bias + o] : 0;
    }
}

/* Draw codes mean + e^(log-variance / 2) noise, `units` numbers per row, from rows of `ld` that hold both. */
INLINE void draw(const float *from, int64_t ld, const float *noise, int64_t units, int64_t rows, float *code) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < units; i++)
            code[r * padded(units) + i] = from[r * ld + i] + expf(from[r * ld + units + i] / 2) * noise[r * units + i];
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

/* Walk `rows` rows in x through all layers; y has one buffer per layer. Behind the layer `drawn` codes are drawn. Returns
 * the end of the panels. */
INLINE const float *ahead(int tall, const layer *layers, int64_t depth, const float *packs, int64_t rows, const float *x,
        float **y, int64_t drawn, const float *noise, float *code) {
    const float *from = x;
    for (int64_t l = 0; l < depth; l++) {
        const layer a = layers[l];
        const int64_t ld = padded(a.out), panels = units_of(a);
        const float *bias = packs + panels * a.in + inputs_of(a) * a.out;
        product(tall, rows, panels, a.in, from, padded(a.in), 1, packs, a.in, V, bias, y[l], ld);
        packs += packed(a);
        activate(a.activation, y[l], rows * ld);
        if (a.activation == SIGMOID) clear_padding(y[l], rows, a.out, ld);
        from = y[l];
        if (l == drawn) {
            draw(y[l], ld, noise, a.out / 2, rows, code);
            from = code;
        }
    }
    return packs;
}

/* Set the gradient of `rows` rows in x; y has one buffer per layer, g, h and code are as wide as the widest layer. */
INLINE void gradient(const job *j, double scale, int64_t rows, const float *x, float **y, float *g, float *h, float *code,
        float *pack, float *grad, double *value, const float *noise, double beta, double *apart) {
    const int tall = has_avx512();
    const float *packs = ahead(tall, j->layers, j->depth, j->packs, rows, x, y, j->drawn, noise, code);
    const int64_t wide = padded(j->width);
    const float *out = y[j->depth - 1], by = (float)scale;
    if (value) *value = term(j->loss, out, x, rows, j->width, wide, h);
    if (value && j->drawn >= 0) {
        const int64_t both = j->layers[j->drawn].out;
        *apart = divergence(y[j->drawn], padded(both), both / 2, rows);
    }
    if (j->loss == CROSS_ENTROPY) {
        logistic(g, out, 1.0f, rows * wide);
        out = g;
    }
    for (int64_t i = 0; i < rows * wide; i++) g[i] = (out[i] - x[i]) * by;
    clear_padding(g, rows, j->width, wide);
    for (int64_t l = j->depth - 1; l >= 0; l--) {
        const layer a = j->layers[l];
        const int64_t ld = padded(a.out), below = padded(a.in), panels = inputs_of(a);
        packs -= packed(a);
        slope(a.activation, g, y[l], rows * ld);
        /* Straight into the gradient where rows are whole vectors. */
        float *to = a.in % V ? pack : grad + a.weight;
        const float *from = l ? l - 1 == j->drawn ? code : y[l - 1] : x;
        product(tall, a.out, panels, rows, g, 1, ld, from, 1, below, 0, to, panels);
        if (a.in % V)
            for (int64_t o = 0; o < a.out; o++)
                memcpy(grad + a.weight + o * a.in, pack + o * panels, a.in * sizeof(float));
        if (a.bias >= 0) {
            memset(pack, 0, ld * sizeof(float));
            for (int64_t r = 0; r < rows; r++)
                for (int64_t o = 0; o < ld; o++) pack[o] += g[r * ld + o];
            memcpy(grad + a.bias, pack, a.out * sizeof(float));
        }
        if (!l) break;
        product(tall, rows, panels, a.out, g, ld, 1, packs + units_of(a) * a.in, a.out, V, 0, h, below);
        clear_padding(h, rows, panels, below);
        if (l - 1 == j->drawn) {
            undraw(g, h, y[l - 1], padded(2 * a.in), code, a.in, rows, (float)beta);
            continue;
        }
        float *t = g;
        g = h;
        h = t;
    }
}

/* Wait for all threads; they are few and soon there, unless the machine has given a core to somebody else. */
static void meet(atomic_long *arrived, int64_t threads, int64_t meeting) {
    if (threads == 1) return;
    atomic_fetch_add(arrived, 1);
    for (int64_t spins = 0; atomic_load(arrived) < meeting * threads; spins++)
        if (spins > 4000) sched_yield();
}

/* Move parameters from `i` to `end` by the sum of all threads' gradients. */
INLINE void adam(const job *j, int64_t s, int64_t i, int64_t end) {
    const double t = (double)(j->taken + s + 1);
    const float rate = (float)(j->rates[s] / (1 - pow(j->beta1, t))), root = (float)sqrt(1 - pow(j->beta2, t));
    const float b1 = (float)(1 - j->beta1), b2 = (float)j->beta2, c2 = (float)(1 - j->beta2), small = (float)j->eps;
    const float keep = (float)(1 - j->rates[s] * j->decay);
    float *restrict p = j->p, *restrict m = j->m, *restrict v = j->v, *restrict g = j->gradients;
    for (int64_t k = 1; k < j->threads; k++) {
        const float *restrict other = g + k * j->size;
        for (int64_t n = i; n < end; n++) g[n] += other[n];
    }
    for (; i < end; i++) {
        m[i] += b1 * (g[i] - m[i]);
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        p[i] = p[i] * keep - rate * m[i] / (sqrtf(v[i]) / root + small);
    }
}

/* Return how many floats of scratch a thread needs for so many rows, and lay it out where `room` is given. */
static int64_t lay_out(const layer *layers, int64_t depth, int64_t rows, float *room, float **y, float **rest) {
    int64_t at = rows * padded(layers[0].in), widest = padded(layers[0].in), largest = 0;
    for (int64_t l = 0; l < depth; l++) {
        const int64_t out = padded(layers[l].out), need = (padded(layers[l].in) + 1) * out;
        if (room) y[l] = room + at;
        at += rows * out;
        widest = out > widest ? out : widest;
        largest = need > largest ? need : largest;
    }
    if (room) {
        rest[0] = room + at;
        rest[1] = rest[0] + rows * widest;
        rest[2] = rest[1] + rows * widest;
        rest[3] = rest[2] + rows * widest;
    }
    return (at + 3 * rows * widest + largest + V) / V * V;
}

int64_t isthmus_packs(const layer *layers, int64_t depth) {
    int64_t total = 0;
    for (int64_t l = 0; l < depth; l++) total += packed(layers[l]);
    return total;
}

int64_t isthmus_room(const layer *layers, int64_t depth, int64_t rows) { return lay_out(layers, depth, rows, 0, 0, 0); }

/* What one thread does in all steps. */
DISPATCHED
void isthmus_share(const job *j, int64_t id, atomic_long *arrived) {
    const int64_t most = (j->most + j->threads - 1) / j->threads, wide = padded(j->width);
    const int64_t room = isthmus_room(j->layers, j->depth, most);
    float *x = j->room + id * room, *y[MOST_LAYERS], *rest[4], *grad = j->gradients + id * j->size;
    lay_out(j->layers, j->depth, most, x, y, rest);
    memset(x, 0, room * sizeof(float));
    int64_t begin = j->begin, met = 0;
    for (int64_t s = 0; s < j->steps; begin = j->ends[s++]) {
        pack_all(j, id);
        meet(arrived, j->threads, ++met);
        const int64_t rows = j->ends[s] - begin, first = begin + rows * id / j->threads;
        const int64_t own = begin + rows * (id + 1) / j->threads - first;
        for (int64_t r = 0; r < own; r++)
            memcpy(x + r * wide, j->data + j->order[first + r] * j->width, j->width * sizeof(float));
        double *value = j->values + id * j->steps + s, *apart = 0, beta = 0;
        const float *noise = 0;
        if (j->drawn >= 0) {
            noise = j->noise + (first - j->begin) * (j->layers[j->drawn].out / 2);
            beta = j->betas[s] / rows;
            apart = j->divergences + id * j->steps + s;
        }
        gradient(j, j->precision / rows, own, x, y, rest[0], rest[1], rest[2], rest[3], grad, *value ? value : 0, noise,
                beta, apart);
        meet(arrived, j->threads, ++met);
        adam(j, s, j->size * id / j->threads, j->size * (id + 1) / j->threads);
        meet(arrived, j->threads, ++met);
    }
}

static void *started(void *given) {
    const share *s = given;
    while (!atomic_load(s->ready)) sched_yield();
    if (atomic_load(s->ready) > 0) isthmus_share(s->job, s->id, s->arrived);
    return 0;
}

/* Take the steps of a job; returns 0, or 1 where threads could not be started and nothing was done. */
int32_t isthmus_steps(const job *given) {
    job j = *given;
    pthread_t threads[MOST_THREADS];
    share shares[MOST_THREADS];
    atomic_long arrived = 0;
    atomic_long ready = 0;
    if (j.threads > MOST_THREADS) return 1;
    int64_t made = 1;
    for (; made < j.threads; made++) {
        shares[made] = (share){&j, made, &arrived, &ready};
        if (pthread_create(threads + made, 0, started, shares + made)) break;
    }
    /* Threads that did start wait for the word, and leave where one is missing. */
    atomic_store(&ready, made == j.threads ? 1 : -1);
    if (made < j.threads) {
        while (--made) pthread_join(threads[made], 0);
        return 1;
    }
    isthmus_share(&j, 0, &arrived);
    for (int64_t k = 1; k < j.threads; k++) pthread_join(threads[k], 0);
    return 0;
}

/* What is asked of rows: any of their code, behind `coded` layers, their output, and the sum of their loss, each of one
 * thread. A row's answers have the same bits among any others. */
typedef struct {
    const layer *layers;
    int64_t depth, coded, loss;
    const float *data;
    int64_t rows, width, most; /* most: rows at once */
    const float *packs;
    float *room, *code, *out; /* room: isthmus_room floats for `most` rows */
    double *sums;
} question;

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
void isthmus_answer(const question *q) {
    const int64_t wide = padded(q->width), depth = q->out || q->sums ? q->depth : q->coded;
    const int64_t units = q->layers[q->coded - 1].out, last = q->layers[depth - 1].out;
    const int tall = has_avx512();
    float *x = q->room, *y[MOST_LAYERS], *rest[4];
    memset(x, 0, lay_out(q->layers, q->depth, q->most, x, y, rest) * sizeof(float));
    for (int64_t first = 0; first < q->rows; first += q->most) {
        const int64_t rows = q->rows - first < q->most ? q->rows - first : q->most;
        for (int64_t r = 0; r < rows; r++)
            memcpy(x + r * wide, q->data + (first + r) * q->width, q->width * sizeof(float));
        ahead(tall, q->layers, depth, q->packs, rows, x, y, -1, 0, 0);
        write_rows(q->code ? q->code + first * units : 0, y[q->coded - 1], rows, units, padded(units));
        write_rows(q->out ? q->out + first * last : 0, y[depth - 1], rows, last, padded(last));
        for (int64_t r = 0; q->sums && r < rows; r++)
            q->sums[first + r] = loss_of(q->loss, y[depth - 1] + r * wide, x + r * wide, q->width, wide, rest[0]);
    }
}

/* Write the panels of a net, isthmus_packs floats. */
DISPATCHED
void isthmus_pack(const layer *layers, int64_t depth, const float *p, float *packs) {
    const job j = {.layers = layers, .depth = depth, .p = (float *)p, .packs = packs, .threads = 1};
    pack_all(&j, 0);
}
