/* A convolutional net, `LANES` rows side by side: every number of a row is a vector, one lane per row, so that layers
 * of any width fill registers. Numbers of a row lie as torch has them, [channel][height][width]. Included once per size of
 * registers. */
#define T NAME(lanes)
typedef float T __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t NAME(masks) __attribute__((vector_size(4 * LANES)));
#define AT(type, p) (*(type *)(p))

/* How numbers of planes are laid out before they are convolved; see `place`. `rows` x `columns` is what is written. */
typedef struct { int64_t tall, wide, apart, over, beside, rows, columns; } NAME(layout);

INLINE void NAME(spread)(int64_t channels, int64_t height, int64_t width, NAME(layout) l, const float *x, float *to) {
    for (int64_t c = 0; c < channels; c++, x += height * width * LANES)
        for (int64_t i = 0; i < l.rows; i++, to += l.columns * LANES) {
            const int64_t r = i - l.over, end = LEAST(l.beside + width * l.wide, l.columns);
            if (r < 0 || r / l.tall >= height || (l.apart && r % l.tall)) {
                memset(to, 0, l.columns * LANES * sizeof(float));
                continue;
            }
            const float *from = x + r / l.tall * width * LANES;
            memset(to, 0, l.beside * LANES * sizeof(float));
            memset(to + end * LANES, 0, (l.columns - end) * LANES * sizeof(float));
            if (l.wide == 1) memcpy(to + l.beside * LANES, from, (end - l.beside) * LANES * sizeof(float));
            for (int64_t j = l.beside; l.wide > 1 && j < end; from += LANES)
                for (int64_t b = 0; b < l.wide && j < end; b++, j++)
                    AT(T, to + j * LANES) = b && l.apart ? (T){0} : AT(const T, from);
        }
}

/* Add up what was repeated. */
INLINE void NAME(gather)(int64_t channels, int64_t height, int64_t width, int64_t tall, int64_t wide, const float *g,
        float *to) {
    for (int64_t r = 0; r < channels * height; r++)
        for (int64_t k = 0; k < width; k++, to += LANES) {
            T sum = {0};
            for (int64_t a = 0; a < tall; a++)
                for (int64_t b = 0; b < wide; b++)
                    sum += AT(const T, g + ((r * tall + a) * width * wide + k * wide + b) * LANES);
            AT(T, to) = sum;
        }
}

/* What is convolved: `units` planes of height x width places of `inputs` planes of rows x columns; see `place`. */
typedef struct {
    int64_t units, inputs, height, width, rows, columns, kh, kw, down, along, by_unit, by_input, by_place;
} NAME(kernel);

/* Blocks of `many` units and `wide` places of a row, from place j on while they fit. */
#define CONVOLVED(many, wide)                                                                                          \
    for (; j + wide <= k.width; j += wide) {                                                                           \
        T sum[many][wide];                                                                                             \
        for (int u = 0; u < many; u++)                                                                                 \
            for (int q = 0; q < wide; q++) sum[u][q] = (T){0} + (bias ? bias[o + u] : 0);                              \
        for (int64_t c = 0; c < k.inputs; c++)                                                                         \
            for (int64_t d = 0; d < k.kh; d++) {                                                                       \
                const float *from = x + ((c * k.rows + i * k.down + d) * k.columns + j * along) * LANES;               \
                const float *by = w + o * k.by_unit + c * k.by_input + d * k.kw * k.by_place;                          \
                for (int64_t e = 0; e < k.kw; e++)                                                                     \
                    for (int u = 0; u < many; u++)                                                                     \
                        for (int q = 0; q < wide; q++)                                                                 \
                            sum[u][q] += by[u * k.by_unit + e * k.by_place] *                                          \
                                AT(const T, from + (e + q * along) * LANES);                                           \
            }                                                                                                          \
        for (int u = 0; u < many; u++)                                                                                 \
            for (int q = 0; q < wide; q++)                                                                             \
                AT(T, y + (((o + u) * k.height + i) * k.width + j + q) * LANES) = sum[u][q];                           \
    }

/* y = W * x + b, `along` known to the compiler. */
INLINE void NAME(rows)(NAME(kernel) k, int64_t along, const float *w, const float *bias, const float *x, float *y) {
    int64_t o = 0;
    for (; o + 4 <= k.units; o += 4)
        for (int64_t i = 0; i < k.height; i++) {
            int64_t j = 0;
            CONVOLVED(4, 4)
            CONVOLVED(4, 2)
            CONVOLVED(4, 1)
        }
    for (; o < k.units; o++)
        for (int64_t i = 0; i < k.height; i++) {
            int64_t j = 0;
            CONVOLVED(1, 8)
            CONVOLVED(1, 4)
            CONVOLVED(1, 1)
        }
}

