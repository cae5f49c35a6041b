# Vitis HLS: vitis_hls -f build_prj.tcl
# C simulation on the golden events, synthesis, RTL simulation, and an IP core.

open_project -reset l1_ae_prj
set_top l1_ae
add_files l1_ae.cpp
add_files -tb test_bench.cpp
add_files -tb ../golden.txt
open_solution -flow_target vivado -reset solution1
set_part {xcvu9p-flga2104-2-e}
create_clock -period 2.7778 -name default
set_clock_uncertainty 12.5%
csim_design -argv golden.txt
csynth_design
cosim_design -argv golden.txt
export_design -format ip_catalog
exit
