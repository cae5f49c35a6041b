// The Verilog under Verilator, an event at each clock cycle: raw inputs from standard input as 64-bit integers, raw score and
// decision of each event to standard output, likewise.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "Vl1_vae.h"
#include "verilated.h"

namespace {

const unsigned K = 57, WIDTH = 16, SCORE_WIDTH = 31;
const bool SCORE_SIGNED = true;

// Puts the lowest bits of the row's numbers one after the other.
void pack(const std::vector<int64_t> &row, std::vector<uint32_t> &words) {
    std::fill(words.begin(), words.end(), 0);
    for (unsigned i = 0; i < K; i++) {
        for (unsigned bit = 0; bit < WIDTH; bit++) {
            const unsigned at = i * WIDTH + bit;
            words[at / 32] |= uint32_t(uint64_t(row[i]) >> bit & 1) << at % 32;
        }
    }
}

int64_t score_of(uint64_t bits) {
    const unsigned above = 64 - SCORE_WIDTH;
    return SCORE_SIGNED ? int64_t(bits << above) >> above : int64_t(bits << above >> above);
}

} // namespace

double sc_time_stamp() { return 0; }

int main(int count, char **arguments) {
    if (count != 3) {
        std::fprintf(stderr, "usage: %s LATENCY_CYCLES RAW_THRESHOLD < events > scores\n", arguments[0]);
        return 2;
    }
    const long latency = std::strtol(arguments[1], nullptr, 10);
    const uint64_t threshold = uint64_t(std::strtoll(arguments[2], nullptr, 10)) << (64 - SCORE_WIDTH) >> (64 - SCORE_WIDTH);
    Vl1_vae top;
    std::memcpy(&top.threshold, &threshold, sizeof(top.threshold));
    std::vector<int64_t> row(K);
    std::vector<uint32_t> words((K * WIDTH + 31) / 32);
    // Without a level before it there is no edge.
    top.clk = 0;
    top.eval();
    // The last events leave the pipeline while the last row stays at its door.
    for (long cycle = 0, left = latency;; cycle++) {
        if (std::fread(row.data(), sizeof(int64_t), K, stdin) == K) {
            pack(row, words);
            std::memcpy(&top.inputs, words.data(), words.size() * sizeof(uint32_t));
        } else if (left-- == 0) {
            break;
        }
        top.clk = 1;
        top.eval();
        if (cycle >= latency) {
            uint64_t bits = 0;
            std::memcpy(&bits, &top.score, sizeof(top.score));
            const int64_t result[2] = {score_of(bits), int64_t(top.accept)};
            if (std::fwrite(result, sizeof(int64_t), 2, stdout) != 2) {
                return 1;
            }
        }
        top.clk = 0;
        top.eval();
    }
    top.final();
    return std::fflush(stdout) == 0 ? 0 : 1;
}
