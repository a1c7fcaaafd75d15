//! From a struct to its implementation of `millstream_sdk::Fields`.
//!
//! The reasons of faults are put together here, so that a rejected record costs no formatting. Types are left to the compiler:
//! a field whose type cannot be read is its error, at that type.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Data, DeriveInput, Error, Field, Fields, Lifetime, Result, ext::IdentExt, spanned::Spanned};

use crate::{
    attributes,
    names::{Case, to_pointer},
};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let case = attributes::of_struct(&input.attrs)?;
    let lifetime = lifetime(input)?;
    let fields: Vec<OneField> =
        named(input)?.iter().map(|field| OneField::of(field, case)).collect::<Result<Vec<_>>>()?;
    let (declared, read): (Vec<_>, Vec<_>) = fields.iter().map(|field| (field.declared(), field.read())).unzip();
    let count = fields.len();
    let idents = fields.iter().map(|field| &field.ident);
    let handles: Vec<_> = fields.iter().map(|field| &field.handle).collect();
    let (generics, own, of_record) = match lifetime {
        Some(lifetime) => (quote!(<#lifetime>), quote!(<#lifetime>), quote!(<'__record>)),
        None => (quote!(), quote!(), quote!()),
    };
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::millstream_sdk::Fields for #name #own {
            type Of<'__record> = #name #of_record;
            type Handles = [::millstream_sdk::fields::Handle; #count];

            fn declare(setup: &mut ::millstream_sdk::Setup) -> Self::Handles {
                [#(#declared),*]
            }

            #[inline]
            fn read<'__record>(
                handles: &Self::Handles,
                record: &::millstream_sdk::Record<'__record>,
            ) -> ::core::result::Result<Self::Of<'__record>, ::millstream_sdk::Fault> {
                let [#(#handles),*] = *handles;
                #(#read)*
                ::core::result::Result::Ok(#name { #(#idents),* })
            }
        }
    })
}

/// The struct's one lifetime, if it borrows from the record.
fn lifetime(input: &DeriveInput) -> Result<Option<&Lifetime>> {
    let mut found = None;
    for parameter in &input.generics.params {
        match parameter {
            syn::GenericParam::Lifetime(parameter) if found.is_none() => found = Some(&parameter.lifetime),
            other => {
                let what =
                    "`Fields` takes a struct with one lifetime at most, that of the record, and no other parameter";
                return Err(Error::new(other.span(), what));
            }
        }
    }
    Ok(found)
}

fn named(input: &DeriveInput) -> Result<&syn::punctuated::Punctuated<Field, syn::Token![,]>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => Ok(&fields.named),
            _ => Err(Error::new(input.ident.span(), "`Fields` takes a struct with named fields, at least one of them")),
        },
        _ => Err(Error::new(input.ident.span(), "`Fields` takes a struct, which is read from each record")),
    }
}

/// One field of the struct.
struct OneField<'a> {
    ident: &'a syn::Ident,
    ty: &'a syn::Type,
    /// What its handle is called in the code that is made.
    handle: syn::Ident,
    pointer: String,
    /// As it stands in reasons.
    written: String,
    default: bool,
}

impl<'a> OneField<'a> {
    fn of(field: &'a Field, case: Case) -> Result<Self> {
        let Some(ident) = &field.ident else { return Err(Error::new(field.span(), "a field without a name")) };
        let said = attributes::of_field(&field.attrs)?;
        let plain = ident.unraw().to_string();
        let (written, span) = match &said.rename {
            Some(rename) => (rename.value(), rename.span()),
            None => (case.apply(&plain), ident.span()),
        };
        let pointer = to_pointer(&written).map_err(|what| Error::new(span, what))?;
        Ok(Self {
            ident,
            ty: &field.ty,
            handle: format_ident!("handle_of_{plain}"),
            pointer,
            written,
            default: said.default,
        })
    }

    fn declared(&self) -> TokenStream {
        let (ty, pointer) = (self.ty, &self.pointer);
        quote_spanned!(ty.span()=> ::millstream_sdk::fields::Handle::declare::<#ty>(setup, #pointer))
    }

    fn read(&self) -> TokenStream {
        let (ident, ty, handle) = (self.ident, self.ty, &self.handle);
        let (missing, wrong) = (format!("missing_field: {}", self.written), format!("wrong_type: {}", self.written));
        let read = quote_spanned!(ty.span()=> #handle.read(record, &[#missing, #wrong])?);
        if self.default {
            let value = quote_spanned!(ty.span()=> ::core::option::Option::unwrap_or_default(#read));
            quote!(let #ident = #value;)
        } else {
            quote!(let #ident = #read;)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn refused(source: &str) -> String {
        let input = syn::parse_str(source).expect("a struct or the like");
        expand(&input).expect_err("it was taken").to_string()
    }

    #[test]
    fn what_it_cannot_do_is_an_error_that_says_so() {
        for (source, part) in [
            ("enum E { A }", "takes a struct, which"),
            ("struct S;", "named fields"),
            ("struct S(u8);", "named fields"),
            ("struct S {}", "at least one"),
            ("struct S<T> { a: T }", "no other parameter"),
            ("struct S<'a, 'b> { a: &'a str, b: &'b str }", "one lifetime at most"),
            ("struct S { #[field(rename = \"\")] a: u8 }", "name is empty"),
            ("struct S { #[field(rename = \"/a~2\")] a: u8 }", "is no JSON pointer"),
            ("struct S { #[field(name = \"x\")] a: u8 }", "takes `rename = \"…\"` and `default`"),
            ("struct S { #[field(rename = 1)] a: u8 }", "string literal"),
            ("#[fields(rename_all = \"lower\")] struct S { a: u8 }", "known are `camelCase`"),
            ("#[fields(deny)] struct S { a: u8 }", "takes `rename_all"),
        ] {
            let message = refused(source);
            assert!(message.contains(part), "{source}: {message}");
        }
    }

    #[test]
    fn pointers_and_reasons_carry_the_names_of_records() {
        let source = "#[fields(rename_all = \"camelCase\")] struct S<'a> { post_code: u32, r#type: &'a str, \
                      #[field(rename = \"/location/city\", default)] city: String }";
        let made = expand(&syn::parse_str(source).expect("a struct")).expect("it is taken").to_string();
        for part in ["\"/postCode\"", "\"wrong_type: postCode\"", "\"missing_field: type\"", "\"/location/city\""] {
            assert!(made.contains(part), "{part} is not in {made}");
        }
        assert_eq!(made.matches("unwrap_or_default").count(), 1, "{made}");
    }
}
