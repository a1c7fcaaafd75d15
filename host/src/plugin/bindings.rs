//! The plugin contract, version 0.1.0 (`wit/plugin.wit`), as Rust types. Lists go in as borrowed slices and come out owned.
#![allow(missing_docs)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "plugin",
    ownership: Borrowing { duplicate_if_necessary: true },
    imports: { default: trappable },
});
