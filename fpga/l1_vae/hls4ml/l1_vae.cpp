// l1_vae: input scaling, hls4ml's network, score and threshold. Written by trigsieve.

#include "l1_vae.h"
#include "operations.h"
// Of the project that build.py writes.
#include "firmware/l1_vae_network.h"

namespace l1_vae_program {

// Raw values: integers in steps of the format that each call names.
const signed char network_inputs_offsets[57] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0,
};
const signed char network_inputs_shifts[57] = {
    6, 0, 5, 6, 5, 5, 4, 3, 3, 1, 1, 1, -3, -2, -1, 6, 6, 7, 4, 5, 6, 0, 3, 4,
    -2, 1, 2, 6, 6, 5, 6, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5,
    5, 6, 5, 5, 6, 5, 5, 6, 5,
};


static void run(const inputs_t inputs[57], score_t threshold, score_t &score_out, ap_uint<1> &accept_out) {
#pragma HLS INLINE
    network_inputs_t network_inputs[57];
#pragma HLS ARRAY_PARTITION variable=network_inputs complete dim=0
    mu_t mu[8];
#pragma HLS ARRAY_PARTITION variable=mu complete dim=0
    score_t score[1];
#pragma HLS ARRAY_PARTITION variable=score complete dim=0

    trigsieve::scale<57, ap_fixed<27,20>, ap_fixed<16,16>>(inputs, network_inputs_offsets, network_inputs_shifts, network_inputs); // network_inputs

    ::input_t network_in[57];
    ::result_t network_out[8];
#pragma HLS ARRAY_PARTITION variable=network_in complete dim=0
#pragma HLS ARRAY_PARTITION variable=network_out complete dim=0
    trigsieve::requantise<57>(network_inputs, network_in);
    ::l1_vae_network(network_in, network_out);
    trigsieve::requantise<8>(network_out, mu);
    trigsieve::dot<8, ap_fixed<31,17>>(mu, mu, score); // score

    score_out = score[0];
    accept_out = score[0] >= threshold;
}

} // namespace l1_vae_program

void l1_vae(const l1_vae_program::inputs_t inputs[57], l1_vae_program::score_t threshold,
            l1_vae_program::score_t &score_out, ap_uint<1> &accept_out) {
#pragma HLS INTERFACE ap_none port=inputs
#pragma HLS INTERFACE ap_stable port=threshold
#pragma HLS INTERFACE ap_vld port=score_out
#pragma HLS INTERFACE ap_vld port=accept_out
#pragma HLS ARRAY_PARTITION variable=inputs complete dim=0
#pragma HLS PIPELINE II=1
    l1_vae_program::run(inputs, threshold, score_out, accept_out);
}
