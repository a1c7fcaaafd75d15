//! Arbitrary payloads through the frame decoder, and arbitrary commits through the encoder and back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use millstream_fuzz::state::hostile::{payload_is_read_consistently, what_is_written_is_read};

fuzz_target!(|bytes: &[u8]| {
    payload_is_read_consistently(bytes);
    what_is_written_is_read(bytes);
});
