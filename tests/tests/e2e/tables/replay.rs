//! A row that may have been written before a crash lives no longer than without the crash.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use millstream::{
    record::Replay,
    sink::{Sink, WriteBatch},
};

use super::engine::{Engine, TestRecord, batch, create, with_both};

const TTL: Duration = Duration::from_secs(1_000);
const A: &str = r#"{"id":"0000000a-0000-4000-8000-000000000000","age":1}"#;
const B: &str = r#"{"id":"0000000b-0000-4000-8000-000000000000","age":2}"#;
const B_NEWER: &str = r#"{"id":"0000000b-0000-4000-8000-000000000000","age":3}"#;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Writes the records, of which those before offset `until` may have been written `age` ago. All must be taken.
async fn replay(sink: &mut dyn Sink, records: &[TestRecord<'_>], until: i64, age: Duration) {
    let mut replay = Replay::default();
    replay.add(0, until, now_ms() - age.as_millis() as i64);
    let batch = batch(&sink.fields(), records);
    let batch = Arc::new(WriteBatch { replay: Some(Arc::new(replay)), ..(*batch).clone() });
    let rows: Vec<u32> = (0..records.len() as u32).collect();
    assert_eq!(sink.write(&batch, &rows).await, [], "what has expired counts as written");
}

#[tokio::test]
async fn what_has_expired_since_it_may_have_been_written_stays_away() {
    with_both(async |engine| {
        let mut sink = engine.open("users", create(Some(TTL)), false).await.unwrap();
        replay(&mut *sink, &[(A, 1_000, 4), (B, 1_000, 5)], 5, TTL * 2).await;
        assert_eq!(engine.rows("users", &["age"]).await, [[Some("2".to_owned())]], "only the one that is new");
        replay(&mut *sink, &[(A, 1_000, 4)], 5, TTL).await;
        assert_eq!(engine.rows("users", &["age"]).await.len(), 1);
        assert_eq!(sink.write(&batch(&sink.fields(), &[(A, 1_000, 4)]), &[0]).await, []);
        assert_eq!(engine.rows("users", &["age"]).await.len(), 2, "without a replay it is a first write");
    })
    .await;
}

#[tokio::test]
async fn a_replayed_row_lives_for_what_is_left_and_a_new_one_for_all_of_it() {
    with_both(async |engine| {
        let mut sink = engine.open("users", create(Some(TTL)), false).await.unwrap();
        replay(&mut *sink, &[(A, 1_000, 4), (B, 1_000, 5)], 5, TTL * 3 / 5).await;
        let lives = engine.lives_s("users").await;
        // The upper ends are exact but for the second that both cut off; the lower ends leave time for a slow machine.
        assert!((300..=400).contains(&lives[0]), "{lives:?}");
        assert!((900..=1_000).contains(&lives[1]), "{lives:?}");
        // A newer record of the same key is not a replay: its row lives all of its life.
        replay(&mut *sink, &[(B_NEWER, 1_001, 6)], 5, TTL * 3 / 5).await;
        let lives = engine.lives_s("users").await;
        assert!((900..=1_000).contains(&lives[1]), "{lives:?}");
    })
    .await;
}

#[tokio::test]
async fn a_replay_of_a_row_that_still_lives_does_not_prolong_it() {
    with_both(async |engine| {
        let mut sink = engine.open("users", create(Some(TTL)), false).await.unwrap();
        let age = TTL * 3 / 5;
        replay(&mut *sink, &[(A, 1_000, 4)], 5, age).await;
        let mut sink = engine.open("users", create(Some(TTL)), false).await.unwrap();
        replay(&mut *sink, &[(A, 1_000, 4)], 5, age).await;
        let lives = engine.lives_s("users").await;
        assert!((300..=400).contains(&lives[0]), "{lives:?}");
    })
    .await;
}

#[tokio::test]
async fn the_lifetime_is_that_of_the_table_itself() {
    with_both(async |engine| {
        let sink = engine.open("mortal", create(Some(TTL)), false).await.unwrap();
        assert_eq!(sink.lifetime(), Some(TTL));
        let mut sink = engine.open("immortal", create(None), false).await.unwrap();
        assert_eq!(sink.lifetime(), None);
        replay(&mut *sink, &[(A, 1_000, 4)], 5, TTL * 2).await;
        assert_eq!(
            engine.rows("immortal", &["age"]).await.len(),
            1,
            "rows stay, so a replay is written like any other"
        );
    })
    .await;
    let Some(engine) = Engine::cassandra().await else { return };
    engine.open("other", create(None), false).await.unwrap();
    engine.run("users", "CREATE TABLE {table} (id uuid PRIMARY KEY, age int) WITH default_time_to_live = 77").await;
    let sink = engine.open("users", None, false).await.unwrap();
    assert_eq!(sink.lifetime(), Some(Duration::from_secs(77)), "of a table that another has created");
    engine.end().await;
}
