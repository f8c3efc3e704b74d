/* The beach bar in C, one row per call; `user` points to the number of places. */
#include <math.h>
#include <stdlib.h>

int beach_row(int t, int place, int move, const double *mu, double *probabilities, double *reward, void *user)
{
    const int bar = *(const int *)user / 2;
    (void)t; /* the game is the same at every step */
    *reward = 1 - abs(place - bar) / (double)bar - log(mu[place] + 1e-6);
    if (move < 0) { /* passive agents stay where they are */
        probabilities[0] = 1;
        return 0;
    }
    if (move != 1)
        *reward -= 1.0 / *(const int *)user;
    probabilities[0] = probabilities[2] = 0.25;
    probabilities[1] = 0.5;
    return 0;
}
