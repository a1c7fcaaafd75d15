//! What a table looks like beside what the rows need of it: what differs, and which columns it has.

use scylla::{
    cluster::metadata::{self, ColumnKind},
    frame::response::result::{ColumnType as CqlType, NativeType},
};

use super::schema::{quoted, table_name};
use crate::{
    config::CassandraSink,
    sink::{
        OpenContext, OpenError,
        table::{Column, ColumnType, unsupported_columns},
    },
};

/// Why a table cannot take the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differences {
    /// What is missing or different.
    pub what: String,
    /// The statements that would mend it.
    pub mending: String,
}

/// How a table differs from these columns; `None` where it can take their rows. Further columns do no harm.
pub fn differences(existing: &metadata::Table, wanted: &[Column], config: &CassandraSink) -> Option<Differences> {
    let mut differences = Vec::new();
    let mut mending = Vec::new();
    for Column { name, column_type, .. } in wanted {
        match existing.columns.get(name) {
            None => {
                differences.push(format!("column `{name}` ({column_type}) is missing"));
                mending.push(format!("ALTER TABLE {} ADD {} {column_type}", table_name(config), quoted(name)));
            }
            Some(found) if native(&found.typ) != Some(*column_type) => {
                let found = type_name(&found.typ);
                differences.push(format!("column `{name}` is {found}, not {column_type}"));
                // Cassandra changes no type of a column that exists.
                mending.push(format!(
                    "ALTER TABLE {0} DROP {1}; ALTER TABLE {0} ADD {1} {column_type} (its data is lost), or set its type to {found} here",
                    table_name(config),
                    quoted(name)
                ));
            }
            Some(_) => {}
        }
    }
    let key: Vec<&str> = wanted.iter().filter(|column| column.key).map(|column| column.name.as_str()).collect();
    let found: Vec<&String> = existing.partition_key.iter().chain(&existing.clustering_key).collect();
    if found != key {
        differences.push(format!("its primary key is {found:?}, not {key:?}"));
        mending.push("name another table: a primary key cannot be changed".to_owned());
    }
    (!differences.is_empty()).then(|| Differences { what: differences.join(", "), mending: mending.join("; ") })
}

/// All columns of the table: the primary key first, in its order, then the others by name.
pub fn columns_of(
    existing: &metadata::Table,
    config: &CassandraSink,
    context: &OpenContext,
) -> Result<Vec<Column>, OpenError> {
    let key = existing.partition_key.iter().chain(&existing.clustering_key);
    let mut others: Vec<&String> = existing
        .columns
        .iter()
        .filter(|(_, column)| !matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Clustering))
        .map(|(name, _)| name)
        .collect();
    others.sort_unstable();
    let named = key.map(|name| (name, true)).chain(others.into_iter().map(|name| (name, false)));
    let mut columns = Vec::new();
    let mut unsupported = Vec::new();
    for (name, key) in named {
        let Some(column) = existing.columns.get(name) else { continue };
        match native(&column.typ).filter(|found| *found != ColumnType::Blob) {
            Some(column_type) => columns.push(Column { name: name.clone(), column_type, key }),
            None => unsupported.push(format!("`{name}` ({})", type_name(&column.typ))),
        }
    }
    if !unsupported.is_empty() {
        return Err(unsupported_columns(&unsupported, context));
    }
    if columns.is_empty() {
        let message = format!("table {} has no columns", table_name(config));
        return Err(OpenError { url: context.display.clone(), message, hint: None, retryable: false });
    }
    Ok(columns)
}

fn native(column_type: &CqlType<'_>) -> Option<ColumnType> {
    let CqlType::Native(native) = column_type else {
        return None;
    };
    Some(match native {
        NativeType::Ascii => ColumnType::Ascii,
        NativeType::Text => ColumnType::Text,
        NativeType::Boolean => ColumnType::Boolean,
        NativeType::TinyInt => ColumnType::TinyInt,
        NativeType::SmallInt => ColumnType::SmallInt,
        NativeType::Int => ColumnType::Int,
        NativeType::BigInt => ColumnType::BigInt,
        NativeType::Varint => ColumnType::Varint,
        NativeType::Float => ColumnType::Float,
        NativeType::Double => ColumnType::Double,
        NativeType::Decimal => ColumnType::Decimal,
        NativeType::Uuid => ColumnType::Uuid,
        NativeType::Timeuuid => ColumnType::Timeuuid,
        NativeType::Timestamp => ColumnType::Timestamp,
        NativeType::Date => ColumnType::Date,
        NativeType::Inet => ColumnType::Inet,
        NativeType::Blob => ColumnType::Blob,
        _ => return None,
    })
}

fn type_name(column_type: &CqlType<'_>) -> String {
    match (native(column_type), column_type) {
        (Some(known), _) => known.to_string(),
        (None, CqlType::Native(other)) => format!("{other:?}").to_lowercase(),
        (None, CqlType::Collection { .. }) => "a collection".to_owned(),
        (None, CqlType::Tuple(_)) => "a tuple".to_owned(),
        (None, CqlType::Vector { .. }) => "a vector".to_owned(),
        (None, _) => "a user-defined type".to_owned(),
    }
}
