//! `[pipeline.stage.config]` as the JSON that a plugin gets. Whatever TOML has that JSON lacks is a fault or a text.

use serde_json::{Map, Number, Value};
use toml::{Spanned, de::DeValue};

use super::{context::Context, fault::Fault};

/// `None` where a value has no JSON; the fault is noted.
pub(super) fn json(cx: &mut Context<'_>, value: &Spanned<DeValue<'_>>) -> Option<Value> {
    let number = |number: Option<Number>, cx: &mut Context<'_>| {
        if number.is_none() {
            let fault = Fault::new("bad-value", value.span(), "a plugin's config is JSON, which has no such number");
            cx.fault(fault.hint("numbers are finite and within 64 bits; write others as texts"));
        }
        number.map(Value::Number)
    };
    match value.get_ref() {
        DeValue::String(text) => cx.substitute(text, value.span()).map(|text| Value::String(text.value)),
        DeValue::Boolean(flag) => Some(Value::Bool(*flag)),
        DeValue::Datetime(date) => Some(Value::String(date.to_string())),
        DeValue::Integer(integer) => {
            let integer = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
            number(integer.and_then(Number::from_i128), cx)
        }
        DeValue::Float(float) => number(float.as_str().parse().ok().and_then(Number::from_f64), cx),
        DeValue::Array(items) => {
            // every item is looked at, so that every fault is found
            let items: Vec<_> = items.iter().map(|item| json(cx, item)).collect();
            items.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
        }
        DeValue::Table(table) => {
            let entries: Vec<_> =
                table.iter().map(|(key, value)| Some((key.get_ref().to_string(), json(cx, value)?))).collect();
            entries.into_iter().collect::<Option<Map<_, _>>>().map(Value::Object)
        }
    }
}
