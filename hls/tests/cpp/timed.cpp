// Times the class around a network; macros as in wrapped.cpp. For each request on stdin, a number of rows (u32) and the rows
// (i16), it answers on stdout the seconds (double) that the events took, rows and scores in memory, and their raw scores
// (i64).
#include "rows.h"
#include <chrono>

#define private public
#include SOURCE
#undef private

int main() {
    CLASS model;
    std::array<TYPE, INPUTS> inputs;
    std::vector<int16_t> rows;
    std::vector<int64_t> scores;
    uint32_t events;
    while (std::fread(&events, sizeof events, 1, stdin) == 1) {
        rows.resize(size_t(events) * INPUTS);
        scores.resize(events);
        if (std::fread(rows.data(), sizeof(int16_t), rows.size(), stdin) != rows.size())
            return 1;
        auto start = std::chrono::steady_clock::now();
        for (uint32_t event = 0; event < events; event++) {
            for (unsigned i = 0; i < INPUTS; i++)
                inputs[i] = from_hardware<TYPE>(rows[size_t(event) * INPUTS + i]);
            model.prepare_input(std::any(inputs.data()));
            model.predict();
            scores[event] = raw(model.SCORE);
        }
        double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        std::fwrite(&seconds, sizeof seconds, 1, stdout);
        std::fwrite(scores.data(), sizeof(int64_t), scores.size(), stdout);
        std::fflush(stdout);
    }
    return 0;
}