INLINE void NAME(convolve)(NAME(kernel) k, const float *w, const float *bias, const float *x, float *y) {
    if (k.along == 1) NAME(rows)(k, 1, w, bias, x, y);
    else NAME(rows)(k, k.along, w, bias, x, y);
}

INLINE float NAME(added)(T sum) {
    float total = 0;
    for (int u = 0; u < LANES; u++) total += sum[u];
    return total;
}

/* Add to the gradients of `many` units by `deep` rows and `wide` columns of their kernels. */
#define MOVED(many, deep, wide)                                                                                        \
    {                                                                                                                  \
        T sum[many][deep][wide];                                                                                       \
        memset(sum, 0, sizeof(sum));                                                                                   \
        for (int64_t i = 0; i < k.height; i++) {                                                                       \
            const float *slope = g + (o * k.height + i) * k.width * LANES;                                             \
            const float *from = x + ((c * k.rows + i * k.down + d) * k.columns + e) * LANES;                           \
            for (int64_t j = 0; j < k.width; j++)                                                                      \
                for (int a = 0; a < deep; a++)                                                                         \
                    for (int b = 0; b < wide; b++)                                                                     \
                        for (int u = 0; u < many; u++)                                                                 \
                            sum[u][a][b] += AT(const T, slope + (u * k.height * k.width + j) * LANES)                  \
                                * AT(const T, from + (a * k.columns + j * along + b) * LANES);                         \
        }                                                                                                              \
        for (int u = 0; u < many; u++)                                                                                 \
            for (int a = 0; a < deep; a++)                                                                             \
                for (int b = 0; b < wide; b++)                                                                         \
                    to[(o + u) * k.by_unit + c * k.by_input + ((d + a) * k.kw + e + b) * k.by_place] +=                \
                        NAME(added)(sum[u][a][b]);               \
    }

/* Add the gradients of weights, given those of y, `along` known to the compiler. */
INLINE void NAME(weighed)(NAME(kernel) k, int64_t along, const float *g, const float *x, float *to) {
    const int three = k.kh == 3 && k.kw == 3;
    for (int64_t o = 0, many; o < k.units; o += many) {
        many = three && o + 2 <= k.units ? 2 : !three && o + 4 <= k.units ? 4 : 1;
        for (int64_t c = 0; c < k.inputs; c++)
            for (int64_t d = 0; d < k.kh; d += three ? 3 : 1)
                for (int64_t e = 0; e < k.kw; e += three ? 3 : 1) {
                    if (three && many == 2) MOVED(2, 3, 3)
                    else if (three) MOVED(1, 3, 3)
                    else if (many == 4) MOVED(4, 1, 1)
                    else MOVED(1, 1, 1)
                }
    }
}

/* Add the gradients of weights and bias. */
INLINE void NAME(weigh)(NAME(kernel) k, const float *g, const float *x, float *to, float *bias) {
    if (k.along == 1) NAME(weighed)(k, 1, g, x, to);
    else NAME(weighed)(k, k.along, g, x, to);
    for (int64_t o = 0; bias && o < k.units; o++) {
        T sum = {0};
        for (int64_t n = 0; n < k.height * k.width; n++) sum += AT(const T, g + (o * k.height * k.width + n) * LANES);
        bias[o] += NAME(added)(sum);
    }
}

/* A stage forward: how its inputs are laid out, and what is convolved. */
INLINE NAME(kernel) NAME(ahead)(const place *a, NAME(layout) *l) {
    const int64_t rows = (a->height - 1) * a->down + a->kh, columns = (a->width - 1) * a->along + a->kw;
    *l = (NAME(layout)){a->tall, a->wide, a->apart, a->over, a->beside, rows, columns};
    return (NAME(kernel)){a->units, a->inputs, a->height, a->width, rows, columns, a->kh, a->kw, a->down, a->along,
        a->by_unit, a->by_input, a->by_place};
}

/* The same for gradients of its inputs: what was left out is zero, and what was moved apart is left out. */
INLINE NAME(kernel) NAME(back)(const place *a, NAME(layout) *l) {
    const int64_t height = a->apart ? a->in_height : a->in_height * a->tall, down = a->apart ? a->tall : 1;
    const int64_t width = a->apart ? a->in_width : a->in_width * a->wide, along = a->apart ? a->wide : 1;
    const int64_t rows = (height - 1) * down + a->kh, columns = (width - 1) * along + a->kw, kernel = a->kh * a->kw;
    *l = (NAME(layout)){a->down, a->along, 1, a->kh - 1 - a->over, a->kw - 1 - a->beside, rows, columns};
    return (NAME(kernel)){a->inputs, a->units, height, width, rows, columns, a->kh, a->kw, down, along,
        a->units * kernel, kernel, 1};
}

