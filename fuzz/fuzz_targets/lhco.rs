#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    trigsieve_fuzz_targets::lhco::run(bytes);
});
