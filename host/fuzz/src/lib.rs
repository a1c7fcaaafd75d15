//! The host's own files for records and frames, without the rest of the host: that, instrumented, would take many minutes
//! to build.
#![allow(dead_code, unused_imports)]

#[path = "../../src/record/mod.rs"]
pub mod record;
pub mod state;
