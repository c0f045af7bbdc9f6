/* Steps of Adam on a convolutional autoencoder, and its answers. Threads walk their rows through the whole net in groups
 * of as many as a register has floats, so that what a layer writes is read from the cache. */
#include "answers.h"
#include "steps.h"

#define MOST(a, b) ((a) > (b) ? (a) : (b))
#define LEAST(a, b) ((a) < (b) ? (a) : (b))
#define SWAP(a, b) do { float *t = (a); (a) = (b); (b) = t; } while (0)

INLINE int pools(const place *a) { return a->pool_tall * a->pool_wide > 1; }

INLINE int64_t weights_of(const place *a) { return (int64_t)a->units * a->inputs * a->kh * a->kw; }

/* Turn the kernels of all stages but the first, as gradients go back through them: [input][unit][place from the end]. */
static void turn_all(const job *j, const float *p, float *to) {
    for (int64_t s = 1; s < j->depth; to += weights_of(j->places + s++)) {
        const place a = j->places[s];
        const int64_t kernel = a.kh * a.kw;
        for (int64_t o = 0; o < a.units; o++)
            for (int64_t c = 0; c < a.inputs; c++)
                for (int64_t k = 0; k < kernel; k++)
                    to[(c * a.units + o) * kernel + kernel - 1 - k] =
                        p[a.weight + o * a.by_unit + c * a.by_input + k * a.by_place];
    }
}

/* Where the turned kernels of the last stage end. */
static int64_t turned_all(const job *j) {
    int64_t total = 0;
    for (int64_t s = 1; s < j->depth; s++) total += weights_of(j->places + s);
    return total;
}

#ifdef TARGETED
#define LANES 16
#define NAME(x) x##_16
#define TARGET __attribute__((target("arch=x86-64-v4")))
#include "places.h"
#define LANES 8
#define NAME(x) x##_8
#define TARGET __attribute__((target("arch=x86-64-v3")))
#include "places.h"
#define LANES 4
#else
#define LANES HELD
#endif
#define NAME(x) x##_rest
#define TARGET
#include "places.h"

#ifdef TARGETED
#define CHOSEN(what) (HELD == 16 ? what##_16 : HELD == 8 ? what##_8 : what##_rest)
#else
#define CHOSEN(what) what##_rest
#endif

void isthmus_places(work *w) {
    const job *j = w->job;
    w->size = (j->size + V - 1) / V * V;
    w->turned = 0;
    w->share = CHOSEN(share);
    w->room = CHOSEN(needed)(j->places, j->depth, j->width, j->size);
}

void isthmus_answer_places(const question *q) { CHOSEN(answer)(q); }

int64_t isthmus_room_of_places(const question *q) { return CHOSEN(needed)(q->places, q->depth, q->width, 0); }
