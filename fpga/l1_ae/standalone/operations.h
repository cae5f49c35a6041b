// The operations of a fixed-point program, each as the program's documentation defines it: an expression of ap_fixed numbers is
// exact, and only an assignment rounds and brings into range. Every loop is unrolled: an event enters at each clock cycle.

#ifndef TRIGSIEVE_OPERATIONS_H_
#define TRIGSIEVE_OPERATIONS_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace trigsieve {

// The number whose bits are `raw`.
template <class number_t, class raw_t> number_t from_raw(raw_t raw) {
#pragma HLS INLINE
    number_t number;
    number.range(number_t::width - 1, 0) = ap_int<number_t::width + 1>(raw).range(number_t::width - 1, 0);
    return number;
}

// y = out((x - o) >> s), the shift within the difference's own format.
template <int N, class difference_t, class offset_t, class x_t, class y_t, class raw_t>
void scale(const x_t x[N], const raw_t offsets[N], const signed char shifts[N], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        const difference_t difference = x[i] - from_raw<offset_t>(offsets[i]);
        const difference_t shifted = shifts[i] >= 0 ? difference_t(difference >> shifts[i]) : difference_t(difference << -shifts[i]);
        y[i] = shifted;
    }
}

// The order in which a dense layer adds, where the program names none.
struct in_order {
    static int at(int step) { return step; }
};

// a = bias; a = a + x w for each input; y = out(a), every step assigned to the accumulator.
template <int N, int M, class accumulator_t, class weight_t, class bias_t, class order_t, class x_t, class y_t, class w_raw_t, class b_raw_t>
void dense(const x_t x[N], const w_raw_t weights[N * M], const b_raw_t biases[M], y_t y[M]) {
#pragma HLS INLINE
    for (int j = 0; j < M; j++) {
#pragma HLS UNROLL
        accumulator_t sum = from_raw<bias_t>(biases[j]);
        for (int step = 0; step < N; step++) {
#pragma HLS UNROLL
            const int i = order_t::at(step);
            const accumulator_t product = x[i] * from_raw<weight_t>(weights[i * M + j]);
            sum = sum + product;
        }
        y[j] = sum;
    }
}

// y = out(x g + b), with C scales in turn.
template <int N, int C, class scale_t, class bias_t, class x_t, class y_t, class g_raw_t, class b_raw_t>
void normalise(const x_t x[N], const g_raw_t scales[C], const b_raw_t biases[C], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        y[i] = x[i] * from_raw<scale_t>(scales[i % C]) + from_raw<bias_t>(biases[i % C]);
    }
}

// y = out(x) where x is positive, otherwise 0.
template <int N, class x_t, class y_t> void relu(const x_t x[N], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        if (x[i] > 0) {
            y[i] = x[i];
        } else {
            y[i] = 0;
        }
    }
}

// The same, of at most MAXIMUM.
template <int N, int MAXIMUM, class x_t, class y_t> void relu_max(const x_t x[N], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        if (x[i] > ap_int<33>(MAXIMUM)) {
            y[i] = ap_int<33>(MAXIMUM);
        } else if (x[i] > 0) {
            y[i] = x[i];
        } else {
            y[i] = 0;
        }
    }
}

// y = out(x) where x is positive, otherwise out(slope x).
template <int N, class slope_t, class x_t, class y_t, class raw_t> void leaky_relu(const x_t x[N], raw_t slope, y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        if (x[i] > 0) {
            y[i] = x[i];
        } else {
            y[i] = x[i] * from_raw<slope_t>(slope);
        }
    }
}

// y = out(x).
template <int N, class x_t, class y_t> void requantise(const x_t x[N], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        y[i] = x[i];
    }
}

