/* Many steps of Adam per call and on several threads: torch's calls cost small nets more than what they compute, and
 * wide ones a pass through memory between any two of them. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "steps.h"

#define HUGE_PAGE ((size_t)1 << 21)

typedef struct { work *work; int64_t id; } share;

static void *started(void *given) {
    const share *s = given;
    while (!atomic_load(&s->work->ready)) sched_yield();
    if (atomic_load(&s->work->ready) > 0) s->work->share(s->work, s->id);
    return 0;
}

/* Return so many floats, from huge pages where they fill some, as rows of panels are far apart; null where there are
 * none. */
static float *memory(size_t floats) {
    const size_t bytes = floats * sizeof(float);
    void *found;
    if (posix_memalign(&found, bytes < HUGE_PAGE ? 64 : HUGE_PAGE, bytes)) return 0;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_PAGE) madvise(found, bytes, MADV_HUGEPAGE);
#endif
    return found;
}

/* Share out the memory of a call, and return it. */
static float *prepared(work *w) {
    const int64_t threads = w->job->threads;
    (w->job->places ? isthmus_places : isthmus_dense)(w);
    const int64_t apart = w->job->pairs ? w->size : 0;
    float *const whole = memory((3 + threads) * w->size + apart + w->turned + threads * w->room);
    w->p = whole;
    w->m = w->p + w->size;
    w->v = w->m + w->size;
    w->gradients = w->v + w->size + apart;
    w->read = apart ? w->v + w->size : w->p;
    w->uprights = w->gradients + threads * w->size;
    w->rooms = w->uprights + w->turned;
    return whole;
}

/* Take the steps of a job; returns 0, or 1 where there is no memory or no thread and nothing was done. */
int32_t isthmus_steps(const job *j) {
    work w = {.job = j};
    pthread_t threads[MOST_THREADS];
    share shares[MOST_THREADS];
    if (j->threads > MOST_THREADS) return 1;
    float *whole = prepared(&w);
    int64_t made = 1;
    for (; whole && made < j->threads; made++) {
        shares[made] = (share){&w, made};
        if (pthread_create(threads + made, 0, started, shares + made)) break;
    }
    /* Threads that did start wait for the word, and leave where one is missing. */
    const int all = whole && made == j->threads;
    atomic_store(&w.ready, all ? 1 : -1);
    if (all) w.share(&w, 0);
    while (--made) pthread_join(threads[made], 0);
    free(whole);
    return !all;
}
