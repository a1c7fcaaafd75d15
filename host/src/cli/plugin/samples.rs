//! `millstream plugin test`: a plugin's samples, in the real sandbox.

use super::{Exit, Screen, TestArgs, open, stage};
use crate::{pipeline::chain_of, samples::Samples};

/// Runs them.
pub fn test(args: &TestArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let path = &args.plugin.plugin;
    let samples = match Samples::of(path) {
        Ok(Some(samples)) if !samples.samples.is_empty() => samples,
        Ok(_) => {
            let beside = Samples::beside(path);
            eprintln!(
                "error: there are no samples in `{}`; write there what must become of which record:",
                beside.display()
            );
            eprintln!("\n[[sample]]\nname = \"an empty object goes on\"\nvalue = '{{}}'\nkeep = true");
            return Ok(Exit::Usage);
        }
        Err(error) => {
            eprintln!("error: {}", chain_of(&error));
            return Ok(Exit::Usage);
        }
    };
    let opened = match open(path, screen) {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(Exit::Usage);
        }
    };
    let tried = match samples.run(&stage(&opened.plugin, args.plugin.config.as_deref().unwrap_or("{}"))) {
        Ok(tried) => tried,
        Err(error) => {
            eprintln!("error: {}", chain_of(&error));
            return Ok(Exit::Usage);
        }
    };
    let mut failed = 0;
    for (sample, tried) in samples.samples.iter().zip(&tried) {
        let name = sample.name.clone().unwrap_or_else(|| format!("line {}", sample.line));
        let verdict = if tried.held { "ok" } else { "FAILED" };
        println!("{name} ... {verdict} ({} us)", tried.took.as_micros());
        if !tried.held {
            failed += 1;
            println!("    {}:{}", samples.path.display(), sample.line);
            println!("    expected to be {}", sample.expected);
            println!("    was {}", tried.fate);
        }
    }
    println!("{} held, {failed} failed", tried.len() - failed);
    Ok(if failed > 0 { Exit::Failed } else { Exit::Fine })
}
