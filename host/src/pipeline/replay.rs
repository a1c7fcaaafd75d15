//! Dead letters on their way back: through the stages of the pipeline that rejected them, and into its sink.
//!
//! The letters go to the running pipeline's worker as batches beside those of its source. So they meet the state that its
//! records meet, are written, committed and, if need be, dead-lettered by the same code, and what is dealt with is kept in
//! the same frame as everything else of a commit: a crash repeats a batch of letters at most, as it does with records. Each
//! record has the place and time that it had when it was rejected; so a row that it becomes is as old as it would have
//! been, and never overwrites a newer one.
//!
//! A letter whose record the pipeline has not committed yet (a crash left it behind, and the record is judged again)
//! stays where it is.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    Control, ReplayLedger, chain_of,
    standing::{Durable, News},
    worker::{Mail, OwnStages, Task},
};
use crate::{
    config::PipelineConfig,
    dead_letters::{Letter, Scan, ScanError, Which},
    plugin::Plugin,
    record::{Batch, Handled, Letters, Positions},
    transform::Chain,
};

/// What is to be replayed, and how.
#[derive(Clone, Default)]
pub struct Replay {
    /// Which letters.
    pub which: Which,
    /// A plugin to run instead of a stage's own.
    pub replacement: Option<Replacement>,
    /// Whether to say only what would happen.
    pub dry_run: bool,
}

/// A plugin to run instead of a stage's own.
#[derive(Clone)]
pub struct Replacement {
    /// The stage; may be left out where the letters' stage is given, or where there is only one.
    pub stage: Option<String>,
    /// The plugin.
    pub plugin: Plugin,
}

/// Why nothing was replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is none of that name.
    #[error("there is no pipeline `{0}`")]
    NoPipeline(String),
    /// It does not run.
    #[error("pipeline `{0}` has ended")]
    Ended(String),
    /// One at a time.
    #[error("another replay of pipeline `{0}` is under way; wait for it to end")]
    Busy(String),
    /// State that moves.
    #[error(
        "pipeline `{0}` keeps its state in a topic, and a dead letter's partition may be another host's; only pipelines with \
         their state in files can replay"
    )]
    StateInTopic(String),
    /// The letters cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Offsets were remembered that the topic does not have.
    #[error(
        "`{topic}` ends at offset {end} of partition {partition}, and letters up to offset {handled} were replayed: it was \
         made anew since; give the pipeline's dead letters another topic"
    )]
    MadeAnew {
        /// The topic.
        topic: String,
        /// Its partition.
        partition: i32,
        /// Where it ends.
        end: i64,
        /// What was replayed.
        handled: i64,
    },
    /// The plugin that was given.
    #[error("the plugin that was given for the replay cannot run: {0}")]
    Plugin(String),
    /// It is not clear for which stage the plugin is.
    #[error("say by `--stage` which stage of pipeline `{pipeline}` the plugin is for: {stages}")]
    WhichStage {
        /// The pipeline.
        pipeline: String,
        /// Its stages.
        stages: String,
    },
}

/// Replays dead letters of a pipeline that runs.
pub(super) async fn replay(
    control: &Control,
    config: &PipelineConfig,
    data_dir: &Path,
    replay: &Replay,
) -> Result<ReplayLedger, ReplayError> {
    let name = &config.name;
    let ended = || ReplayError::Ended(name.clone());
    let (tasks, room) = control.worker().ok_or_else(ended)?;
    let Durable { handled, .. } = control.standing().durable().ok_or_else(ended)?;
    let handled = handled.ok_or_else(|| ReplayError::StateInTopic(name.clone()))?;
    let stages =
        replay.replacement.as_ref().map(|plugin| own_stages(control, config, &replay.which, plugin)).transpose()?;
    let mut scan = Scan::open(&config.dead_letters, data_dir, name).await?;
    for (partition, end) in scan.ends().iter() {
        if let Some(handled) = handled.end(scan.topic(), partition).filter(|handled| *handled > end) {
            return Err(ReplayError::MadeAnew { topic: scan.topic().to_owned(), partition, end, handled });
        }
    }
    let (number, news) = control.standing().listen().ok_or_else(|| ReplayError::Busy(name.clone()))?;
    let mut sorter = Sorter {
        pipeline: name,
        which: &replay.which,
        committed: Positions::default(),
        known: handled,
        letters: scan.topic().to_owned(),
        number,
        made: Made::default(),
        ledger: ReplayLedger::default(),
    };
    let mut post = Post { tasks, room, news, stages, dry_run: replay.dry_run };
    while let Some(read) = scan.next().await? {
        sorter.committed = control.standing().positions();
        for row in 0..read.len() {
            if let Some(batch) = sorter.sort(&read, row)
                && !post.send(batch, &mut sorter.ledger).await
            {
                return Ok(sorter.ledger);
            }
        }
    }
    let last = sorter.flush();
    let all_sent = match last {
        Some(batch) => post.send(batch, &mut sorter.ledger).await,
        None => true,
    };
    if all_sent {
        post.collect(&mut sorter.ledger).await;
    }
    Ok(sorter.ledger)
}

