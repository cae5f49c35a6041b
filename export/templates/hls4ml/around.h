// @NAME@: the input scaling before and the score after the network that hls4ml makes (`python build.py`). Written by trigsieve.

#ifndef @GUARD@_AROUND_H_
#define @GUARD@_AROUND_H_

#include "ap_fixed.h"
#include "ap_int.h"

namespace @NAME@_program {

@TYPES@
} // namespace @NAME@_program

// An event enters at each clock cycle. `accept_out` says whether the score reaches the threshold.
void @NAME@(const @NAME@_program::@INPUT@_t @INPUT@[@K@], @NAME@_program::@SCORE@_t threshold,
            @NAME@_program::@SCORE@_t &score_out, ap_uint<1> &accept_out);

#endif
