// Runs the class around a network: -DSOURCE its file, -DCLASS its name, -DTYPE what it takes in, -DINPUTS how many, and
// -DSCORE the member that is its score.
#include "rows.h"

// The score is a private member; what read_result hands out has another type in every project.
#define private public
#include SOURCE
#undef private

int main() {
    CLASS model;
    std::array<TYPE, INPUTS> inputs;
    return each_row(INPUTS, 1, [&](const int16_t *row, int64_t *result) {
        for (unsigned i = 0; i < INPUTS; i++)
            inputs[i] = from_hardware<TYPE>(row[i]);
        model.prepare_input(std::any(inputs.data()));
        model.predict();
        result[0] = raw(model.SCORE);
    });
}