#define LARGER(a, b) (T)((((a) > (b)) & (NAME(masks))(a)) | (~((a) > (b)) & (NAME(masks))(b)))

/* The first and last of a pair of neighbours among n, where the last may stand alone. */
#define PAIR(i, by, n) for (int64_t i##s = (i) * (by), i##end = LEAST(i##s + (by), (n)); i##s < i##end; i##s++)

/* The largest of every tall x wide neighbours. */
INLINE void NAME(pool)(const place *a, const float *z, float *y) {
    for (int64_t c = 0; c < a->units; c++)
        for (int64_t i = 0; i < a->out_height; i++)
            for (int64_t j = 0; j < a->out_width; j++, y += LANES) {
                T most = (T){0} - INFINITY;
                PAIR(i, a->pool_tall, a->height) PAIR(j, a->pool_wide, a->width) {
                    const T now = AT(const T, z + ((c * a->height + is) * a->width + js) * LANES);
                    most = LARGER(now, most);
                }
                AT(T, y) = most;
            }
}

/* Give the gradient of every largest to the first that is as large. */
INLINE void NAME(unpool)(const place *a, const float *g, const float *z, float *to) {
    for (int64_t c = 0; c < a->units; c++)
        for (int64_t i = 0; i < a->out_height; i++)
            for (int64_t j = 0; j < a->out_width; j++, g += LANES) {
                T most = (T){0} - INFINITY;
                NAME(masks) left = (NAME(masks)){0} - 1;
                PAIR(i, a->pool_tall, a->height) PAIR(j, a->pool_wide, a->width) {
                    const T now = AT(const T, z + ((c * a->height + is) * a->width + js) * LANES);
                    most = LARGER(now, most);
                }
                PAIR(i, a->pool_tall, a->height) PAIR(j, a->pool_wide, a->width) {
                    const int64_t at = ((c * a->height + is) * a->width + js) * LANES;
                    const NAME(masks) here = (AT(const T, z + at) == most) & left;
                    AT(T, to + at) = (T)(here & (NAME(masks))AT(const T, g));
                    left &= ~here;
                }
            }
}

/* Where a thread computes: what the net reads of rows, they where that is something else, what
 * their entries count, numbers of every stage, before and after its pooling, and scratch. */
typedef struct { float *x, *t, *counts, *z[MOST_LAYERS], *y[MOST_LAYERS], *g, *h, *spread, *turned; } NAME(room);

INLINE int64_t NAME(read_by)(const place *a) { return (int64_t)a->inputs * a->in_height * a->in_width; }

/* Return how many floats a thread needs of a net with `size` parameters, and share them out where `at` is given. */
static int64_t NAME(lay_out)(const place *places, int64_t depth, int64_t width, int64_t size, float *at,
        NAME(room) *r) {
    NAME(room) unused;
    float *const start = at;
    if (!r) r = &unused;
    const int64_t read = NAME(read_by)(places);
    TAKE(r->x, read * LANES);
    TAKE(r->t, width * LANES);
    TAKE(r->counts, width * LANES);
    int64_t most = MOST(read, width), spread = 0;
    for (int64_t s = 0; s < depth; s++) {
        const place a = places[s];
        const int64_t before = a.inputs * a.in_height * a.tall * a.in_width * a.wide;
        const int64_t after = a.units * a.height * a.width;
        NAME(layout) l;
        NAME(ahead)(&a, &l);
        const int64_t first = a.inputs * l.rows * l.columns;
        NAME(back)(&a, &l);
        const int64_t back = a.units * l.rows * l.columns;
        TAKE(r->z[s], after * LANES);
        r->y[s] = r->z[s];
        if (pools(&a)) TAKE(r->y[s], a.units * a.out_height * a.out_width * LANES);
        most = MOST(most, MOST(before, after));
        spread = MOST(spread, MOST(first, back));
    }
    TAKE(r->g, most * LANES);
    TAKE(r->h, most * LANES);
    TAKE(r->spread, spread * LANES);
    TAKE(r->turned, size + 1);
    return at - start;
}

static int64_t NAME(needed)(const place *places, int64_t depth, int64_t width, int64_t size) {
    return NAME(lay_out)(places, depth, width, size, 0, 0);
}

