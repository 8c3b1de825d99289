//! libFuzzer on [`framerill_trickle_fuzz::machines`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| framerill_trickle_fuzz::machines(input));
