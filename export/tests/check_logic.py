"""Runs programs as the logic that rtl/build.py traces, in da4ml's own interpreter, against expected raw scores.

    python check_logic.py TEMPLATES FOLDER

In FOLDER: for each program NAME.json and NAME.bin, 64-bit integers, an event's raw inputs and raw score.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv[1]).resolve()))
sys.dont_write_bytecode = True

import numpy
from da4ml.trace import comb_trace, to_pipeline
from logic import Format, Tracer, Unsupported

LEVELS = 3

for path in sorted(Path(sys.argv[2]).glob("*.json")):
    program = json.loads(path.read_text())
    tracer = Tracer(program, LEVELS)
    try:
        inputs, score = tracer.run()
    except Unsupported as reason:
        print(f"{path.stem} unsupported: {reason}")
        continue
    rows = numpy.fromfile(path.with_suffix(".bin"), dtype="<i8").reshape(-1, len(inputs) + 1)
    logic = comb_trace(inputs, [score], keep_dead_inputs=True)
    step = float(inputs[0].step)
    found = [logic(row[:-1] * step)[0] / float(tracer.score_format().step) for row in rows.astype(float)]
    mismatches = [i for i, (value, row) in enumerate(zip(found, rows)) if int(value) != row[-1]]
    if mismatches:
        i = mismatches[0]
        print(f"{path.stem} differs on {len(mismatches)} of {len(rows)}: {rows[i][:-1].tolist()} gives {found[i]}, not {rows[i][-1]}")
        continue
    if score.opr != "const":
        to_pipeline(logic, LEVELS, retiming=False, verbose=False)
    print(f"{path.stem} agrees on {len(rows)}")
