//! Taking over entries that an older version of a plugin has kept: the optional half of the contract.
//!
//! What the plugin sees is what it is handed: its stores are not there meanwhile, so that the same entries give the same answer
//! whenever they are taken over.

use wasmtime::component::TypedFunc;

use super::{CallError, Instance, bindings::millstream::plugin::types, instance::call_failure};
use crate::{record::Slices, state::Entries};

const MIGRATION: &str = "millstream:plugin/migration@0.1.0";

type Call<'a> = (u32, &'a str, types::SlicesParam<'a>, types::SlicesParam<'a>);
type Answer = (Result<types::SlicesResult, String>,);

/// Why entries are not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// The plugin cannot do so at all.
    #[error("it has no `migrate`")]
    Without,
    /// The plugin says so.
    #[error("{0}")]
    Refused(String),
    /// The call came to nothing.
    #[error("`migrate` failed: {0}")]
    Failed(CallError),
}

impl Instance {
    /// Hands entries of an older version over; a new value for each. After a failure the instance cannot be relied on.
    pub fn migrate(&mut self, from: u32, entries: &Entries) -> Result<Slices, MigrateError> {
        let call = self.migration().ok_or(MigrateError::Without)?;
        let guest = self.store.data_mut();
        (guest.rows, guest.first_row, guest.now) = (0, 0, 0);
        let state = std::mem::take(&mut guest.state);
        self.begin_call();
        let (keys, values) = (&entries.keys, &entries.values);
        let keys = types::SlicesParam { ends: keys.ends(), data: keys.data() };
        let values = types::SlicesParam { ends: values.ends(), data: values.data() };
        let answer = call.call(&mut self.store, (from, &entries.store, keys, values));
        self.store.data_mut().state = state;
        let said = match answer {
            Ok((said,)) => said.map_err(MigrateError::Refused)?,
            Err(error) => return Err(MigrateError::Failed(call_failure(&self.store, &self.limits, &error).error)),
        };
        let wrong = |what: String| MigrateError::Failed(CallError::Answer(what));
        if said.data.len() > self.limits.output {
            return Err(wrong(format!("{} bytes; {} is the most", said.data.len(), self.limits.output)));
        }
        let values = Slices::from_parts(said.ends, said.data);
        let values = values.ok_or_else(|| wrong("the ends do not ascend to the length of the data".to_owned()))?;
        if values.len() != entries.at.len() {
            return Err(wrong(format!("{} values for {} entries", values.len(), entries.at.len())));
        }
        let largest = values.iter().map(<[u8]>::len).max().unwrap_or_default();
        if largest > super::guest::MAX_STATE_ITEM {
            return Err(wrong(format!("a value of {largest} bytes")));
        }
        Ok(values)
    }

    fn migration<'a>(&mut self) -> Option<TypedFunc<Call<'a>, Answer>> {
        let interface = self.component.get_export_index(&mut self.store, None, MIGRATION)?;
        let function = self.component.get_export_index(&mut self.store, Some(&interface), "migrate")?;
        self.component.get_typed_func(&mut self.store, function).ok()
    }
}
