# @VENDOR@: @COMMAND@
# C simulation on the golden events, synthesis, RTL simulation, and an IP core.

open_project -reset @NAME@_prj
set_top @NAME@
add_files @NAME@.cpp
add_files -tb test_bench.cpp
add_files -tb ../golden.txt
open_solution @SOLUTION@ solution1
set_part {@PART@}
create_clock -period @CLOCK_NS@ -name default
set_clock_uncertainty @UNCERTAINTY@
csim_design -argv golden.txt
csynth_design
cosim_design -argv golden.txt
export_design -format ip_catalog
exit
