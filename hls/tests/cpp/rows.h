// Rows of hardware integers in (i16), rows of raw values out (i64); both little-endian, as this machine has them.
#pragma once
#include "prelude.h"

#ifndef HARDWARE_FRACTION
#define HARDWARE_FRACTION 0
#endif

template <class T> T from_hardware(int16_t integer) {
    ap_fixed<16, 16 - HARDWARE_FRACTION> number;
    number.V = integer;
    return T(number);
}

template <class T> int64_t raw(const T &number) { return number.V.to_int64(); }

// Calls event(row, result) for each row of stdin.
template <class Event> int each_row(unsigned inputs, unsigned outputs, Event event) {
    std::vector<int16_t> row(inputs);
    std::vector<int64_t> result(outputs);
    while (std::fread(row.data(), sizeof(int16_t), inputs, stdin) == inputs) {
        event(row.data(), result.data());
        if (std::fwrite(result.data(), sizeof(int64_t), outputs, stdout) != outputs)
            return 1;
    }
    return 0;
}
