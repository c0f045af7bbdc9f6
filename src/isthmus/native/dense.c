/* Steps of Adam on a dense autoencoder.
 *
 * A call lays parameters and moments out in panels, and writes them back at its end. Every thread takes its share of a
 * batch's rows there and back, with a gradient of its own; then every thread adds up and moves its share of the panels.
 * So a step has two barriers, whatever its depth. */
#include "losses.h"
#include "steps.h"
#include "tied.h"

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

/* What is asked of some rows of a batch: what their slope and the code's penalty count, their loss and that penalty,
 * what is drawn for them, what their entries count. */
typedef struct { double scale, beta, *value, *apart; chance by; const float *counts; } asked;

/* Say what rows lose, and what is added for their codes. */
INLINE void judge(const job *j, const room *r, int64_t rows, asked of) {
    const float *out = r->y[j->depth - 1];
    const int64_t wide = padded(j->width), code = j->drawn >= 0 ? j->drawn : j->ruled;
    *of.value = of.counts ? counted(j->loss, out, r->t, of.counts, rows, j->width, wide)
                          : term(j->loss, out, r->t, rows, j->width, wide);
    if (code < 0) return;
    const layer a = j->layers[code];
    const float *y = r->y[code];
    *of.apart = j->drawn >= 0 ? divergence(y, padded(a.out), a.out / 2, rows)
        : j->asks == CONTRACTION ? contraction(a, y, r->code, rows) : absolute(y, rows, a.out, padded(a.out));
}

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

/* Drop units of a gradient, and write what the others' outputs were before they were scaled. */
INLINE void undrop(const layer a, chance by, int64_t rows, float *g, float *y) {
    keep(a, by, rows, g);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < a.out; i++) {
            const float kept = by.kept[r * by.droppable + a.dropped + i];
            y[r * padded(a.out) + i] /= kept > 0 ? kept : 1;
        }
}

