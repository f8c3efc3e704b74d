/* The events of lanes.h, by vectors of TMF_W lanes; included once per TMF_W, with TMF_TARGET. */
#include "_population/lanes_vectors.h"

/* Draws agents and moves of a block; returns whether an agent is TMF_UNDECIDED. */
TMF_TARGET static int TMF_V(side_draw)(tmf_side *restrict it)
{
    ints any = TMF_V(all)(0);
    for (int j = 0; j < TMF_LANES; j++)
        for (int lane = 0; lane < it->n_populations; lane += TMF_W) {
            longs a[2], b[2], c[2], d[2], word[2];
            memcpy(a, it->state[j][0] + lane, sizeof a);
            memcpy(b, it->state[j][1] + lane, sizeof b);
            memcpy(c, it->state[j][2] + lane, sizeof c);
            memcpy(d, it->state[j][3] + lane, sizeof d);
            for (int i = j; i < TMF_SIDE_EVENTS; i += TMF_LANES) {
                for (int h = 0; h < 2; h++) { /* as tmf_fill of streams.h */
                    const longs shifted = b[h] << 17, sum = a[h] + d[h];
                    word[h] = (sum << 23 | sum >> 41) + a[h];
                    c[h] ^= a[h];
                    d[h] ^= b[h];
                    b[h] ^= c[h];
                    a[h] ^= d[h];
                    c[h] ^= shifted;
                    d[h] = d[h] << 45 | d[h] >> 19;
                }
                ints low;
                const ints agent = TMF_V(multiply)(TMF_V(parts)(word[0], word[1], 1), TMF_V(all)(it->batch.among[i]),
                                                   &low);
                const mask rejected = TMF_V(below)(low, it->batch.threshold[i]);
                const ints biased = TMF_V(choose)(TMF_V(all)(0), rejected, TMF_V(all)(TMF_UNDECIDED));
                TMF_V(store)(it->agents[i] + lane, agent | biased);
                TMF_V(store)(it->moves[i] + lane, TMF_V(parts)(word[0], word[1], 0));
                any |= biased;
            }
            memcpy(it->state[j][0] + lane, a, sizeof a);
            memcpy(it->state[j][1] + lane, b, sizeof b);
            memcpy(it->state[j][2] + lane, c, sizeof c);
            memcpy(it->state[j][3] + lane, d, sizeof d);
        }
    return TMF_V(any)(TMF_V(equal)(any, TMF_V(all)(TMF_UNDECIDED)));
}

/* Takes one agent of each lane out of the counts, from observation o of block `block`. */
TMF_VECTOR(void) TMF_V(side_leave)(tmf_side *restrict it, const int lane, const int n_blocks, ints o, ints block)
{
    uint32_t *const counts = it->counts + lane, *const blocks = it->blocks + lane;
    for (int k = 0; n_blocks <= 2 && k < 8 * n_blocks; k++)
        TMF_V(store)(counts + TMF_SIDE * k,
                     TMF_V(less)(TMF_V(load)(counts + TMF_SIDE * k), TMF_V(equal)(o, TMF_V(all)((uint32_t)k))));
    for (int r = 0; n_blocks > 2 && r < TMF_W; r++)
        counts[TMF_SIDE * it->from[lane + r] + (uint32_t)r]--;
    for (int j = 0; n_blocks > 1 && j < n_blocks; j++)
        TMF_V(store)(blocks + TMF_SIDE * j,
                     TMF_V(less)(TMF_V(load)(blocks + TMF_SIDE * j), TMF_V(equal)(block, TMF_V(all)((uint32_t)j))));
}

/* Adds one agent of each lane to the counts, at observation x; returns the counts there before. */
TMF_VECTOR(ints) TMF_V(side_join)(tmf_side *restrict it, const int lane, const int n_blocks, ints x, ints lanes)
{
    uint32_t *const counts = it->counts + lane, *const blocks = it->blocks + lane;
    ints joining = TMF_V(all)(0);
    for (int k = 0; n_blocks <= 2 && k < 8 * n_blocks; k++) {
        const ints count = TMF_V(load)(counts + TMF_SIDE * k);
        const mask to = TMF_V(equal)(x, TMF_V(all)((uint32_t)k));
        joining = TMF_V(choose)(joining, to, count);
        TMF_V(store)(counts + TMF_SIDE * k, TMF_V(more)(count, to));
    }
    if (n_blocks > 2) {
        joining = TMF_V(look)(counts, (x << 4) + lanes, 0);
        for (int r = 0; r < TMF_W; r++)
            counts[TMF_SIDE * x[r] + (uint32_t)r]++;
    }
    for (int j = 0; n_blocks > 1 && j < n_blocks; j++)
        TMF_V(store)(blocks + TMF_SIDE * j,
                     TMF_V(more)(TMF_V(load)(blocks + TMF_SIDE * j), TMF_V(equal)(x >> 3, TMF_V(all)((uint32_t)j))));
    return joining;
}

