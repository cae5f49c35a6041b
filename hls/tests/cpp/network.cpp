// Runs a network alone: -DSOURCE its file, -DTOP its function, -DINPUTS and -DOUTPUTS how many numbers it takes and gives.
#include "rows.h"

#include SOURCE

template <class Input, class Output> int run(void (*network)(Input *, Output *)) {
    static Input inputs[INPUTS];
    static Output outputs[OUTPUTS];
    return each_row(INPUTS, OUTPUTS, [&](const int16_t *row, int64_t *result) {
        for (unsigned i = 0; i < INPUTS; i++)
            inputs[i] = from_hardware<Input>(row[i]);
        network(inputs, outputs);
        for (unsigned i = 0; i < OUTPUTS; i++)
            result[i] = raw(outputs[i]);
    });
}

int main() { return run(&TOP); }