// Place of x in a table of SIZE entries over an interval of RANGE: x SIZE / RANGE towards zero, as a 32-bit integer.
template <int SIZE, int RANGE, int OFFSET, class x_t> int table_index(x_t x) {
#pragma HLS INLINE
    const int fraction = x_t::width - x_t::iwidth;
    typedef ap_int<x_t::width + 1> raw_t;
    // The greatest width of a quotient: SIZE is below 2^23, and a number without bits after the point gains at most 32.
    typedef ap_int<x_t::width + 58> quotient_t;
    raw_t raw = 0;
    raw.range(x_t::width - 1, 0) = x.range(x_t::width - 1, 0);
    raw[x_t::width] = x < 0;
    quotient_t quotient = quotient_t(raw) * SIZE / RANGE;
    if (fraction >= 0) {
        const bool negative = quotient < 0;
        const quotient_t magnitude = negative ? quotient_t(-quotient) : quotient;
        const quotient_t whole = magnitude >> (fraction >= 0 ? fraction : 0);
        quotient = negative ? quotient_t(-whole) : whole;
    } else {
        quotient = quotient << (fraction < 0 ? -fraction : 0);
    }
    ap_int<32> index = quotient;
    index = index + OFFSET;
    if (index < 0) {
        return 0;
    }
    return index > SIZE - 1 ? SIZE - 1 : index.to_int();
}

// y = out(entry of x).
template <int N, int SIZE, int RANGE, int OFFSET, class entry_t, class x_t, class y_t, class raw_t>
void table(const x_t x[N], const raw_t entries[SIZE], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        y[i] = from_raw<entry_t>(entries[table_index<SIZE, RANGE, OFFSET>(x[i])]);
    }
}

// y = out(x + z), where z may be one number for all.
template <int N, int M, class x_t, class z_t, class y_t> void add(const x_t x[N], const z_t z[M], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        y[i] = x[i] + z[i % M];
    }
}

// y = out(x - z), where z may be one number for all.
template <int N, int M, class x_t, class z_t, class y_t> void subtract(const x_t x[N], const z_t z[M], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        y[i] = x[i] - z[i % M];
    }
}

// y = out(x z).
template <int N, class x_t, class z_t, class y_t> void multiply(const x_t x[N], const z_t z[N], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        y[i] = x[i] * z[i];
    }
}

// y = out(|x|).
template <int N, class x_t, class y_t> void absolute(const x_t x[N], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        if (x[i] < 0) {
            y[i] = -x[i];
        } else {
            y[i] = x[i];
        }
    }
}

// The sum of all elements in order.
template <int N, class accumulator_t, class x_t, class y_t> void sum(const x_t x[N], y_t y[1]) {
#pragma HLS INLINE
    accumulator_t total = x[0];
    for (int i = 1; i < N; i++) {
#pragma HLS UNROLL
        const accumulator_t element = x[i];
        total = total + element;
    }
    y[0] = total;
}

// The greatest power of two below N, which is above 1.
template <int N> struct half_of {
    static const int value = N <= 2 ? 1 : 2 * half_of<(N + 1) / 2>::value;
};
template <> struct half_of<1> {
    static const int value = 1;
};

template <int N, class accumulator_t> struct tree {
    template <class x_t> static accumulator_t of(const x_t *x) {
#pragma HLS INLINE
        const accumulator_t left = tree<half_of<N>::value, accumulator_t>::of(x);
        const accumulator_t right = tree<N - half_of<N>::value, accumulator_t>::of(x + half_of<N>::value);
        const accumulator_t both = left + right;
        return both;
    }
};
template <class accumulator_t> struct tree<1, accumulator_t> {
    template <class x_t> static accumulator_t of(const x_t *x) {
#pragma HLS INLINE
        return accumulator_t(x[0]);
    }
};

// The sum of the first elements, a power of two of them, plus that of the others, each likewise.
template <int N, class accumulator_t, class x_t, class y_t> void tree_sum(const x_t x[N], y_t y[1]) {
#pragma HLS INLINE
    y[0] = tree<N, accumulator_t>::of(x);
}

// a = a + x z for each element; y = out(a), every step assigned to the accumulator.
template <int N, class accumulator_t, class x_t, class z_t, class y_t> void dot(const x_t x[N], const z_t z[N], y_t y[1]) {
#pragma HLS INLINE
    accumulator_t total = 0;
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        const accumulator_t product = x[i] * z[i];
        total = total + product;
    }
    y[0] = total;
}

// The elements that the indices name.
template <int N, class x_t, class y_t, class index_t> void select(const x_t *x, const index_t indices[N], y_t y[N]) {
#pragma HLS INLINE
    for (int i = 0; i < N; i++) {
#pragma HLS UNROLL
        y[i] = x[indices[i]];
    }
}

} // namespace trigsieve

#endif
