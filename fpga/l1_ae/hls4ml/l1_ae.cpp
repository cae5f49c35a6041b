// l1_ae: input scaling, hls4ml's network, score and threshold. Written by trigsieve.

#include "l1_ae.h"
#include "operations.h"
// Of the project that build.py writes.
#include "firmware/l1_ae_network.h"

namespace l1_ae_program {

// Raw values: integers in steps of the format that each call names.
const signed char network_inputs_offsets[57] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0,
};
const signed char network_inputs_shifts[57] = {
    6, 0, 5, 6, 5, 5, 6, 5, 5, 4, 5, 5, 3, 5, 5, 6, 7, 7, 6, 7, 7, 4, 7, 7,
    4, 7, 7, 6, 6, 5, 6, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5,
    5, 6, 5, 5, 6, 5, 5, 6, 5,
};
const signed char targets_offsets[57] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0,
};
const signed char targets_shifts[57] = {
    6, 0, 5, 6, 5, 5, 6, 5, 5, 4, 5, 5, 3, 5, 5, 6, 7, 7, 6, 7, 7, 4, 7, 7,
    4, 7, 7, 6, 6, 5, 6, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5, 5, 6, 5,
    5, 6, 5, 5, 6, 5, 5, 6, 5,
};
const signed char presence_indices[57] = {
    0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9, 12, 12, 12, 15, 15, 15, 18, 18, 18, 21, 21, 21,
    24, 24, 24, 27, 27, 27, 30, 30, 30, 33, 33, 33, 36, 36, 36, 39, 39, 39, 42, 42, 42, 45, 45, 45,
    48, 48, 48, 51, 51, 51, 54, 54, 54,
};
const signed char counted0_indices[24] = {
    3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
};
const int weighted0_scales[24] = {
    254, 45, 40, 1372, 200, 172, 5054, 1138, 940, 40909, 11915, 7876, 284, 68, 44, 1503, 228, 140, 5890, 1044, 655, 32498, 5920, 3442,
};
const signed char weighted0_biases[24] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
const signed char counted1_indices[56] = {
    0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
    25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
    49, 50, 51, 52, 53, 54, 55, 56,
};
const int weighted1_scales[56] = {
    31118, 4148, 26060, 4580, 4132, 32994, 4805, 4135, 22220, 5002, 4131, 23135, 6738, 4454, 26318, 6292, 4121, 43816, 6644, 4089, 37347, 6622, 4156, 41095,
    7486, 4352, 22906, 7599, 4160, 38452, 7004, 4150, 23674, 7000, 4157, 25915, 7020, 4145, 27260, 6954, 4135, 27694, 7012, 4205, 27922, 6922, 4252, 27829,
    7074, 4111, 27797, 7038, 4223, 27359, 7145, 3934,
};
const signed char weighted1_biases[56] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
};


static void run(const inputs_t inputs[57], score_t threshold, score_t &score_out, ap_uint<1> &accept_out) {
#pragma HLS INLINE
    network_inputs_t network_inputs[57];
#pragma HLS ARRAY_PARTITION variable=network_inputs complete dim=0
    targets_t targets[57];
#pragma HLS ARRAY_PARTITION variable=targets complete dim=0
    presence_t presence[57];
#pragma HLS ARRAY_PARTITION variable=presence complete dim=0
    present_t present[57];
#pragma HLS ARRAY_PARTITION variable=present complete dim=0
    reconstruction_t reconstruction[57];
#pragma HLS ARRAY_PARTITION variable=reconstruction complete dim=0
    errors_t errors[57];
#pragma HLS ARRAY_PARTITION variable=errors complete dim=0
    present_errors_t present_errors[57];
#pragma HLS ARRAY_PARTITION variable=present_errors complete dim=0
    counted0_t counted0[24];
#pragma HLS ARRAY_PARTITION variable=counted0 complete dim=0
    weighted0_t weighted0[24];
#pragma HLS ARRAY_PARTITION variable=weighted0 complete dim=0
    sum0_t sum0[1];
#pragma HLS ARRAY_PARTITION variable=sum0 complete dim=0
    counted1_t counted1[56];
#pragma HLS ARRAY_PARTITION variable=counted1 complete dim=0
    weighted1_t weighted1[56];
#pragma HLS ARRAY_PARTITION variable=weighted1 complete dim=0
    sum1_t sum1[1];
#pragma HLS ARRAY_PARTITION variable=sum1 complete dim=0
    difference1_t difference1[1];
#pragma HLS ARRAY_PARTITION variable=difference1 complete dim=0
    excess1_t excess1[1];
#pragma HLS ARRAY_PARTITION variable=excess1 complete dim=0
    score_t score[1];
#pragma HLS ARRAY_PARTITION variable=score complete dim=0

    trigsieve::scale<57, ap_fixed<24,17>, ap_fixed<16,16>>(inputs, network_inputs_offsets, network_inputs_shifts, network_inputs); // network_inputs
    trigsieve::scale<57, ap_fixed<24,17>, ap_fixed<16,16>>(inputs, targets_offsets, targets_shifts, targets); // targets
    trigsieve::select<57>(inputs, presence_indices, presence); // presence
    trigsieve::relu_max<57, 1>(presence, present); // present

    ::input_t network_in[57];
    ::result_t network_out[57];
#pragma HLS ARRAY_PARTITION variable=network_in complete dim=0
#pragma HLS ARRAY_PARTITION variable=network_out complete dim=0
    trigsieve::requantise<57>(network_inputs, network_in);
    ::l1_ae_network(network_in, network_out);
    trigsieve::requantise<57>(network_out, reconstruction);
    trigsieve::subtract<57, 57>(reconstruction, targets, errors); // errors
    trigsieve::multiply<57>(errors, present, present_errors); // present_errors
    trigsieve::select<24>(present_errors, counted0_indices, counted0); // counted0
    trigsieve::normalise<24, 24, ap_ufixed<16,5,AP_RND_CONV,AP_SAT>, ap_ufixed<1,1>>(counted0, weighted0_scales, weighted0_biases, weighted0); // weighted0
    trigsieve::dot<24, ap_fixed<30,14>>(weighted0, weighted0, sum0); // sum0
    trigsieve::select<56>(present_errors, counted1_indices, counted1); // counted1
    trigsieve::normalise<56, 56, ap_ufixed<16,-1,AP_RND_CONV,AP_SAT>, ap_ufixed<1,1>>(counted1, weighted1_scales, weighted1_biases, weighted1); // weighted1
    trigsieve::dot<56, ap_fixed<31,15>>(weighted1, weighted1, sum1); // sum1
    trigsieve::subtract<1, 1>(sum0, sum1, difference1); // difference1
    trigsieve::relu<1>(difference1, excess1); // excess1
    trigsieve::add<1, 1>(sum1, excess1, score); // score

    score_out = score[0];
    accept_out = score[0] >= threshold;
}

} // namespace l1_ae_program

void l1_ae(const l1_ae_program::inputs_t inputs[57], l1_ae_program::score_t threshold,
            l1_ae_program::score_t &score_out, ap_uint<1> &accept_out) {
#pragma HLS INTERFACE ap_none port=inputs
#pragma HLS INTERFACE ap_stable port=threshold
#pragma HLS INTERFACE ap_vld port=score_out
#pragma HLS INTERFACE ap_vld port=accept_out
#pragma HLS ARRAY_PARTITION variable=inputs complete dim=0
#pragma HLS PIPELINE II=1
    l1_ae_program::run(inputs, threshold, score_out, accept_out);
}
