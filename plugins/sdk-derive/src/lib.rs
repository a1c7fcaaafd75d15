//! `#[derive(Fields)]` of `millstream-sdk`, which re-exports it and documents it where it is used.
//!
//! What comes in is a struct; what goes out are the declarations of its fields to the host, and the reading of one value of
//! the struct for each record. What it cannot do is a compile error at the place that asks for it.

mod attributes;
mod expand;
mod names;

/// Makes a struct readable from records. See the trait `millstream_sdk::Fields` for types, attributes and an example.
#[proc_macro_derive(Fields, attributes(field, fields))]
pub fn derive_fields(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::expand(&input).unwrap_or_else(|error| error.into_compile_error()).into()
}