/* Lay out what stage s reads, and return how it is convolved. */
INLINE NAME(kernel) NAME(enter)(const place *places, int64_t s, NAME(room) *r) {
    const place *a = places + s;
    NAME(layout) l;
    const NAME(kernel) k = NAME(ahead)(a, &l);
    NAME(spread)(a->inputs, a->in_height, a->in_width, l, s ? r->y[s - 1] : r->x, r->spread);
    return k;
}

INLINE void NAME(forward)(const place *places, int64_t depth, const float *p, NAME(room) *r) {
    for (int64_t s = 0; s < depth; s++) {
        const place *a = places + s;
        const NAME(kernel) k = NAME(enter)(places, s, r);
        NAME(convolve)(k, p + a->weight, a->bias < 0 ? 0 : p + a->bias, r->spread, r->z[s]);
        if (pools(a)) NAME(pool)(a, r->z[s], r->y[s]);
        activate(a->activation, r->y[s], a->units * a->out_height * a->out_width * LANES);
    }
}

/* Add a group's gradients, given that of its outputs in r->g. */
INLINE void NAME(backward)(const work *w, NAME(room) *r, float *grad) {
    const job *j = w->job;
    const float *turned = r->turned + turned_all(j);
    for (int64_t s = j->depth - 1; s >= 0; s--) {
        const place *a = j->places + s;
        slope(a->activation, r->g, r->y[s], a->units * a->out_height * a->out_width * LANES);
        if (pools(a)) {
            NAME(unpool)(a, r->g, r->z[s], r->h);
            SWAP(r->g, r->h);
        }
        const NAME(kernel) k = NAME(enter)(j->places, s, r);
        NAME(weigh)(k, r->g, r->spread, grad + a->weight, a->bias < 0 ? 0 : grad + a->bias);
        if (!s) break;
        NAME(layout) l;
        const NAME(kernel) b = NAME(back)(a, &l);
        NAME(spread)(a->units, a->height, a->width, l, r->g, r->spread);
        NAME(convolve)(b, turned -= weights_of(a), 0, r->spread, r->h);
        if (!a->apart && a->tall * a->wide > 1)
            NAME(gather)(a->inputs, a->in_height, a->in_width, a->tall, a->wide, r->h, r->g);
        else SWAP(r->g, r->h);
    }
}

/* Add the loss of every lane; see `term`. Of so many entries at once, as single precision holds; where entries have
 * `counts`, one by one. */
INLINE void NAME(loss)(int64_t loss, int64_t width, const float *out, const float *x, const float *counts, float *h,
        double *found) {
    if (loss == CROSS_ENTROPY) {
        for (int64_t i = 0; i < width * LANES; i++) h[i] = fabsf(out[i]);
        logistic(h, h, 1.0f, width * LANES);
    }
    for (int64_t first = 0; first < width; first += 64) {
        const int64_t end = LEAST(first + 64, width);
        T sum = {0}, many = (T){0} + 1.0f;
        for (int64_t i = first; i < end; i++) {
            const T o = AT(const T, out + i * LANES), at = AT(const T, x + i * LANES), none = {0};
            const T by = counts ? AT(const T, counts + i * LANES) : none + 1.0f;
            if (loss == SQUARED) sum += (o - at) * (o - at) * by;
            else if (counts) {
                sum += (LARGER(o, none) - at * o) * by;
                for (int u = 0; u < LANES; u++) sum[u] -= by[u] * logf(h[i * LANES + u]);
            } else sum += LARGER(o, none) - at * o, many *= AT(const T, h + i * LANES);
        }
        for (int u = 0; u < LANES; u++) found[u] += sum[u] - (loss == CROSS_ENTROPY ? logf(many[u]) : 0);
    }
}

/* Lay rows side by side; lanes without a row are zero. */
INLINE void NAME(read)(const float *data, const int64_t *order, int64_t rows, int64_t width, float *x) {
    for (int64_t u = 0; u < LANES; u++) {
        const float *row = u < rows ? data + (order ? order[u] : u) * width : 0;
        for (int64_t i = 0; i < width; i++) x[i * LANES + u] = row ? row[i] : 0;
    }
}

