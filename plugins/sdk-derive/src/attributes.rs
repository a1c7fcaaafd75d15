//! What `#[fields(…)]` on the struct and `#[field(…)]` on one of its fields say.

use syn::{Attribute, LitStr, Result};

use crate::names::Case;

/// Of one field.
#[derive(Default)]
pub(crate) struct OfField {
    /// Its name in records, or a JSON pointer.
    pub(crate) rename: Option<LitStr>,
    /// Absent or null, it is its type's default.
    pub(crate) default: bool,
}

/// Reads those of the struct.
pub(crate) fn of_struct(attributes: &[Attribute]) -> Result<Case> {
    let mut case = Case::AsWritten;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("fields")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("rename_all") {
                return Err(meta.error("the struct takes `rename_all = \"…\"` only"));
            }
            let word: LitStr = meta.value()?.parse()?;
            let unknown = || syn::Error::new(word.span(), format!("known are {}", Case::WORDS));
            case = Case::of(&word.value()).ok_or_else(unknown)?;
            Ok(())
        })?;
    }
    Ok(case)
}

/// Reads those of a field.
pub(crate) fn of_field(attributes: &[Attribute]) -> Result<OfField> {
    let mut found = OfField::default();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("field")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                found.rename = Some(meta.value()?.parse()?);
                Ok(())
            } else if meta.path.is_ident("default") {
                found.default = true;
                Ok(())
            } else {
                Err(meta.error("a field takes `rename = \"…\"` and `default`"))
            }
        })?;
    }
    Ok(found)
}
