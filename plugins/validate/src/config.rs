//! The settings of the stage, and the checks that they ask for.
//!
//! ```toml
//! required = ["id", "/location/city"]                   # names or JSON pointers
//! rules = [
//!     { field = "email", format = "email" },            # or "uuid"
//!     { field = "gender", one_of = ["male", "female"] },
//!     { field = "phone", pattern = '^\+?[0-9 ]+$', code = "odd_phone" },
//! ]
//! ```
//! Either setting left out means the demo's. Reasons are `code: field`: `missing_field`, `bad_<format>`,
//! `bad_<name of the field>` for `one_of` and `pattern`, or the rule's `code`; and `not_json` before all others.

use millstream_sdk::field_name;
use regex_lite::Regex;
use serde::Deserialize;

use crate::rules::{OneOf, Rule};

/// Most checks of one stage: a fault is one byte.
const MAX_CHECKS: usize = 250;
/// Most characters of a `code`: it is a label of a metric.
const MAX_CODE: usize = 64;

/// The settings as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Fields that must be there and not null.
    #[serde(default = "demo_required")]
    required: Vec<String>,
    #[serde(default = "demo_rules")]
    rules: Vec<RuleConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleConfig {
    field: String,
    format: Option<String>,
    one_of: Option<Vec<String>>,
    pattern: Option<String>,
    code: Option<String>,
}

fn demo_required() -> Vec<String> {
    ["id", "email", "registered_date"].map(str::to_owned).to_vec()
}

fn demo_rules() -> Vec<RuleConfig> {
    let rule = |field: &str| RuleConfig { field: field.to_owned(), ..RuleConfig::default() };
    vec![
        RuleConfig { format: Some("email".to_owned()), ..rule("email") },
        RuleConfig { one_of: Some(vec!["male".to_owned(), "female".to_owned()]), ..rule("gender") },
        RuleConfig { format: Some("uuid".to_owned()), ..rule("id") },
    ]
}

/// One check of one field.
#[derive(Debug)]
pub struct Check {
    /// The field, as written.
    pub field: String,
    /// What must hold.
    pub test: Test,
    /// Why a record is rejected for which it does not.
    pub reason: String,
}

/// What must hold of a field.
#[derive(Debug)]
pub enum Test {
    /// It is there and not null.
    Present,
    /// Its text obeys the rule.
    Rule(Rule),
}

impl Config {
    /// The checks in their order: required fields, then rules. An error says which setting is wrong.
    pub fn checks(self) -> Result<Vec<Check>, String> {
        let mut checks = Vec::new();
        for field in self.required {
            let reason = format!("missing_field: {field}");
            checks.push(Check { field, test: Test::Present, reason });
        }
        for rule in self.rules {
            checks.push(rule.check()?);
        }
        if checks.len() > MAX_CHECKS {
            return Err(format!("{} checks in one stage; the most is {MAX_CHECKS}: use two stages", checks.len()));
        }
        Ok(checks)
    }
}

impl RuleConfig {
    fn check(self) -> Result<Check, String> {
        let Self { field, format, one_of, pattern, code } = self;
        let (rule, what) = match (format, one_of, pattern) {
            (Some(format), None, None) => match format.as_str() {
                "email" => (Rule::Email, format),
                "uuid" => (Rule::Uuid, format),
                _ => {
                    return Err(format!("rule for `{field}`: unknown format `{format}`; known are `email` and `uuid`"));
                }
            },
            (None, Some(choices), None) if choices.is_empty() => {
                return Err(format!("rule for `{field}`: `one_of` is empty, so every record would be rejected"));
            }
            (None, Some(choices), None) => (Rule::OneOf(OneOf::new(choices)), field_name(&field)),
            (None, None, Some(pattern)) => {
                let regex = Regex::new(&pattern)
                    .map_err(|error| format!("rule for `{field}`: the pattern `{pattern}` cannot be read: {error}"))?;
                (Rule::Pattern(regex), field_name(&field))
            }
            _ => return Err(format!("rule for `{field}`: give exactly one of `format`, `one_of` and `pattern`")),
        };
        let code = match code {
            Some(code) if is_code(&code) => code,
            Some(code) => {
                return Err(format!(
                    "rule for `{field}`: the code `{code}` is not 1 to {MAX_CODE} letters, digits, `_`, `-` or `.`"
                ));
            }
            None => format!("bad_{}", what.replace(|c: char| !c.is_ascii_alphanumeric(), "_")),
        };
        let reason = format!("{code}: {field}");
        Ok(Check { field, test: Test::Rule(rule), reason })
    }
}

fn is_code(code: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=MAX_CODE).contains(&code.len()) && code.chars().all(known)
}
