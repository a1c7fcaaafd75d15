//! Where a running pipeline stands: up to where its records are durable, which dead letters are dealt with, and what becomes
//! of those that are being replayed. The writer says it; a replay asks, and one at a time may listen.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::{
    record::{Handled, Positions},
    state::Totals,
};

/// Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Standing(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// `None` while the pipeline is not open.
    durable: Option<Durable>,
    /// Whose replay it is, and whoever waits for what becomes of it.
    listener: Option<(u64, mpsc::UnboundedSender<News>)>,
    /// How many replays there were.
    replays: u64,
}

/// What is durable.
#[derive(Debug, Clone)]
pub(super) struct Durable {
    /// Up to where records are committed.
    pub positions: Positions,
    /// Dead letters that are dealt with; `None` where state moves with its partitions, and nobody keeps them.
    pub handled: Option<Handled>,
}

/// What became of letters that were handed to the worker.
#[derive(Debug)]
pub(super) enum News {
    /// A batch is durable, or, where nothing is to be written, was judged.
    Done(Totals),
    /// The plugin that was given for the replay is broken.
    Broken(String),
}

impl Standing {
    /// A life of the pipeline begins here.
    pub fn begin(&self, durable: Durable) {
        self.lock().durable = Some(durable);
    }

    /// It ends; whoever listens hears of it.
    pub fn end(&self) {
        let mut inner = self.lock();
        (inner.durable, inner.listener) = (None, None);
    }

    /// A commit was made.
    pub fn committed(&self, positions: &Positions, handled: &Handled) {
        if let Some(durable) = &mut self.lock().durable {
            durable.positions.merge(positions);
            durable.handled.iter_mut().for_each(|known| known.merge(handled));
        }
    }

    /// Tells whoever replays, unless that replay was given up.
    pub fn tell(&self, replay: u64, news: News) {
        if let Some((_, listener)) = self.lock().listener.as_ref().filter(|(of, _)| *of == replay) {
            // It may have gone.
            let _ = listener.send(news);
        }
    }

    /// As it is now; `None` while the pipeline is not open.
    pub fn durable(&self) -> Option<Durable> {
        self.lock().durable.clone()
    }

    /// Up to where records are committed.
    pub fn positions(&self) -> Positions {
        self.lock().durable.as_ref().map(|durable| durable.positions.clone()).unwrap_or_default()
    }

    /// Begins a replay and gives its number; `None` while there is another one.
    pub fn listen(&self) -> Option<(u64, mpsc::UnboundedReceiver<News>)> {
        let mut inner = self.lock();
        if inner.listener.as_ref().is_some_and(|(_, listener)| !listener.is_closed()) {
            return None;
        }
        let (listener, news) = mpsc::unbounded_channel();
        inner.replays += 1;
        inner.listener = Some((inner.replays, listener));
        Some((inner.replays, news))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
