//! `millstream explain`: what a code means and what to do about it.

use super::Exit;
use crate::config::{explain, explanations};

/// Explains one, or lists all.
pub fn print(code: Option<&str>) -> anyhow::Result<Exit> {
    let Some(code) = code else {
        for explanation in explanations() {
            println!("{}", explanation.code);
        }
        return Ok(Exit::Fine);
    };
    match explain(code) {
        Ok(explanation) => {
            println!("{}\n\n{}", explanation.code, explanation.text);
            Ok(Exit::Fine)
        }
        Err(meant) => {
            let hint = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => {
                    "`millstream explain` lists all; a plugin's own codes are explained by its documentation".to_owned()
                }
            };
            eprintln!("error: there is no code `{code}`; {hint}");
            Ok(Exit::Usage)
        }
    }
}