/* Read rows side by side, walk them there and back, and return their loss where it is asked for. */
INLINE double NAME(group)(const work *w, int64_t first, int64_t rows, float scale, int valued, NAME(room) *r,
        float *grad) {
    const job *j = w->job;
    const int64_t inputs = NAME(read_by)(j->places), here = first - j->begin;
    if (j->targets) NAME(read)(j->targets + here * j->width, 0, rows, j->width, r->t);
    else NAME(read)(j->data, j->order + first, rows, j->width, r->t);
    if (j->inputs) NAME(read)(j->inputs + here * inputs, 0, rows, inputs, r->x);
    NAME(forward)(j->places, j->depth, w->p, r);
    const float *out = r->y[j->depth - 1];
    double each[LANES] = {0}, found = 0;
    if (j->counts) NAME(read)(j->counts + here * j->width, 0, rows, j->width, r->counts);
    if (valued) NAME(loss)(j->loss, j->width, out, r->t, j->counts ? r->counts : 0, r->h, each);
    for (int64_t u = 0; u < rows; u++) found += each[u];
    if (j->loss == CROSS_ENTROPY) {
        logistic(r->h, out, 1.0f, j->width * LANES);
        out = r->h;
    }
    T by = {0};
    for (int64_t u = 0; u < rows; u++) by[u] = scale;
    for (int64_t i = 0; i < j->width * LANES; i += LANES)
        AT(T, r->g + i) = (AT(const T, out + i) - AT(const T, r->t + i)) * by;
    for (int64_t i = 0; j->counts && i < j->width * LANES; i += LANES)
        AT(T, r->g + i) *= AT(const T, r->counts + i);
    NAME(backward)(w, r, grad);
    return found;
}

/* What one thread does in all steps. */
TARGET
static void NAME(share)(work *w, int64_t id) {
    const job *j = w->job;
    const int64_t low = w->size / V * id / j->threads * V, high = w->size / V * (id + 1) / j->threads * V;
    float *grad = w->gradients + id * w->size, *flat[] = {j->p, j->m, j->v}, *own[] = {w->p, w->m, w->v};
    NAME(room) r;
    NAME(lay_out)(j->places, j->depth, j->width, j->size, w->rooms + id * w->room, &r);
    if (!j->inputs) r.x = r.t;
    memset(grad, 0, w->size * sizeof(float));
    for (int k = 0; k < 3; k++)
        for (int64_t i = low; i < high; i++) own[k][i] = i < j->size ? flat[k][i] : 0;
    int64_t begin = j->begin, met = 0;
    for (int64_t s = 0; s < j->steps; begin = j->ends[s++]) {
        const int64_t rows = j->ends[s] - begin, first = begin + rows * id / j->threads;
        const int64_t end = begin + rows * (id + 1) / j->threads;
        double *value = j->values + id * j->steps + s, total = 0;
        meet(&w->arrived, j->threads, ++met);
        memset(grad, 0, j->size * sizeof(float));
        turn_all(j, w->p, r.turned);
        for (int64_t i = first; i < end; i += LANES)
            total += NAME(group)(w, i, LEAST(end - i, LANES), (float)(j->precision / rows), *value != 0, &r,
                grad);
        *value = total;
        meet(&w->arrived, j->threads, ++met);
        adam(w, pace_of(j, s), 0, low, high);
    }
    for (int k = 0; k < 3; k++)
        for (int64_t i = low; i < LEAST(high, j->size); i++) flat[k][i] = own[k][i];
}

/* Answer questions about rows, in groups. */
TARGET
static void NAME(answer)(const question *q) {
    const int64_t depth = q->out || q->sums ? q->depth : q->coded;
    NAME(room) r;
    NAME(lay_out)(q->places, q->depth, q->width, 0, q->room, &r);
    for (int64_t first = 0; first < q->rows; first += LANES) {
        const int64_t rows = LEAST(q->rows - first, LANES);
        NAME(read)(q->data + first * q->width, 0, rows, q->width, r.x);
        NAME(forward)(q->places, depth, q->packs, &r);
        const place *code = q->places + q->coded - 1;
        const int64_t units = code->units * code->out_height * code->out_width;
        for (int64_t u = 0; q->code && u < rows; u++)
            for (int64_t i = 0; i < units; i++) q->code[(first + u) * units + i] = r.y[q->coded - 1][i * LANES + u];
        for (int64_t u = 0; q->out && u < rows; u++)
            for (int64_t i = 0; i < q->width; i++) q->out[(first + u) * q->width + i] = r.y[depth - 1][i * LANES + u];
        double each[LANES] = {0};
        if (q->sums) NAME(loss)(q->loss, q->width, r.y[depth - 1], r.x, 0, r.h, each);
        for (int64_t u = 0; q->sums && u < rows; u++) q->sums[first + u] = each[u];
    }
}

#undef T
#undef LANES
#undef TARGET
#undef NAME
