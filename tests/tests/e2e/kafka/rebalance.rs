//! Several members of one group: partitions move, and no record is read twice or left out.

use std::collections::BTreeSet;

use super::*;

const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

async fn write_round(topic: &Topic, round: u32) -> BTreeSet<String> {
    let mut batch = Batch::new("made".into());
    for key in KEYS {
        (0..50).for_each(|n| batch.push(record(Some(key), &format!("{round}-{key}-{n}"))));
    }
    let written = texts(&batch).into_iter().collect();
    assert_eq!(write_all(&mut topic.writer().await, batch).await, []);
    written
}

/// Reads with all members by turns, and lets each handle what it read, until `count` records have come.
async fn read(members: &mut [&mut KafkaReader], count: usize) -> Vec<(usize, String)> {
    let mut read = Vec::new();
    let mut committers: Vec<_> = members.iter().map(|member| member.committer()).collect();
    while read.len() < count {
        for (member, reader) in members.iter_mut().enumerate() {
            let mut batch = Batch::new("none".into());
            if reader.fill(&mut batch, &limits()).await.unwrap() == Filled::Records {
                committers[member].commit(&batch.positions()).await.unwrap();
                read.extend(texts(&batch).into_iter().map(|text| (member, text)));
            }
        }
    }
    read
}

fn only_texts(read: &[(usize, String)]) -> BTreeSet<String> {
    let texts: BTreeSet<String> = read.iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts.len(), read.len(), "a record came twice");
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_move_to_a_new_member_and_back_without_a_gap_or_a_repeat() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(4).await;
    let written = write_round(&topic, 1).await;
    let mut first = topic.reader(Positions::default()).await;
    assert_eq!(only_texts(&read(&mut [&mut first], written.len()).await), written);

    let mut second = topic.reader(Positions::default()).await;
    let both = async {
        loop {
            // Caught up means: assigned. The new member has partitions once the other has given some up.
            for reader in [&mut first, &mut second] {
                let mut batch = Batch::new("none".into());
                assert_ne!(reader.fill(&mut batch, &limits()).await.unwrap(), Filled::Records);
            }
            if [&first, &second].iter().all(|reader| reader.assigned() == 2) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("the partitions were not shared");
    let written = write_round(&topic, 2).await;
    let shared = read(&mut [&mut first, &mut second], written.len()).await;
    assert_eq!(only_texts(&shared), written);
    assert!(shared.iter().any(|(member, _)| *member == 0) && shared.iter().any(|(member, _)| *member == 1));

    Box::new(second).close().await;
    let written = write_round(&topic, 3).await;
    assert_eq!(only_texts(&read(&mut [&mut first], written.len()).await), written);
    topic.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_sink_is_away_for_longer_than_a_poll_interval_stays_in_its_group() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(4).await;
    let written = write_round(&topic, 1).await;
    let interval = Duration::from_millis(6_000);
    let options = ["max.poll.interval.ms", "session.timeout.ms"].map(|name| (name.to_owned(), "6000".to_owned()));
    let config = KafkaSource { options: options.into(), ..topic.source() };
    let mut member = open(&config, Positions::default()).await.unwrap();
    let one = BatchLimits { records: 1, ..limits() };
    let mut taken = Batch::new("none".into());
    while member.fill(&mut taken, &one).await.unwrap() != Filled::Records {}
    // Nothing is committed: if it had to join again, all would come again.
    tokio::time::sleep(interval + interval / 3).await;
    assert_eq!(member.assigned(), 4);
    let rest = drain(&mut member).await.unwrap();
    let all: Vec<_> = texts(&taken).into_iter().chain(texts(&rest)).map(|text| (0, text)).collect();
    assert_eq!(only_texts(&all), written);
    topic.delete().await;
}

#[tokio::test]
async fn records_read_ahead_of_a_revoked_partition_are_not_handed_out() {
    let Some(topic) = Topic::named() else { return };
    let topic = topic.create(2).await;
    let written = write_round(&topic, 1).await;
    let mut first = topic.reader(Positions::default()).await;
    // One record is taken, so everything else is read ahead.
    let one = BatchLimits { records: 1, ..limits() };
    let mut taken = Batch::new("none".into());
    while first.fill(&mut taken, &one).await.unwrap() != Filled::Records {}
    // A second member gets one of the partitions, from its beginning, as nothing was committed.
    let mut second = topic.reader(Positions::default()).await;
    let share = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            let share = drain(&mut second).await.unwrap();
            if !share.is_empty() {
                return share;
            }
        }
    });
    let share = share.await.expect("the second member got nothing");
    let rest = drain(&mut first).await.unwrap();
    let mine: BTreeSet<i32> = rest.partitions.iter().copied().collect();
    let theirs: BTreeSet<i32> = share.partitions.iter().copied().collect();
    assert!(mine.is_disjoint(&theirs), "{mine:?} and {theirs:?}");
    let mut all: BTreeSet<String> = texts(&rest).into_iter().chain(texts(&share)).collect();
    all.extend(texts(&taken));
    assert_eq!(all, written);
    topic.delete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_arrive_while_members_come_and_go_are_all_read() {
    let Some(topic) = Topic::named() else { return };
    let topic = Arc::new(topic.create(4).await);
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writing = tokio::spawn({
        let (topic, done) = (topic.clone(), done.clone());
        async move {
            let mut writer = topic.writer().await;
            let mut written = BTreeSet::new();
            // One record per partition and write, so that every partition is read to its end again and again.
            for round in 0.. {
                let mut batch = Batch::new("made".into());
                KEYS.iter().for_each(|key| batch.push(record(Some(key), &format!("{round}-{key}"))));
                written.extend(texts(&batch));
                assert_eq!(write_all(&mut writer, batch).await, []);
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    return written;
                }
            }
            written
        }
    });
    let mut seen = BTreeSet::new();
    let mut first = topic.reader(Positions::default()).await;
    for _ in 0..2 {
        let mut second = topic.reader(Positions::default()).await;
        let joined = async {
            while second.assigned() < 2 || first.assigned() > 2 {
                seen.extend(read(&mut [&mut first, &mut second], 1).await.into_iter().map(|(_, text)| text));
            }
        };
        tokio::time::timeout(Duration::from_secs(30), joined).await.expect("the partitions were not shared");
        Box::new(second).close().await;
        let left = async {
            while first.assigned() < 4 {
                seen.extend(read(&mut [&mut first], 1).await.into_iter().map(|(_, text)| text));
            }
        };
        tokio::time::timeout(Duration::from_secs(30), left).await.expect("the partitions did not come back");
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    let written = writing.await.unwrap();
    seen.extend(texts(&drain(&mut first).await.unwrap()));
    // Some may come twice: read by the one, committed too late for the other.
    let missing: Vec<_> = written.difference(&seen).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), written.len());
    topic.delete().await;
}