/// The pipeline's stages with one of them replaced, ready to run.
fn own_stages(
    control: &Control,
    config: &PipelineConfig,
    which: &Which,
    replacement: &Replacement,
) -> Result<OwnStages, ReplayError> {
    let mut stages = control.stages();
    let only = || match stages.as_slice() {
        [only] => Some(only.name.stage.to_string()),
        _ => None,
    };
    let wanted = replacement.stage.clone().or_else(|| which.stage.clone()).or_else(only);
    let Some(stage) = stages.iter_mut().find(|stage| wanted.as_deref() == Some(&*stage.name.stage)) else {
        let names: Vec<_> = config.stages.iter().map(|stage| stage.name.as_str()).collect();
        return Err(ReplayError::WhichStage { pipeline: config.name.clone(), stages: names.join(", ") });
    };
    stage.plugin = replacement.plugin.clone();
    let chain = tokio::task::block_in_place(|| Chain::new(stages));
    let chain = chain.map_err(|error| ReplayError::Plugin(chain_of(&error)))?;
    control.accepts(&chain).map_err(ReplayError::Plugin)?;
    Ok(Arc::new(Mutex::new(chain)))
}

/// Most records in a batch, and most bytes of them.
const RECORDS: usize = 1024;
const BYTES: usize = 1 << 20;

/// Decides about each letter, and makes batches of those that are meant.
struct Sorter<'a> {
    pipeline: &'a str,
    which: &'a Which,
    /// Up to where records are committed.
    committed: Positions,
    /// Letters that were dealt with when the replay began.
    known: Handled,
    /// The topic of the letters.
    letters: String,
    number: u64,
    made: Made,
    ledger: ReplayLedger,
}

/// A batch that is being made.
#[derive(Default)]
struct Made {
    batch: Option<Batch>,
    letters: Letters,
}

impl Sorter<'_> {
    /// Looks at a record of the letters' topic. Gives a batch where one is full, or where its topic changes.
    fn sort(&mut self, read: &Batch, row: usize) -> Option<Batch> {
        let record = read.record(row);
        let (partition, offset) = (record.partition, record.offset);
        if self.known.contains(&self.letters, partition, offset) {
            self.ledger.replayed_before += u64::from(self.is_ours(read, row));
            return None;
        }
        let Some(letter) = Letter::read(record).filter(|letter| letter.pipeline == self.pipeline) else {
            // Never ours; so that what is remembered stays one interval.
            self.made.letters.handled.add(&self.letters, partition, offset, offset + 1);
            return None;
        };
        if !self.which.takes(&letter) {
            self.ledger.not_asked_for += 1;
            return None;
        }
        if self.committed.next_offset(letter.partition).is_none_or(|next| next <= letter.offset) {
            self.ledger.not_committed += 1;
            return None;
        }
        let is_full = |batch: &Batch| *batch.topic != *letter.topic || batch.len() >= RECORDS || batch.bytes() >= BYTES;
        let full = if self.made.batch.as_ref().is_some_and(is_full) { self.flush() } else { None };
        let batch = self.made.batch.get_or_insert_with(|| Batch::new(letter.topic.as_ref().into()));
        batch.push(crate::record::Record { partition: letter.partition, offset: letter.offset, ..letter.record });
        self.made.letters.attempts.push(letter.attempt);
        self.made.letters.handled.add(&self.letters, partition, offset, offset + 1);
        full
    }

    fn is_ours(&self, read: &Batch, row: usize) -> bool {
        Letter::read(read.record(row)).is_some_and(|letter| letter.pipeline == self.pipeline)
    }

    /// What was made so far.
    fn flush(&mut self) -> Option<Batch> {
        let mut batch = self.made.batch.take()?;
        self.ledger.sent(batch.len());
        let letters = std::mem::take(&mut self.made.letters);
        batch.letters = Some(Arc::new(Letters { replay: self.number, ..letters }));
        Some(batch)
    }
}

/// The way to the worker, and what comes back from behind it.
struct Post {
    tasks: mpsc::WeakUnboundedSender<Task>,
    room: Arc<Semaphore>,
    news: mpsc::UnboundedReceiver<News>,
    stages: Option<OwnStages>,
    dry_run: bool,
}

impl Post {
    /// Sends a batch as soon as there is room; `false` where there is no use in going on.
    async fn send(&mut self, batch: Batch, ledger: &mut ReplayLedger) -> bool {
        let room: Option<OwnedSemaphorePermit> = self.room.clone().acquire_owned().await.ok();
        while let Ok(news) = self.news.try_recv() {
            if !hear(news, ledger) {
                return false;
            }
        }
        let sent = room.zip(self.tasks.upgrade()).is_some_and(|(room, tasks)| {
            let mail = Mail { batch: Arc::new(batch), stages: self.stages.clone(), dry_run: self.dry_run };
            tasks.send(Task::Letters(mail, room)).is_ok()
        });
        if !sent {
            ledger.ended = Some(ENDED.to_owned());
        }
        sent
    }

    /// Waits until it is known what became of all that was sent.
    async fn collect(&mut self, ledger: &mut ReplayLedger) {
        while ledger.missing > 0 {
            let Some(news) = self.news.recv().await else {
                ledger.ended = Some(ENDED.to_owned());
                return;
            };
            if !hear(news, ledger) {
                return;
            }
        }
    }
}

const ENDED: &str = "the pipeline ended meanwhile; replay again for the rest";

fn hear(news: News, ledger: &mut ReplayLedger) -> bool {
    match news {
        News::Done(totals) => ledger.settled(&totals),
        News::Broken(why) => ledger.ended = Some(why),
    }
    ledger.ended.is_none()
}
