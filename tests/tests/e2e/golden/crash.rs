//! Every case with a crash after each step of a commit: the next life ends with the same rows and dead letters.
//!
//! A crash is played by a fail point in the pipeline's writer, which ends there and then; nothing behind it happens. The
//! points are named by pipeline, so other tests beside this one do not see them.

use std::time::Duration;

use millstream::pipeline::{Host, PipelineSpec, Report};

use super::{Input, Stack, append, compare_with_repeats, folder, input, lines, stack};

/// The steps of a commit. Only `mid-frame` leaves half of something behind: a torn frame.
const STEPS: [&str; 5] = ["before-sink", "after-sink", "before-frame", "mid-frame", "after-frame"];
/// Batches of a case, at most: each costs twenty lives.
const BATCHES: usize = 4;
/// So long that all batches of a case are committed together.
const TOGETHER: Duration = Duration::from_secs(1);

/// With batches that are committed one by one, and with all of them in one frame.
pub async fn check(case: &str) {
    for commit_interval in [Duration::ZERO, TOGETHER] {
        check_with(case, commit_interval).await;
    }
}

async fn check_with(case: &str, commit_interval: Duration) {
    let alone = commit_interval.is_zero();
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
            specs[0].config.commit_interval = commit_interval;
            specs[0].config.name = format!("{case}-{step}-{batches}-{alone}");
            let columns = stack::columns(&specs[0]);
            let (dies, report) = life(specs.clone(), step, batches).await;
            if !dies {
                let steps =
                    if alone || matches!(step, "before-sink" | "after-sink") { inputs.len() } else { batch_records };
                assert!(batches >= steps.div_ceil(batch_records), "{case} never came to {step} of batch {batches}");
                break;
            }
            assert!(report.result.is_err(), "{case} survived {step}");
            let (_, report) = life(specs, "", 0).await;
            assert!(report.result.is_ok(), "{case} after a crash at {step}: {:?}", report.result);
            let letters = compare_with_repeats(case, &stack, &columns, &inputs, &report).await;
            let repeated = letters - report.figures.totals.dead_lettered_total() as usize;
            // Only between the dead letters and the frame that commits them can a crash repeat some: those of a batch, or of
            // those that were to be committed together.
            let most = match step {
                "before-frame" | "mid-frame" => {
                    if alone {
                        batch_records
                    } else {
                        inputs.len()
                    }
                }
                _ => 0,
            };
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
