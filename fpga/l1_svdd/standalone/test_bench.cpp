// Every event of ../golden.txt: raw inputs, raw score, and whether it is accepted at the raw threshold 83548748.
//
// Without the vendor's tool: g++ -std=c++17 -O2 -isystem AP_TYPES l1_svdd.cpp test_bench.cpp && ./a.out ../golden.txt

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "l1_svdd.h"
#include "operations.h"

int main(int count, char **arguments) {
    using namespace l1_svdd_program;
    const char *path = count > 1 ? arguments[1] : "golden.txt";
    std::ifstream golden(path);
    const score_t threshold = trigsieve::from_raw<score_t>(83548748LL);
    static inputs_t inputs[57];
    int events = 0, mismatches = 0;
    for (std::string line; std::getline(golden, line); events++) {
        std::istringstream numbers(line);
        long long raw = 0, expected_accept = 0;
        for (int i = 0; i < 57; i++) {
            numbers >> raw;
            inputs[i] = trigsieve::from_raw<inputs_t>(raw);
        }
        numbers >> raw >> expected_accept;
        if (!numbers) {
            std::printf("%s: line %d is no event\n", path, events + 1);
            return 1;
        }
        const score_t expected = trigsieve::from_raw<score_t>(raw);
        score_t score;
        ap_uint<1> accept;
        l1_svdd(inputs, threshold, score, accept);
        if (score != expected || accept != expected_accept) {
            std::printf("event %d: score %s instead of %s\n", events, score.to_string(10).c_str(), expected.to_string(10).c_str());
            mismatches++;
        }
    }
    std::printf("%d events, %d mismatches\n", events, mismatches);
    return events > 0 && mismatches == 0 ? 0 : 1;
}
