// l1_ae: the input scaling before and the score after the network that hls4ml makes (`python build.py`). Written by trigsieve.

#ifndef L1_AE_AROUND_H_
#define L1_AE_AROUND_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1_ae_program {

typedef ap_fixed<16,16> inputs_t; // 57 of them
typedef ap_fixed<8,3,AP_RND_CONV,AP_SAT> network_inputs_t; // 57 of them
typedef ap_fixed<16,9,AP_RND_CONV,AP_SAT> targets_t; // 57 of them
typedef ap_fixed<16,16> presence_t; // 57 of them
typedef ap_ufixed<1,1> present_t; // 57 of them
typedef ap_fixed<14,6,AP_RND_CONV,AP_SAT> reconstruction_t; // 57 of them
typedef ap_fixed<14,7,AP_RND_CONV,AP_SAT> errors_t; // 57 of them
typedef ap_fixed<14,7,AP_RND_CONV,AP_SAT> present_errors_t; // 57 of them
typedef ap_fixed<14,7,AP_RND_CONV,AP_SAT> counted0_t; // 24 of them
typedef ap_fixed<13,5,AP_RND_CONV,AP_SAT> weighted0_t; // 24 of them
typedef ap_fixed<30,14> sum0_t; // 1 of them
typedef ap_fixed<14,7,AP_RND_CONV,AP_SAT> counted1_t; // 56 of them
typedef ap_fixed<13,5,AP_RND_CONV,AP_SAT> weighted1_t; // 56 of them
typedef ap_fixed<31,15> sum1_t; // 1 of them
typedef ap_fixed<31,15> difference1_t; // 1 of them
typedef ap_fixed<31,15> excess1_t; // 1 of them
typedef ap_fixed<31,15> score_t; // 1 of them

} // namespace l1_ae_program

// An event enters at each clock cycle. `accept_out` says whether the score reaches the threshold.
void l1_ae(const l1_ae_program::inputs_t inputs[57], l1_ae_program::score_t threshold,
            l1_ae_program::score_t &score_out, ap_uint<1> &accept_out);

#endif
