//! The columns that a table is to have, by the configuration, before it is looked at.

use super::{Column, ColumnType, dead_letter_columns};
use crate::{
    config::CreateTable,
    sink::{OpenContext, OpenError},
};

/// The columns that the dead letters or `create` call for; `None`: whichever the table has.
pub fn wanted_columns(create: Option<&CreateTable>, context: &OpenContext) -> Result<Option<Vec<Column>>, OpenError> {
    if context.dead_letters {
        return Ok(Some(dead_letter_columns()));
    }
    let Some(create) = create.filter(|create| !create.columns.is_empty()) else {
        return Ok(None);
    };
    let mut columns = Vec::new();
    let mut unsupported = Vec::new();
    for (name, type_name) in &create.columns {
        let key = *name == create.primary_key;
        match ColumnType::from_name(type_name).filter(|found| *found != ColumnType::Blob) {
            Some(column_type) => columns.push(Column { name: name.clone(), column_type, key }),
            None => unsupported.push(format!("`{name}` ({type_name})")),
        }
    }
    if !unsupported.is_empty() {
        return Err(unsupported_columns(&unsupported, context));
    }
    if !columns.iter().any(|column| column.key) {
        let message = format!("`create.primary_key` names `{}`, which is not in `create.columns`", create.primary_key);
        return Err(OpenError { url: context.display.clone(), message, hint: None, retryable: false });
    }
    Ok(Some(columns))
}

/// The error for columns, given with their types, that no JSON field can be written to.
pub fn unsupported_columns(columns: &[String], context: &OpenContext) -> OpenError {
    OpenError {
        url: context.display.clone(),
        message: format!("columns of types that JSON fields cannot be written to: {}", columns.join(", ")),
        hint: Some("write to a table without them, or make them text".to_owned()),
        retryable: false,
    }
}
