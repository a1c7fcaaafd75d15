//! Stopping in two steps: first no more is read and what was read is finished; then, if that takes too long, whatever is
//! not committed is left for the next start.

use tokio::sync::watch;

/// How far stopping has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Run,
    Drain,
    Abandon,
}

/// Asks pipelines to stop.
#[derive(Debug, Clone)]
pub struct Stopper(watch::Sender<Step>);

/// Hears of it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Step>);

/// A stopper and what hears of it.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(Step::Run);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Reads no more; what was read is written and committed.
    pub fn drain(&self) {
        self.raise(Step::Drain);
    }

    /// Waits for nothing any more. What was not committed is read again at the next start.
    pub fn abandon(&self) {
        self.raise(Step::Abandon);
    }

    fn raise(&self, to: Step) {
        self.0.send_if_modified(|step| {
            let raised = *step < to;
            *step = (*step).max(to);
            raised
        });
    }

    /// Hears of this stopper.
    pub fn listen(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

impl Stop {
    /// Waits until reading is to end.
    pub async fn draining(&mut self) {
        self.reached(Step::Drain).await;
    }

    /// Waits until nothing is to be waited for any more.
    pub async fn abandoned(&mut self) {
        self.reached(Step::Abandon).await;
    }

    /// Passes on to another stopper whatever this one hears.
    pub async fn pass_on(mut self, to: Stopper) {
        self.draining().await;
        to.drain();
        self.abandoned().await;
        to.abandon();
    }

    /// Whether reading is to end.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Step::Drain
    }

    /// Whether nothing is to be waited for any more.
    pub fn is_abandoned(&self) -> bool {
        *self.0.borrow() == Step::Abandon
    }

    async fn reached(&mut self, step: Step) {
        if self.0.wait_for(|now| *now >= step).await.is_err() {
            // The stopper is gone, so nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}
