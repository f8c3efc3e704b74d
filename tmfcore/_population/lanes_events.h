/* The events of lanes.h, by vectors of TMF_W lanes; included once per TMF_W, with TMF_TARGET. */
#include "_population/lanes_vectors.h"

/* Plays events t..t + n - 1 of the block from lane `lane` on. `small`: S <= 8, and the alias tables fit in registers. */
TMF_VECTOR(void) TMF_V(side_events)(tmf_side *restrict it, int64_t t, int n, const int lane, const int small)
{
    const int first = (int)(t % TMF_SIDE_EVENTS), n_blocks = small ? 1 : (int)it->n_blocks;
    const int few = n_blocks <= 2; /* counts are changed by vectors; otherwise one by one */
    const ints columns = TMF_V(all)((1u << it->alias.column_bits) - 1), fractions = TMF_V(all)((1u << (32 - it->alias.column_bits)) - 1);
    const ints up = TMF_V(all)((uint32_t)it->alias.column_bits), down = TMF_V(all)(32u - (uint32_t)it->alias.column_bits);
    const ints action_at = TMF_V(all)((uint32_t)it->alias.cell_bits);
    const ints actions = TMF_V(all)((1u << (it->alias.column_bits - it->alias.cell_bits)) - 1), A = TMF_V(all)((uint32_t)it->n_actions);
    const ints extra_of = TMF_V(load)(it->extra_of + lane);
    const uint32_t *const cells = small ? it->cells : it->alias.cells;
    const uint32_t *const successors = small ? it->successors : it->alias.successors;
    const ints last_bits = TMF_V(all)((1u << it->alias.cell_bits) - 1);
    const double *const margin = it->margin, *const rise = it->rise;
    uint32_t *const counts = it->counts + lane, *const blocks = it->blocks + lane;
    double weight = it->weight;
    doubles total[2], reward[2], whole[2];
    ints lanes;
    for (int r = 0; r < TMF_W; r++)
        lanes[r] = (uint32_t)r;
    memcpy(total, it->total + lane, sizeof total);
    memcpy(reward, it->reward + lane, sizeof reward);
    memcpy(whole, it->whole + lane, sizeof whole);
    for (int i = first; i < first + n; i++) {
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
            tmf_side_ties(it, t + i - first, it->moves[i], lane, TMF_W);
            flow = TMF_V(load)(it->flows + lane);
        }
        const ints x = successors ? TMF_V(look)(successors, flow, small) : flow & last_bits;
        const ints pair = o * A + (flow >> action_at & actions);
        TMF_V(store)(it->pairs[i] + lane, pair);

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

        const ints own = pair + extra_of;
        for (int h = 0; h < 2; h++) {
            const doubles more = TMF_V(look_doubles)(margin, x, h, small)
                               + TMF_V(look_doubles)(rise, x, h, small) * TMF_V(to_doubles)(joining, h);
            const doubles less = TMF_V(look_doubles)(margin, o, h, small)
                               + TMF_V(look_doubles)(rise, o, h, small) * TMF_V(to_doubles)(leaving - 1, h);
            const doubles earned = total[h] + TMF_V(look_doubles)(it->extra, own, h, 0);
            reward[h] += earned;
            whole[h] += weight * earned;
            total[h] += more - less;
        }
        weight *= it->discount;
    }
    memcpy(it->total + lane, total, sizeof total);
    memcpy(it->reward + lane, reward, sizeof reward);
    memcpy(it->whole + lane, whole, sizeof whole);
}

TMF_TARGET static void TMF_V(side_play)(tmf_side *it, int64_t t, int n)
{
    const int small = it->n_blocks == 1 && it->n_observations << it->alias.column_bits <= TMF_SIDE_CELLS;
    for (int lane = 0; lane < it->n_populations; lane += TMF_W)
        if (small)
            TMF_V(side_events)(it, t, n, lane, 1);
        else
            TMF_V(side_events)(it, t, n, lane, 0);
}

#undef ints
#undef doubles
#undef mask
#undef TMF_V
#undef TMF_D
#undef TMF_VECTOR
#undef TMF_W
#undef TMF_TARGET
