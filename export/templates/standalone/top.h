// @NAME@: an anomaly score of @K@ inputs, from the fixed-point program beside this folder. Written by trigsieve; change the model
// and export it again rather than this file.

#ifndef @GUARD@_H_
#define @GUARD@_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace @NAME@_program {

@TYPES@
} // namespace @NAME@_program

// An event enters at each clock cycle. `accept_out` says whether the score reaches the threshold.
void @NAME@(const @NAME@_program::@INPUT@_t @INPUT@[@K@], @NAME@_program::@SCORE@_t threshold,
            @NAME@_program::@SCORE@_t &score_out, ap_uint<1> &accept_out);

#endif
