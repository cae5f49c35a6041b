// @NAME@: input scaling, network, score and threshold. Written by trigsieve.

#include "@NAME@.h"
#include "operations.h"

namespace @NAME@_program {

// Raw values: integers in steps of the format that each call names.
@CONSTANTS@
@ORDERS@
static void run(const @INPUT@_t @INPUT@[@K@], @SCORE@_t threshold, @SCORE@_t &score_out, ap_uint<1> &accept_out) {
#pragma HLS INLINE
@ARRAYS@
@CALLS@
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
