/* Steps of Adam on a dense autoencoder.
 *
 * A call lays parameters and moments out in panels, and writes them back at its end. Every thread takes its share of a
 * batch's rows there and back, with a gradient of its own; then every thread adds up and moves its share of the panels.
 * So a step has two barriers, whatever its depth. */
#include "steps.h"

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

/* Write one square of weights upright; inputs that there are none of are zero. */
INLINE void turn_square(const float *from, int64_t inputs, float *to) {
    if (inputs >= V) {
        transposed(from, to);
        return;
    }
    memset(to, 0, V * V * sizeof(float));
    for (int64_t k = 0; k < inputs; k++)
        for (int64_t u = 0; u < V; u++) to[u * V + k] = from[k * V + u];
}

/* Lay weights of panel n of a layer upright, in squares of 16 units and 16 inputs, or of 8 pairs of units. */
INLINE void turn(const layer a, int64_t n, const float *panel, int64_t pairs, float *to) {
    const int64_t size = pairs ? V * V / 2 : V * V;
    for (int64_t i = 0; i < a.in; i += V) {
        float *square = to + (i / V * panels_of(a.out) + n) * size, whole[V * V] __attribute__((aligned(64)));
        turn_square(panel + i * V, a.in - i, pairs ? whole : square);
        if (pairs) isthmus_pair_rows(whole, V, V, square);
    }
}

/* Write the sum of `rows` vectors that are `ld` floats apart. */
INLINE void add_up(float *to, const float *from, int64_t ld, int64_t rows) {
    vec sum = {0};
    for (int64_t r = 0; r < rows; r++) sum += *(const vec *)(from + r * ld);
    *(vec *)to = sum;
}

/* What is asked of some rows of a batch: what their slope counts, their loss and divergence, the noise of codes. */
typedef struct { double scale, beta, *value, *apart; const float *noise; } asked;

/* Write the gradient of a layer's weights, given its inputs and that of its outputs. */
INLINE void weigh(const layer a, const room *r, int64_t pairs, int64_t rows, const float *from, const float *g,
        const some *listed, float *grad) {
    const int64_t ld = padded(a.out), below = padded(a.in), units = panels_of(a.out);
    isthmus_product(&(factors){
        .pairs = pairs, .rows = a.in, .panels = units, .inner = pairs ? halved(rows) : rows,
        .A = !pairs ? from : from == r->x ? r->below : isthmus_pair_rows(from, rows, below, r->a),
        .down = 1, .along = below,
        .B = pairs ? isthmus_pair_rows(g, rows, ld, r->b) : g, .aside = V, .next = ld,
        .C = grad, .beside = panel_of(a), .ldc = V, .listed = listed,
    });
    for (int64_t n = 0; a.bias >= 0 && n < units; n++) add_up(grad + n * panel_of(a) + a.in * V, g + n * V, ld, rows);
}

/* Write the gradient of a layer's inputs, given that of its outputs and its weights upright. */
INLINE void back(const layer a, const room *r, int64_t pairs, int64_t rows, const float *g, const float *up, float *h) {
    const int64_t below = padded(a.in), inner = pairs ? halved(a.out) : a.out;
    isthmus_product(&(factors){
        .pairs = pairs, .rows = rows, .panels = panels_of(a.in), .inner = inner,
        .A = pairs ? isthmus_pair_columns(g, rows, a.out, r->a) : g, .down = padded(inner), .along = 1,
        .B = up, .aside = upright(a) / panels_of(a.in) / (pairs ? 2 : 1), .next = V,
        .C = h, .beside = V, .ldc = below,
    });
    clear_padding(h, rows, panels_of(a.in) * V, below);
}

/* Set the gradient of `rows` rows. */
INLINE void gradient(const work *w, room *r, int64_t rows, int listed, asked of, float *grad) {
    const job *j = w->job;
    const int64_t pairs = j->pairs;
    ahead(j->layers, j->depth, w->read, pairs, rows, listed, r, j->drawn, of.noise);
    const int64_t wide = padded(j->width);
    const float by = (float)of.scale, *out = r->y[j->depth - 1], *up = w->uprights + w->turned;
    float *g = r->g, *h = r->h;
    if (of.value) *of.value = term(j->loss, out, r->x, rows, j->width, wide, h);
    if (of.value && j->drawn >= 0) {
        const int64_t both = j->layers[j->drawn].out;
        *of.apart = divergence(r->y[j->drawn], padded(both), both / 2, rows);
    }
    if (j->loss == CROSS_ENTROPY) {
        logistic(g, out, 1.0f, rows * wide);
        out = g;
    }
    for (int64_t i = 0; i < rows * wide; i++) g[i] = (out[i] - r->x[i]) * by;
    clear_padding(g, rows, j->width, wide);
    if (listed)
        isthmus_list_columns(pairs ? r->below : r->x, pairs ? halved(rows) : rows, j->width, wide, &r->rows);
    grad += w->size;
    int64_t waiting = -1;
    for (int64_t l = j->depth - 1; l >= 0; l--) {
        const layer a = j->layers[l];
        const int straight = a.reads != l - 1;
        grad -= packed(a);
        up -= pairs ? upright(a) / 2 : upright(a);
        slope(a.activation, g, r->y[l], rows * padded(a.out));
        weigh(a, r, pairs, rows, read_by(a, r, j->drawn), g, a.reads < 0 && listed ? &r->rows : 0, grad);
        if (a.reads >= 0) back(a, r, pairs, rows, g, up, straight ? r->waits : h);
        /* The deep path, which comes next, has the same gradient. */
        if (straight) waiting = a.reads;
        if (straight || a.reads < 0) continue;
        if (waiting == a.reads) add(h, r->waits, rows * padded(a.in));
        if (a.reads == j->drawn) {
            undraw(g, h, r->y[l - 1], padded(2 * a.in), r->code, a.in, rows, (float)of.beta);
            continue;
        }
        float *t = g;
        g = h;
        h = t;
    }
}

