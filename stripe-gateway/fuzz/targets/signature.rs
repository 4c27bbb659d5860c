//! Any header and body, through `checks/signature.rs`.

#![no_main]

#[path = "../checks/signature.rs"]
mod signature;

libfuzzer_sys::fuzz_target!(|input: &[u8]| signature::check(input));