/* Plays steps t..t + n - 1 of the block, from lane `lane` on. `small`: S <= 8, and alias tables fit in registers. `single`:
 * one agent acts at a step. Of several, all leave before the first arrives, and rewards are those before the step. */
TMF_VECTOR(void) TMF_V(side_events)(tmf_side *restrict it, int64_t t, int n, const int lane, const int small,
                                    const int single)
{
    const int size = single ? 1 : it->batch.size, n_blocks = small ? 1 : (int)it->n_blocks;
    const int first = (int)(t % tmf_side_steps(it)) * size, last = first + n * size;
    const int few = n_blocks <= 2; /* counts are changed by vectors; otherwise one by one */
    const uint32_t b = (uint32_t)it->alias.column_bits, s = (uint32_t)it->alias.cell_bits;
    const ints columns = TMF_V(all)((1u << b) - 1), fractions = TMF_V(all)((1u << (32 - b)) - 1);
    const ints up = TMF_V(all)(b), down = TMF_V(all)(32 - b);
    const ints action_at = TMF_V(all)(s), actions = TMF_V(all)((1u << (b - s)) - 1);
    const ints A = TMF_V(all)((uint32_t)it->n_actions);
    const ints extra_of = TMF_V(load)(it->extra_of + lane);
    const uint32_t *const cells = small ? it->cells : it->alias.cells;
    const uint32_t *const successors = small ? it->successors : it->alias.successors;
    const uint32_t bits = it->successor_bits;
    const double *const margin = it->margin, *const rise = it->rise;
    uint32_t *const counts = it->counts + lane, *const blocks = it->blocks + lane;
    double weight = it->weight;
    doubles total[2], reward[2], whole[2], earned[2];
    ints lanes;
    for (int r = 0; r < TMF_W; r++)
        lanes[r] = (uint32_t)r;
    TMF_V(load_doubles)(total, it->total + lane);
    TMF_V(load_doubles)(reward, it->reward + lane);
    TMF_V(load_doubles)(whole, it->whole + lane);
    earned[0] = total[0];
    earned[1] = total[1];
    for (int i = first, end = first + size; i < last; i++) {
        const ints agent = TMF_V(load)(it->agents[i] + lane), move = TMF_V(load)(it->moves[i] + lane);
        ints block = TMF_V(all)(0), before = block, run = block, counted[8];
        for (int j = 0; j < n_blocks - 1; j++) {
            run += TMF_V(load)(blocks + TMF_SIDE * j);
            const mask beyond = TMF_V(at_least)(agent, run);
            block = TMF_V(more)(block, beyond);
            before = TMF_V(choose)(before, beyond, run);
        }
        for (int k = 0; k < 8; k++)
            counted[k] = TMF_V(load)(counts + TMF_SIDE * k);
        for (int j = 1; j < n_blocks; j++) {
            const mask here = TMF_V(equal)(block, TMF_V(all)((uint32_t)j));
            for (int k = 0; k < 8; k++)
                counted[k] = TMF_V(choose)(counted[k], here, TMF_V(load)(counts + TMF_SIDE * (8 * j + k)));
        }
        const ints rest = agent - before;
        ints o = block << 3, leaving = counted[0];
        run = counted[0];
        for (int k = 1; k < 8; k++) {
            const mask beyond = TMF_V(at_least)(rest, run);
            o = TMF_V(more)(o, beyond);
            leaving = TMF_V(choose)(leaving, beyond, counted[k]);
            run += counted[k];
        }

        const ints row = o << up, at = row | move >> down;
        const ints cell = TMF_V(look)(cells, at, small);
        const ints fraction = move & fractions, threshold = cell >> up;
        ints flow = TMF_V(choose)(at, TMF_V(at_least)(fraction, threshold), row | (cell & columns));
        if (!few)
            TMF_V(store)(it->from + lane, o);
        if (TMF_UNLIKELY(TMF_V(any)(TMF_V(equal)(fraction, threshold)))) {
            TMF_V(store)(it->from + lane, o);
            tmf_side_ties(it, t * size + i - first, it->moves[i], lane, TMF_W);
            flow = TMF_V(load)(it->flows + lane);
        }
        const ints x = bits ? flow & TMF_V(all)(bits) : TMF_V(look)(successors, flow, small);
        const ints pair = o * A + (flow >> action_at & actions);
        TMF_V(store)(it->pairs[i] + lane, pair);

        const ints own = pair + extra_of;
        if (!single) {
            TMF_V(store)(it->joined[i] + lane, x);
            TMF_V(side_leave)(it, lane, n_blocks, o, block);
            for (int h = 0; h < 2; h++) {
                earned[h] += TMF_V(look_doubles)(it->extra, own, h, 0);
                total[h] -= TMF_V(look_doubles)(margin, o, h, small)
                          + TMF_V(look_doubles)(rise, o, h, small) * TMF_V(to_doubles)(leaving - 1, h);
            }
            if (i + 1 < end)
                continue;
            for (int j = end - size; j < end; j++) {
                const ints to = TMF_V(load)(it->joined[j] + lane);
                const ints joining = TMF_V(side_join)(it, lane, n_blocks, to, lanes);
                for (int h = 0; h < 2; h++)
                    total[h] += TMF_V(look_doubles)(margin, to, h, small)
                              + TMF_V(look_doubles)(rise, to, h, small) * TMF_V(to_doubles)(joining, h);
            }
            for (int h = 0; h < 2; h++) {
                reward[h] += earned[h];
                whole[h] += weight * earned[h];
                earned[h] = total[h];
            }
            weight *= it->discount;
            end += size;
            continue;
        }

        ints joining = TMF_V(all)(0);
        if (few) {
            for (int k = 0; k < 8 * n_blocks; k++) {
                const ints here = TMF_V(all)((uint32_t)k);
                const ints count = TMF_V(less)(TMF_V(load)(counts + TMF_SIDE * k), TMF_V(equal)(o, here));
                const mask to = TMF_V(equal)(x, here);
                joining = TMF_V(choose)(joining, to, count);
                TMF_V(store)(counts + TMF_SIDE * k, TMF_V(more)(count, to));
            }
        } else {
            TMF_V(store)(it->to + lane, x);
            joining = TMF_V(less)(TMF_V(look)(counts, (x << 4) + lanes, 0), TMF_V(equal)(o, x));
            for (int r = 0; r < TMF_W; r++) {
                counts[TMF_SIDE * it->from[lane + r] + (uint32_t)r]--;
                counts[TMF_SIDE * it->to[lane + r] + (uint32_t)r]++;
            }
        }
        for (int j = 0; j < n_blocks && n_blocks > 1; j++) {
            const ints here = TMF_V(all)((uint32_t)j);
            const ints sum = TMF_V(less)(TMF_V(load)(blocks + TMF_SIDE * j), TMF_V(equal)(block, here));
            TMF_V(store)(blocks + TMF_SIDE * j, TMF_V(more)(sum, TMF_V(equal)(x >> 3, here)));
        }

        for (int h = 0; h < 2; h++) {
            const doubles more = TMF_V(look_doubles)(margin, x, h, small)
                               + TMF_V(look_doubles)(rise, x, h, small) * TMF_V(to_doubles)(joining, h);
            const doubles less = TMF_V(look_doubles)(margin, o, h, small)
                               + TMF_V(look_doubles)(rise, o, h, small) * TMF_V(to_doubles)(leaving - 1, h);
            earned[h] = total[h] + TMF_V(look_doubles)(it->extra, own, h, 0);
            reward[h] += earned[h];
            whole[h] += weight * earned[h];
            total[h] += more - less;
        }
        weight *= it->discount;
    }
    TMF_V(store_doubles)(it->total + lane, total);
    TMF_V(store_doubles)(it->reward + lane, reward);
    TMF_V(store_doubles)(it->whole + lane, whole);
}

TMF_TARGET static void TMF_V(side_play)(tmf_side *it, int64_t t, int n)
{
    const int small = it->n_blocks == 1 && it->n_observations << it->alias.column_bits <= TMF_SIDE_CELLS;
    for (int lane = 0; lane < it->n_populations; lane += TMF_W)
        if (it->batch.size == 1 && small)
            TMF_V(side_events)(it, t, n, lane, 1, 1);
        else if (it->batch.size == 1)
            TMF_V(side_events)(it, t, n, lane, 0, 1);
        else if (small)
            TMF_V(side_events)(it, t, n, lane, 1, 0);
        else
            TMF_V(side_events)(it, t, n, lane, 0, 0);
}

#undef ints
#undef doubles
#undef longs
#undef mask
#undef TMF_V
#undef TMF_D
#undef TMF_VECTOR
#undef TMF_W
#undef TMF_TARGET
