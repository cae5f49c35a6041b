// l1_vae: an anomaly score of 57 inputs, from the fixed-point program beside this folder. Written by trigsieve; change the model
// and export it again rather than this file.

#ifndef L1_VAE_H_
#define L1_VAE_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace l1_vae_program {

typedef ap_fixed<16,16> inputs_t; // 57 of them
typedef ap_fixed<11,7,AP_RND_CONV,AP_SAT> network_inputs_t; // 57 of them
typedef ap_fixed<20,11> dense0_t; // 32 of them
typedef ap_ufixed<8,5,AP_RND_CONV,AP_SAT> hidden0_t; // 32 of them
typedef ap_fixed<17,9> dense1_t; // 16 of them
typedef ap_ufixed<8,5,AP_RND_CONV,AP_SAT> hidden1_t; // 16 of them
typedef ap_fixed<14,7,AP_RND_CONV,AP_SAT> mu_t; // 8 of them
typedef ap_fixed<31,17> score_t; // 1 of them

} // namespace l1_vae_program

// An event enters at each clock cycle. `accept_out` says whether the score reaches the threshold.
void l1_vae(const l1_vae_program::inputs_t inputs[57], l1_vae_program::score_t threshold,
            l1_vae_program::score_t &score_out, ap_uint<1> &accept_out);

#endif