enum { READ, MOVE, WRITE };

/* Lay out what products read of panel n of a layer: pairs of its rows, and weights upright where gradients go back. */
INLINE void lay(const work *w, const layer a, int64_t n, int64_t here, float *up) {
    const float *panel = w->p + here;
    if (w->job->pairs) {
        isthmus_pair_rows(panel, a.in, V, w->read + here);
        memcpy(w->read + here + a.in * V, panel + a.in * V, V * sizeof(float));
    }
    if (up) turn(a, n, panel, w->job->pairs, up);
}

/* Do with a thread's share of the panels of every layer: read them from the flat parameters, take step s with them, or
 * write them back. */
INLINE void panels(const work *w, int what, int64_t id, int64_t s) {
    const job *j = w->job;
    const pace by = pace_of(j, s);
    float *up = w->uprights;
    for (int64_t l = 0, at = 0; l < j->depth; at += packed(j->layers[l++])) {
        const layer a = j->layers[l];
        const int64_t first = panels_of(a.out) * id / j->threads, end = panels_of(a.out) * (id + 1) / j->threads;
        for (int64_t n = first; n < end; n++) {
            const int64_t here = at + n * panel_of(a);
            float *own[] = {w->p + here, w->m + here, w->v + here}, *flat[] = {j->p, j->m, j->v};
            if (what == MOVE) adam(w, by, here, here + panel_of(a));
            for (int k = 0; what == READ && k < 3; k++) pack(a, n, flat[k], own[k]);
            for (int k = 0; what == WRITE && k < 3; k++) unpack(a, n, own[k], flat[k]);
            if (a.bias < 0) memset(own[0] + a.in * V, 0, V * sizeof(float)); /* without eps, 0 / 0 */
            if (what != WRITE) lay(w, a, n, here, a.reads < 0 ? 0 : up);
        }
        up += j->pairs ? upright(a) / 2 : upright(a);
    }
}

/* What one thread does in all steps. */
DISPATCHED
void isthmus_dense_share(work *w, int64_t id) {
    const job *j = w->job;
    const int64_t wide = padded(j->width), most = (j->most + j->threads - 1) / j->threads;
    float *grad = w->gradients + id * w->size;
    room r;
    memset(w->rooms + id * w->room, 0, w->room * sizeof(float));
    memset(grad, 0, w->size * sizeof(float));
    lay_out(j->layers, j->depth, most, j->pairs, w->rooms + id * w->room, &r);
    int listed = 1; /* until there are rows of which it is not worth it */
    panels(w, READ, id, 0);
    int64_t begin = j->begin, met = 0;
    for (int64_t s = 0; s < j->steps; begin = j->ends[s++]) {
        const int64_t rows = j->ends[s] - begin, first = begin + rows * id / j->threads;
        const int64_t own = begin + rows * (id + 1) / j->threads - first;
        for (int64_t i = 0; i < own; i++)
            memcpy(r.x + i * wide, j->data + j->order[first + i] * j->width, j->width * sizeof(float));
        if (j->pairs) {
            isthmus_pair_columns(r.x, own, j->width, r.beside);
            isthmus_pair_rows(r.x, own, wide, r.below);
        }
        listed = listed && sparse(&r, own, j->width, j->pairs);
        double *value = j->values + id * j->steps + s;
        asked of = {.scale = j->precision / rows, .value = *value ? value : 0};
        if (j->drawn >= 0) {
            of.noise = j->noise + (first - j->begin) * (j->layers[j->drawn].out / 2);
            of.beta = j->betas[s] / rows;
            of.apart = j->divergences + id * j->steps + s;
        }
        meet(&w->arrived, j->threads, ++met);
        gradient(w, &r, own, listed, of, grad);
        meet(&w->arrived, j->threads, ++met);
        panels(w, MOVE, id, s);
    }
    panels(w, WRITE, id, 0);
}

void isthmus_dense(work *w) {
    const job *j = w->job;
    w->share = isthmus_dense_share;
    w->size = of_all(j->layers, j->depth, packed);
    w->turned = of_all(j->layers, j->depth, upright) / (j->pairs ? 2 : 1);
    w->room = lay_out(j->layers, j->depth, (j->most + j->threads - 1) / j->threads, j->pairs, 0, 0);
}
