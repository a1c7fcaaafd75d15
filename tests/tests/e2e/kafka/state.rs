//! State in a topic: it moves with its partitions, and a host that has lost one cannot write to it any more.

use std::collections::BTreeMap;

use millstream::{
    config::TopicState,
    state::{Owned, StageState, TopicLog, Totals},
};

use super::Topic;

type Stages = BTreeMap<String, StageState>;

fn stages(ttl_ms: u64) -> Stages {
    let mut state = StageState::new();
    state.declare("seen", ttl_ms);
    [("dedup".to_owned(), state)].into()
}

fn seconds() -> u32 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as u32
}

/// A host: its own connection to the changelog, and the state it has in memory.
struct Host {
    log: std::sync::Arc<TopicLog>,
    stages: Stages,
}

impl Host {
    async fn start(topic: &Topic, partitions: usize, ttl_ms: u64) -> Self {
        let config = TopicState {
            display: format!("kafka://{}/{}", topic.brokers, topic.name),
            brokers: topic.brokers.clone(),
            topic: topic.name.clone(),
            replication: 1,
            options: Vec::new(),
        };
        let stages = stages(ttl_ms);
        let log = TopicLog::open(&config, "e2e", partitions, &stages).await.unwrap();
        Self { log: log.into(), stages }
    }

    async fn take_over(&mut self, partitions: &[i32]) -> Vec<Owned> {
        let (log, partitions, mut stages) = (self.log.clone(), partitions.to_vec(), std::mem::take(&mut self.stages));
        // As in a pipeline: on a thread that is not the runtime's.
        let restored =
            std::thread::spawn(move || (log.take_over(&partitions, &mut stages, &|| false).unwrap(), stages));
        let (owned, stages) = tokio::task::spawn_blocking(|| restored.join().unwrap()).await.unwrap();
        self.stages = stages;
        owned.unwrap()
    }

    /// Commits a key seen in a partition, which is still ours.
    async fn commit(&mut self, owned: &Owned, key: &str) -> Owned {
        let (owned, lost) = self.try_commit(owned, key).await;
        assert_eq!(lost, None, "nobody else has claimed partition {}", owned.partition);
        owned
    }

    /// Commits a key seen in a partition. Says whether another host has claimed it meanwhile.
    async fn try_commit(&mut self, owned: &Owned, key: &str) -> (Owned, Option<i32>) {
        let state = self.stages.get_mut("dedup").unwrap();
        assert!(state.put_if_absent(0, 0, key.as_bytes(), seconds()).unwrap(), "{key} is new");
        let writes = state.take_writes();
        let added = Totals { consumed: 1, written: 1, ..Totals::default() };
        let mut owned = [owned.after(&added, Some(owned.next.unwrap_or(0) + 1))];
        let now_ms = i64::from(seconds()) * 1000;
        let frame = self.log.frame(&owned[0], &[("dedup", &writes)], &|_| true, now_ms);
        let lost = self.log.append_frames(&mut owned, vec![frame], now_ms).await.unwrap();
        let [owned] = owned;
        (owned, lost)
    }

    fn has_seen(&mut self, key: &str) -> bool {
        let state = self.stages.get_mut("dedup").unwrap();
        let seen = !state.put_if_absent(0, 0, key.as_bytes(), seconds()).unwrap();
        state.undo_call();
        seen
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_moves_with_its_partition_and_a_zombie_cannot_add_to_it() {
    let Some(topic) = Topic::named() else { return };
    for ttl_ms in [0, 600_000] {
        let topic = Topic { name: format!("{}-{ttl_ms}", topic.name), ..Topic::named().unwrap() };
        let mut first = Host::start(&topic, 2, ttl_ms).await;
        let taken = first.take_over(&[0, 1]).await;
        assert!(taken.iter().all(|owned| owned.next.is_none() && owned.totals == Totals::default()));
        let zero = first.commit(&taken[0], "a").await;
        let one = first.commit(&taken[1], "b").await;
        let zero = first.commit(&zero, "c").await;

        let mut second = Host::start(&topic, 2, ttl_ms).await;
        let taken = second.take_over(&[0]).await;
        assert_eq!((taken[0].next, taken[0].totals.consumed, taken[0].totals.drift()), (Some(2), 2, 0));
        assert_eq!(["a", "b", "c"].map(|key| second.has_seen(key)), [true, false, true]);

        // The first host does not know yet: its late frame is there, and counts for nobody. But now it knows.
        assert_eq!(first.try_commit(&zero, "zombie").await.1, Some(0));
        first.commit(&one, "d").await;
        // A frame of a host that had lost the partition takes it from nobody.
        let mine = second.commit(&taken[0], "e").await;

        let mut third = Host::start(&topic, 2, ttl_ms).await;
        let taken = third.take_over(&[0, 1]).await;
        let known: Vec<_> = taken.iter().map(|owned| (owned.partition, owned.next, owned.totals.written)).collect();
        assert_eq!(known, [(0, Some(3), 3), (1, Some(2), 2)]);
        assert_eq!(taken[0].seq, mine.seq);
        assert_eq!(
            ["a", "b", "c", "d", "e", "zombie"].map(|key| third.has_seen(key)),
            [true, true, true, true, true, false]
        );

        // Two claims without a commit between them: the position lies further back.
        Host::start(&topic, 2, ttl_ms).await.take_over(&[0]).await;
        let taken = Host::start(&topic, 2, ttl_ms).await.take_over(&[0]).await;
        assert_eq!(taken[0].next, Some(3));
        topic.delete().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_has_grown_widens_the_changelog() {
    let Some(topic) = Topic::named() else { return };
    Host::start(&topic, 1, 0).await;
    let mut host = Host::start(&topic, 3, 0).await;
    let taken = host.take_over(&[2]).await;
    host.commit(&taken[0], "a").await;
    topic.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_would_forget_is_refused() {
    let Some(topic) = Topic::named() else { return };
    let new = rdkafka::admin::NewTopic::new(&topic.name, 1, rdkafka::admin::TopicReplication::Fixed(1));
    let new = new.set("cleanup.policy", "compact");
    topic.admin.create_topics([&new], &super::options()).await.unwrap();
    let config = TopicState {
        display: "kafka://b/t".to_owned(),
        brokers: topic.brokers.clone(),
        topic: topic.name.clone(),
        replication: 1,
        options: Vec::new(),
    };
    let error = TopicLog::open(&config, "e2e", 1, &stages(0)).await.err().unwrap();
    assert!(!error.retryable && error.to_string().contains("cleanup.policy=compact"), "{error}");
    topic.delete().await;
}
