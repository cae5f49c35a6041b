// @NAME@: input scaling, hls4ml's network, score and threshold. Written by trigsieve.

#include "@NAME@.h"
#include "operations.h"
// Of the project that build.py writes.
#include "firmware/@NAME@_network.h"

namespace @NAME@_program {

// Raw values: integers in steps of the format that each call names.
@CONSTANTS@
@ORDERS@
static void run(const @INPUT@_t @INPUT@[@K@], @SCORE@_t threshold, @SCORE@_t &score_out, ap_uint<1> &accept_out) {
#pragma HLS INLINE
@ARRAYS@
@BEFORE@
    ::input_t network_in[@N_IN@];
    ::result_t network_out[@N_OUT@];
#pragma HLS ARRAY_PARTITION variable=network_in complete dim=0
#pragma HLS ARRAY_PARTITION variable=network_out complete dim=0
    trigsieve::requantise<@N_IN@>(@NETWORK_INPUT@, network_in);
    ::@NAME@_network(network_in, network_out);
    trigsieve::requantise<@N_OUT@>(network_out, @NETWORK_OUTPUT@);
@AFTER@
    score_out = @SCORE@[0];
    accept_out = @SCORE@[0] >= threshold;
}

} // namespace @NAME@_program

void @NAME@(const @NAME@_program::@INPUT@_t @INPUT@[@K@], @NAME@_program::@SCORE@_t threshold,
            @NAME@_program::@SCORE@_t &score_out, ap_uint<1> &accept_out) {
#pragma HLS INTERFACE ap_none port=@INPUT@
#pragma HLS INTERFACE ap_stable port=threshold
#pragma HLS INTERFACE ap_vld port=score_out
#pragma HLS INTERFACE ap_vld port=accept_out
#pragma HLS ARRAY_PARTITION variable=@INPUT@ complete dim=0
#pragma HLS PIPELINE II=1
    @NAME@_program::run(@INPUT@, threshold, score_out, accept_out);
}
