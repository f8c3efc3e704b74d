/* The softmax of policies and solvers. */
#ifndef TMFCORE_SOFTMAX_H
#define TMFCORE_SOFTMAX_H

#include <stddef.h>

#include "_base/simd/elementary.h"

enum { TMF_SOFTMAX_BLOCK = 512 }; /* entries per block, to stay in the first-level cache */

/* Shifts each row (A,) of logits in place, so that its largest entry is 0, and writes its softmax to pi, which may be
 * the same memory. Returns 0 if a row has a NaN or an infinite largest entry, otherwise 1. */
static int tmf_softmax(double *logits, ptrdiff_t n_rows, ptrdiff_t n_actions, double *pi)
{
    const ptrdiff_t most = n_actions < TMF_SOFTMAX_BLOCK ? TMF_SOFTMAX_BLOCK / n_actions : 1;
    int fine = 1;
    while (n_rows > 0) {
        const ptrdiff_t block = n_rows < most ? n_rows : most;
        double *row = pi;
        for (ptrdiff_t i = 0; i < block; i++, logits += n_actions, row += n_actions) {
            double largest = logits[0];
            for (ptrdiff_t a = 1; a < n_actions; a++)
                largest = logits[a] > largest ? logits[a] : largest;
            for (ptrdiff_t a = 0; a < n_actions; a++)
                row[a] = logits[a] -= largest;
        }
        tmf_exp_all(pi, block * n_actions);
        for (ptrdiff_t i = 0; i < block; i++, pi += n_actions) {
            double total = 0;
            for (ptrdiff_t a = 0; a < n_actions; a++)
                total += pi[a];
            fine &= total >= 1; /* the largest is exp(0) */
            total = 1 / total;
            for (ptrdiff_t a = 0; a < n_actions; a++)
                pi[a] *= total;
        }
        n_rows -= block;
    }
    return fine;
}

#endif
