//! Write a Millstream plugin: implement [`Plugin`], then [`export!`] it.
//!
//! What comes in are batches of records, of which the host has already taken out the fields that the plugin declared;
//! what goes out is a [`Verdict`] for each. A plugin sees no clock, no file and no network. Records can be read as a struct of
//! one's own, see [`trait@Fields`], or field by field.
//!
//! ```
//! use millstream_sdk::{Plugin, Record, Setup, Verdict};
//! struct NonEmpty;
//! impl Plugin for NonEmpty {
//!     fn new(setup: &mut Setup) -> Result<Self, String> { setup.want_values(); Ok(Self) }
//!     fn record(&mut self, record: &Record) -> Verdict {
//!         if record.value().is_empty() { Verdict::Reject("empty".into()) } else { Verdict::Keep }
//!     }
//! }
//! millstream_sdk::export!(NonEmpty);
//! # fn main() {}
//! ```

// What the derive macro makes names this crate, also where it is used in here.
extern crate self as millstream_sdk;

mod batch;
pub mod fields;
mod guest;
pub mod json;
pub mod log;
mod outcome;
mod plugin;
mod pointer;
mod setup;
mod slices;
mod store;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod uuid;

#[doc(hidden)]
#[allow(missing_docs, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "migrating-plugin",
        pub_export_macro: true,
        export_macro_name: "export_component",
        default_bindings_module: "millstream_sdk::bindings",
    });
    pub use self::exports::millstream::plugin::{migration::Guest as Migration, stage::Guest};
    pub use self::millstream::plugin::types::{Batch, Descriptor, Field, Outcome, Slices, Store};
}

pub use batch::{Batch, Cell, Column, Kind, Record};
pub use fields::{Fault, Fields, FromField, Text, Typed};
#[doc(hidden)]
pub use guest::Slot;
pub use millstream_sdk_derive::Fields;
pub use outcome::Outcome;
pub use plugin::{Item, Plugin, Verdict};
pub use pointer::{field_name, to_pointer};
pub use serde;
pub use setup::{Field, Setup, TextField};
pub use store::Store;

pub use bindings::Slices;

/// The README's examples are compiled as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Makes the type, which implements [`Plugin`], the plugin of this crate. Its name and version are the crate's.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        // A native library that exports these names does not link on Linux, and native tests have no need of them.
        #[cfg(target_family = "wasm")]
        const _: () = {
            ::std::thread_local! {
                static SLOT: $crate::Slot<$plugin> = const { $crate::Slot::new() };
            }
            struct Component;
            impl $crate::bindings::Migration for Component {
                fn migrate(
                    from: u32,
                    store: ::std::string::String,
                    keys: $crate::Slices,
                    values: $crate::Slices,
                ) -> Result<$crate::Slices, ::std::string::String> {
                    SLOT.with(|slot| slot.migrate(from, &store, &keys, &values))
                }
            }
            impl $crate::bindings::Guest for Component {
                fn init(config: ::std::string::String) -> Result<$crate::bindings::Descriptor, ::std::string::String> {
                    SLOT.with(|slot| slot.init(&config, env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")))
                }
                fn process(batch: $crate::bindings::Batch) -> Result<$crate::bindings::Outcome, ::std::string::String> {
                    SLOT.with(|slot| slot.process(&batch))
                }
            }
    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
        #[cfg(not(target_family = "wasm"))]
        const _: fn() = || {
            fn is_a_plugin<P: $crate::Plugin>() {}
            is_a_plugin::<$plugin>();
        };
    };
}
