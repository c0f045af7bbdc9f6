/* Questions about rows. */
#pragma once
#include "steps.h"

/* What is asked of rows: any of their code, behind `coded` layers, their output, and the sum of their loss, each of one
 * thread. A row's answers have the same bits among any others. */
typedef struct {
    const layer *layers;
    const place *places; /* null: layers say what the net is */
    int64_t depth, coded, loss;
    const float *data;
    const double *fine; /* the rows of a dense net in double precision; null: they are in `data` */
    const double *centre; /* rows are read less this, times that; null: as they come */
    const float *near, *factor; /* the centre in single precision; both are padded as rows are, by 0 and 1 */
    int64_t rows, width, most; /* most: rows at once */
    const float *packs; /* panels, or parameters as they lie */
    float *room, *code, *out; /* room: isthmus_room floats */
    double *sums;
    float *seen; /* where given: 1 behind them where numbers read are not finite; for cross-entropies 0 and the
                    least one, 0 and the largest */
} question;

void isthmus_answer_dense(const question *q);
void isthmus_answer_places(const question *q);
int64_t isthmus_room_of_places(const question *q);
