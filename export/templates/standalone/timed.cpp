// Times the firmware's C++ event by event. For each request on standard input, a number of events (unsigned, 32 bits) and their
// raw inputs (64-bit integers), it answers two 64-bit integers an event: nanoseconds, with the inputs and the results in memory,
// and the raw score.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "@NAME@.h"
#include "operations.h"

namespace {

template <class number_t> long long raw_of(number_t number) {
    ap_int<number_t::width + 1> raw = 0;
    raw.range(number_t::width - 1, 0) = number.range(number_t::width - 1, 0);
    raw[number_t::width] = number < 0;
    return raw.to_int64();
}

} // namespace

int main() {
    using namespace @NAME@_program;
    using clock = std::chrono::steady_clock;
    const @SCORE@_t threshold = trigsieve::from_raw<@SCORE@_t>(0);
    std::vector<std::int64_t> rows, results;
    static @INPUT@_t inputs[@K@];
    std::uint32_t events;
    while (std::fread(&events, sizeof events, 1, stdin) == 1) {
        rows.resize(std::size_t(events) * @K@);
        results.resize(std::size_t(events) * 2);
        if (std::fread(rows.data(), sizeof rows[0], rows.size(), stdin) != rows.size()) {
            return 1;
        }
        clock::time_point begun = clock::now();
        for (std::size_t event = 0; event < events; event++) {
            for (unsigned i = 0; i < @K@; i++) {
                inputs[i] = trigsieve::from_raw<@INPUT@_t>(rows[event * @K@ + i]);
            }
            @SCORE@_t score;
            ap_uint<1> accept;
            @NAME@(inputs, threshold, score, accept);
            const clock::time_point done = clock::now();
            results[2 * event] = std::chrono::duration_cast<std::chrono::nanoseconds>(done - begun).count();
            results[2 * event + 1] = raw_of(score);
            begun = done;
        }
        std::fwrite(results.data(), sizeof results[0], results.size(), stdout);
        if (std::fflush(stdout) != 0) {
            return 1;
        }
    }
    return 0;
}
