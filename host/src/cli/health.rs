//! `millstream health`: whether a running host is ready, told by the exit code; for health checks of containers and service
//! managers, which then need no other program.

use std::time::Duration;

use anyhow::Context;

use super::{Exit, HealthArgs, admin::Admin, run};

/// A host on this machine answers at once; one that does not is not healthy.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks once.
pub fn health(args: &HealthArgs) -> anyhow::Result<Exit> {
    let admin = Admin::of(&args.at)?;
    let path = if args.live { "/healthz" } else { "/readyz" };
    run::drive(run::runtime()?, async {
        let asked = async { admin.get(path).await?.text().await.context("cannot read the answer") };
        let answer = tokio::time::timeout(TIMEOUT, asked).await;
        println!("{}", answer.with_context(|| format!("{admin} does not answer within {TIMEOUT:?}"))??.trim());
        Ok(Exit::Fine)
    })
}
