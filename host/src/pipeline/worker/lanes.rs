//! Lanes: threads on which batches are begun, so that parsing and the stages that keep nothing use more than one core.
//!
//! In comes a batch with an instance of the chain's head, out comes the batch, begun, as a task for the worker, who finishes
//! batches in their order. Lanes decide nothing; where there is none, the worker begins every batch itself.

use std::sync::{Arc, Mutex, PoisonError, mpsc::Receiver, mpsc::Sender};

use tokio::sync::mpsc::WeakUnboundedSender;

use super::Task;
use crate::{
    record::Batch,
    transform::{Begun, ChainError, Head},
};

/// A batch to begin.
struct Job {
    /// The worker's number of it.
    number: u64,
    head: Head,
    batch: Arc<Batch>,
}

/// A batch that was begun, or why it could not be.
pub(in crate::pipeline) struct Ahead {
    pub number: u64,
    /// Goes back to the chain that lent it, if that still runs.
    pub head: Head,
    pub begun: Result<Begun, ChainError>,
}

/// Threads that end with this.
pub(super) struct Lanes(Option<Sender<Job>>);

impl Lanes {
    /// Starts `threads` threads.
    pub fn start(pipeline: &str, threads: usize, tasks: &WeakUnboundedSender<Task>) -> std::io::Result<Self> {
        if threads == 0 {
            return Ok(Self(None));
        }
        let (jobs, taken) = std::sync::mpsc::channel();
        let taken = Arc::new(Mutex::new(taken));
        for lane in 1..=threads {
            let (taken, tasks) = (taken.clone(), tasks.clone());
            std::thread::Builder::new().name(format!("lane{lane}-{pipeline}")).spawn(move || work(&taken, &tasks))?;
        }
        Ok(Self(Some(jobs)))
    }

    /// Has a batch begun. Gives the head back where there is nobody to do it.
    pub fn begin(&self, number: u64, head: Head, batch: Arc<Batch>) -> Result<(), Head> {
        let job = Job { number, head, batch };
        match &self.0 {
            Some(jobs) => jobs.send(job).map_err(|unsent| unsent.0.head),
            None => Err(job.head),
        }
    }
}

fn work(jobs: &Mutex<Receiver<Job>>, tasks: &WeakUnboundedSender<Task>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { number, mut head, batch }) = job else { return };
        let gone = Gone(tasks);
        let begun = head.begin(batch);
        std::mem::forget(gone);
        // The worker may have ended.
        let _ = tasks.upgrade().map(|tasks| tasks.send(Task::Begun(Box::new(Ahead { number, head, begun }))));
    }
}

/// Tells the worker of a lane that ends in the middle of a batch, which would otherwise be waited for without end.
struct Gone<'a>(&'a WeakUnboundedSender<Task>);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let _ = self.0.upgrade().map(|tasks| tasks.send(Task::LaneGone));
    }
}
