//! Every case with a crash after each step of a commit: the next life ends with the same rows and dead letters.
//!
//! A crash is played by a fail point in the pipeline's writer, which ends there and then; nothing behind it happens. The
//! points are named by pipeline, so other tests beside this one do not see them.

use millstream::pipeline::{Host, PipelineSpec, Report};

use super::{Input, Stack, append, compare_with_repeats, folder, input, lines, stack};

/// The steps of a commit. Only `mid-frame` leaves half of something behind: a torn frame.
const STEPS: [&str; 5] = ["before-sink", "after-sink", "before-frame", "mid-frame", "after-frame"];
/// Batches of a case, at most: each costs ten lives.
const BATCHES: usize = 4;

pub async fn check(case: &str) {
    let config = std::fs::read_to_string(folder().join(case).join("pipeline.toml")).unwrap();
    let inputs: Vec<Input> = lines(case, "input").iter().map(input).collect();
    let batch_records = inputs.len().div_ceil(BATCHES);
    for step in STEPS {
        // In the first batch, and in each later one.
        for batches in 0.. {
            let stack = Stack::embedded().unwrap();
            stack.create_topic("source", 1).await;
            append(&stack, &inputs).await;
            let mut specs = stack.specs(&config);
            specs[0].config.source.batch_records = batch_records;
            specs[0].config.name = format!("{case}-{step}-{batches}");
            let columns = stack::columns(&specs[0]);
            let (dies, report) = life(specs.clone(), step, batches).await;
            if !dies {
                assert!(
                    batches >= inputs.len().div_ceil(batch_records),
                    "{case} never came to {step} of batch {batches}"
                );
                break;
            }
            assert!(report.result.is_err(), "{case} survived {step}");
            let (_, report) = life(specs, "", 0).await;
            assert!(report.result.is_ok(), "{case} after a crash at {step}: {:?}", report.result);
            let letters = compare_with_repeats(case, &stack, &columns, &inputs, &report).await;
            let repeated = letters - report.figures.totals.dead_lettered_total() as usize;
            // Only between the dead letters and the frame that commits them can a crash repeat some: those of a batch.
            let most = if matches!(step, "before-frame" | "mid-frame") { batch_records } else { 0 };
            assert!(repeated <= most, "{case}: {repeated} dead letters are there again after a crash at {step}");
        }
    }
}

/// Runs the pipeline until it ends by itself or comes to that step after so many batches. Says whether it came there.
async fn life(specs: Vec<PipelineSpec>, step: &str, batches: usize) -> (bool, Report) {
    let point = format!("{}/{step}", specs[0].config.name);
    let action = if step == "mid-frame" { "return" } else { "panic" };
    fail::cfg(&point, &format!("{batches}*off->{action}")).unwrap();
    let report = Host::start(specs).wait().await.remove(0);
    fail::remove(&point);
    (report.result.is_err(), report)
}
