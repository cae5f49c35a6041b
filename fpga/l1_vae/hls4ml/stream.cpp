// Events from standard input, raw inputs as 64-bit integers; raw score and decision of each to standard output, likewise.

#include <cstdio>
#include <cstdlib>
#include <vector>

#include "l1_vae.h"
#include "operations.h"

namespace {

template <class number_t> long long raw_of(number_t number) {
    ap_int<number_t::width + 1> raw = 0;
    raw.range(number_t::width - 1, 0) = number.range(number_t::width - 1, 0);
    raw[number_t::width] = number < 0;
    return raw.to_int64();
}

} // namespace

int main(int count, char **arguments) {
    using namespace l1_vae_program;
    if (count != 2) {
        std::fprintf(stderr, "usage: %s RAW_THRESHOLD < events > scores\n", arguments[0]);
        return 2;
    }
    const score_t threshold = trigsieve::from_raw<score_t>(std::strtoll(arguments[1], nullptr, 10));
    std::vector<long long> row(57);
    static inputs_t inputs[57];
    while (std::fread(row.data(), sizeof(long long), row.size(), stdin) == row.size()) {
        for (unsigned i = 0; i < row.size(); i++) {
            inputs[i] = trigsieve::from_raw<inputs_t>(row[i]);
        }
        score_t score;
        ap_uint<1> accept;
        l1_vae(inputs, threshold, score, accept);
        const long long result[2] = {raw_of(score), accept.to_int()};
        if (std::fwrite(result, sizeof(long long), 2, stdout) != 2) {
            return 1;
        }
    }
    return std::fflush(stdout) == 0 ? 0 : 1;
}
