// l1_svdd: the input scaling before and the score after the network that hls4ml makes (`python build.py`). Written by trigsieve.

#ifndef L1_SVDD_AROUND_H_
#define L1_SVDD_AROUND_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1_svdd_program {

typedef ap_fixed<16,16> inputs_t; // 57 of them
typedef ap_fixed<16,16> energies_t; // 19 of them
typedef ap_fixed<16,16> logarithms_t; // 19 of them
typedef ap_fixed<16,16> inputs_and_logarithms_t; // 76 of them
typedef ap_fixed<16,16> counts_t; // 57 of them
typedef ap_fixed<12,5,AP_RND_CONV,AP_SAT> network_inputs_t; // 57 of them
typedef ap_fixed<16,1,AP_RND_CONV,AP_SAT> mu_t; // 8 of them
typedef ap_fixed<35,5> score_t; // 1 of them

} // namespace l1_svdd_program

// An event enters at each clock cycle. `accept_out` says whether the score reaches the threshold.
void l1_svdd(const l1_svdd_program::inputs_t inputs[57], l1_svdd_program::score_t threshold,
            l1_svdd_program::score_t &score_out, ap_uint<1> &accept_out);

#endif