/* Set the gradient of `rows` rows. */
INLINE void gradient(const work *w, room *r, int64_t rows, int listed, asked of, float *grad) {
    const job *j = w->job;
    const int64_t pairs = j->pairs;
    ahead(j->layers, j->depth, w->read, pairs, rows, listed, r, of.by);
    const int64_t wide = padded(j->width), inputs = j->layers[0].in;
    const float by = (float)of.scale, *out = r->y[j->depth - 1], *up = w->uprights + w->turned;
    float *g = r->g, *h = r->h;
    const int contracts = j->ruled == 0 && j->asks == CONTRACTION;
    if (contracts) lengths_of(j->layers[0], w->p, r->code);
    if (of.value) judge(j, r, rows, of);
    for (int64_t i = 0; i < rows * wide; i += V) {
        vec mean = *(const vec *)(out + i);
        if (j->loss == CROSS_ENTROPY) squash(&mean);
        *(vec *)(g + i) = (mean - *(const vec *)(r->t + i)) * by;
    }
    for (int64_t n = 0; of.counts && n < rows; n++)
        for (int64_t i = 0; i < j->width; i++) g[n * wide + i] *= of.counts[n * j->width + i];
    clear_padding(g, rows, j->width, wide);
    if (listed)
        isthmus_list_columns(pairs ? r->below : r->x, pairs ? halved(rows) : rows, inputs, padded(inputs), &r->rows);
    grad += w->size;
    int64_t waiting = -1;
    for (int64_t l = j->depth - 1; l >= 0; l--) {
        const layer a = j->layers[l];
        const int straight = a.reads != l - 1;
        grad -= packed(a);
        up -= pairs ? upright(a) / 2 : upright(a);
        if (a.dropped >= 0) undrop(a, of.by, rows, g, r->y[l]);
        if (a.activation == SILU) slope_of_silu(g, r->before[l], h, rows * padded(a.out));
        else slope(a.activation, g, r->y[l], rows * padded(a.out));
        weigh(a, r, pairs, rows, read_by(a, r, j->drawn), g, a.reads < 0 && listed ? &r->rows : 0, grad);
        if (contracts && l == 0) add_reach(a, w->p, r->y[0], (float)of.beta, rows, grad);
        if (a.reads >= 0) back(a, r, pairs, rows, g, up, straight ? r->waits : h);
        /* The deep path, which comes next, has the same gradient. */
        if (straight) waiting = a.reads;
        if (straight || a.reads < 0) continue;
        if (waiting == a.reads) add(h, r->waits, rows * padded(a.in));
        if (contracts && a.reads == 0) add_bends(j->layers[0], h, r->y[0], r->code, (float)of.beta, rows);
        else if (a.reads == j->ruled) add_signs(h, r->y[a.reads], (float)of.beta, rows * padded(a.in));
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

/* Return the sum of squares of n numbers. */
INLINE double squares(const float *p, int64_t n) {
    vec sum = {0};
    double total = 0;
    for (int64_t i = 0; i < n; i += V) sum += *(const vec *)(p + i) * *(const vec *)(p + i);
    for (int u = 0; u < V; u++) total += sum[u];
    return total;
}

/* Take a step with panel n of a layer; squares of its weights are added to `found`, where they are asked for. */
INLINE void move(const work *w, int64_t l, int64_t n, pace by, float shrink, int64_t here, double *found) {
    const layer a = w->job->layers[l];
    const int64_t bias = here + a.in * V;
    if (a.tied < 0) {
        const spot other = tied_to(w->job, l);
        if (found) *found += squares(w->p + here, a.in * V);
        if (other.l < w->job->depth) add_tied(w, a, n, here, other);
        adam(w, by, shrink, here, bias);
        if (other.l < w->job->depth) write_tied(w, a, n, here, other);
    }
    adam(w, by, 0, bias, bias + V);
}

/* Do with a thread's share of the panels of every layer: read them from the flat parameters, take step s with them, or
 * write them back. Squares of weights are added to `found`, where they are asked for. */
INLINE void panels(const work *w, int what, int64_t id, int64_t s, double *found) {
    const job *j = w->job;
    const pace by = pace_of(j, s);
    const float shrink = j->shrinks ? (float)j->shrinks[s] : 0;
    float *up = w->uprights;
    for (int64_t l = 0, at = 0; l < j->depth; at += packed(j->layers[l++])) {
        const layer a = j->layers[l];
        const int64_t first = panels_of(a.out) * id / j->threads, end = panels_of(a.out) * (id + 1) / j->threads;
        for (int64_t n = first; n < end; n++) {
            const int64_t here = at + n * panel_of(a);
            float *own[] = {w->p + here, w->m + here, w->v + here}, *flat[] = {j->p, j->m, j->v};
            if (what == MOVE) move(w, l, n, by, shrink, here, found);
            for (int k = 0; what == READ && k < 3; k++) pack(a, n, flat[k], own[k]);
            for (int k = 0; what == WRITE && k < 3; k++) unpack(a, n, own[k], flat[k]);
            /* What is tied was laid out with what it is tied to. */
            if (what == READ || (what == MOVE && a.tied < 0)) lay(w, a, n, here, a.reads < 0 ? 0 : up);
        }
        up += j->pairs ? upright(a) / 2 : upright(a);
    }
}

/* Read rows of the epoch from `first` on, and what the net is given of them where that is something else. */
INLINE void gather(const job *j, const room *r, int64_t first, int64_t rows) {
    const int64_t wide = padded(j->width), inputs = j->layers[0].in;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t here = first - j->begin + i;
        const float *row = j->targets ? j->targets + here * j->width : j->data + j->order[first + i] * j->width;
        memcpy(r->t + i * wide, row, j->width * sizeof(float));
        if (j->inputs) memcpy(r->x + i * padded(inputs), j->inputs + here * inputs, inputs * sizeof(float));
    }
    if (j->pairs) {
        isthmus_pair_columns(r->x, rows, inputs, r->beside);
        isthmus_pair_rows(r->x, rows, padded(inputs), r->below);
    }
}

/* Return what is drawn for rows from the `first` of this call on. */
INLINE chance chances(const job *j, int64_t first) {
    const int64_t units = j->drawn < 0 ? 0 : j->layers[j->drawn].out / 2, most = droppable(j->layers, j->depth);
    return (chance){
        .drawn = j->drawn, .droppable = most,
        .noise = j->noise ? j->noise + first * units : 0, .kept = j->kept ? j->kept + first * most : 0,
    };
}

/* What one thread does in all steps. */
DISPATCHED
void isthmus_dense_share(work *w, int64_t id) {
    const job *j = w->job;
    const int64_t most = (j->most + j->threads - 1) / j->threads;
    float *grad = w->gradients + id * w->size;
    room r;
    memset(w->rooms + id * w->room, 0, w->room * sizeof(float));
    memset(grad, 0, w->size * sizeof(float));
    lay_out(j->layers, j->depth, most, j->pairs, 1, w->rooms + id * w->room, &r);
    if (!j->inputs) r.t = r.x;
    int listed = 1; /* until there are rows of which it is not worth it */
    panels(w, READ, id, 0, 0);
    int64_t begin = j->begin, met = 0;
    for (int64_t s = 0; s < j->steps; begin = j->ends[s++]) {
        const int64_t rows = j->ends[s] - begin, first = begin + rows * id / j->threads;
        const int64_t own = begin + rows * (id + 1) / j->threads - first;
        gather(j, &r, first, own);
        listed = listed && sparse(&r, own, j->layers[0].in, j->pairs);
        double *value = j->values + id * j->steps + s;
        const asked of = {
            .scale = j->precision / rows, .beta = j->betas[s] / rows,
            .value = *value ? value : 0, .apart = j->apart + id * j->steps + s,
            .by = chances(j, first - j->begin),
            .counts = j->counts ? j->counts + (first - j->begin) * j->width : 0,
        };
        meet(&w->arrived, j->threads, ++met);
        gradient(w, &r, own, listed, of, grad);
        meet(&w->arrived, j->threads, ++met);
        panels(w, MOVE, id, s, of.value && j->shrinks ? j->squares + id * j->steps + s : 0);
    }
    panels(w, WRITE, id, 0, 0);
}

void isthmus_dense(work *w) {
    const job *j = w->job;
    w->share = isthmus_dense_share;
    w->size = of_all(j->layers, j->depth, packed);
    w->turned = of_all(j->layers, j->depth, upright) / (j->pairs ? 2 : 1);
    w->room = lay_out(j->layers, j->depth, (j->most + j->threads - 1) / j->threads, j->pairs, 1, 0, 0);
}
