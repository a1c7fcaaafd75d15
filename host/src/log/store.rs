//! What the log does, as plain functions over a connection: they block, know nothing of tokio, and leave opening,
//! locking and waking to their caller.
//!
//! Whoever writes passes a transaction, so that a batch is in the file as a whole or not at all.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

use super::{Appended, ReadRequest, Records, Topic, partitioner::partition_of};
use crate::record::{Batch, Headers, Positions, Record};

/// The topic's id, or `None` where there is no such topic.
pub(super) fn topic_id(connection: &Connection, topic: &str) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT id FROM topics WHERE name = ?1")?.query_row([topic], |row| row.get(0)).optional()
}

/// The topic's id; creates the topic with that many partitions where it is missing.
pub(super) fn topic_id_or_new(transaction: &Transaction<'_>, topic: &str, partitions: u32) -> rusqlite::Result<i64> {
    if let Some(id) = topic_id(transaction, topic)? {
        return Ok(id);
    }
    transaction.execute("INSERT INTO topics (name) VALUES (?1)", [topic])?;
    let id = transaction.last_insert_rowid();
    for partition in 0..partitions.max(1) {
        transaction.execute("INSERT INTO partitions (topic_id, partition) VALUES (?1, ?2)", params![id, partition])?;
    }
    Ok(id)
}

/// The next offset that each partition will give, by partition.
pub(super) fn end_offsets(connection: &Connection, topic_id: i64) -> rusqlite::Result<Vec<(i32, i64)>> {
    connection
        .prepare_cached("SELECT partition, next_offset FROM partitions WHERE topic_id = ?1 ORDER BY partition")?
        .query_map([topic_id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Appends records in order; says of each where it went. Records without key go to partition `sticky` modulo the
/// number of partitions, and get `now_ms` where they have no timestamp.
pub(super) fn append(
    transaction: &Transaction<'_>,
    topic_id: i64,
    records: &impl Records,
    sticky: u32,
    now_ms: i64,
) -> rusqlite::Result<Vec<Appended>> {
    let mut ends = end_offsets(transaction, topic_id)?;
    let partitions = ends.len() as u32;
    let mut appended = Vec::with_capacity(records.len());
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); ends.len()];
    for row in 0..records.len() {
        let chosen = match records.record(row).key {
            Some(key) => partition_of(key, partitions),
            None => sticky % partitions.max(1),
        };
        let mut place = Appended { partition: chosen as i32, offset: -1 };
        // a topic's partitions are 0..n, so the place in `ends` is the partition
        if let (Some(end), Some(rows)) = (ends.get_mut(chosen as usize), rows.get_mut(chosen as usize)) {
            place.offset = end.1;
            end.1 += 1;
            rows.push(row);
        }
        appended.push(place);
    }

    let mut insert = transaction.prepare_cached(
        "INSERT INTO records (topic_id, partition, offset, timestamp_ms, key, value, headers)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.raw_bind_parameter(1, topic_id)?;
    let mut advance =
        transaction.prepare_cached("UPDATE partitions SET next_offset = ?3 WHERE topic_id = ?1 AND partition = ?2")?;
    // partition by partition, so that SQLite stays at one end of the table at a time
    for ((partition, end), rows) in ends.into_iter().zip(&rows) {
        if rows.is_empty() {
            continue;
        }
        insert.raw_bind_parameter(2, partition)?;
        let begin = end - rows.len() as i64;
        for (offset, row) in (begin..).zip(rows) {
            insert_one(&mut insert, offset, &records.record(*row), now_ms)?;
        }
        advance.execute(params![topic_id, partition, end])?;
    }
    Ok(appended)
}

fn insert_one(insert: &mut CachedStatement<'_>, offset: i64, record: &Record<'_>, now_ms: i64) -> rusqlite::Result<()> {
    let headers = record.headers.block();
    insert.raw_bind_parameter(3, offset)?;
    insert.raw_bind_parameter(4, if record.timestamp_ms < 0 { now_ms } else { record.timestamp_ms })?;
    insert.raw_bind_parameter(5, record.key)?;
    insert.raw_bind_parameter(6, record.value)?;
    insert.raw_bind_parameter(7, (!headers.is_empty()).then_some(headers))?;
    insert.raw_execute()?;
    Ok(())
}

/// Appends to `into` what the request asks for. One record is taken however large it is, if `into` is empty.
pub(super) fn read(
    connection: &Connection,
    topic_id: i64,
    request: &ReadRequest,
    into: &mut Batch,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare_cached(
        "SELECT offset, timestamp_ms, key, value, headers FROM records
         WHERE topic_id = ?1 AND partition = ?2 AND offset >= ?3 ORDER BY offset LIMIT ?4",
    )?;
    for (partition, from) in &request.from {
        let room = request.max_records.saturating_sub(into.len());
        if room == 0 {
            break;
        }
        let mut rows = select.query(params![topic_id, partition, from, i64::try_from(room).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            let headers = row.get_ref(4)?.as_blob_or_null()?.unwrap_or_default();
            let record = Record {
                key: row.get_ref(2)?.as_blob_or_null()?,
                value: row.get_ref(3)?.as_blob_or_null()?,
                headers: Headers::new(headers),
                timestamp_ms: row.get(1)?,
                partition: *partition,
                offset: row.get(0)?,
            };
            let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + headers.len();
            if !into.is_empty() && into.bytes() + bytes > request.max_bytes {
                return Ok(());
            }
            into.push(record);
        }
    }
    Ok(())
}

/// Stores how far a group has handled a topic. Takes what it is told, also a step back.
pub(super) fn commit(
    transaction: &Transaction<'_>,
    group: &str,
    topic_id: i64,
    positions: &Positions,
) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached(
        "INSERT INTO committed (consumer_group, topic_id, partition, next_offset) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
    )?;
    for (partition, next) in positions.iter() {
        put.execute(params![group, topic_id, partition, next])?;
    }
    Ok(())
}

/// How far a group has handled a topic.
pub(super) fn committed(connection: &Connection, group: &str, topic: &str) -> rusqlite::Result<Positions> {
    connection
        .prepare_cached(
            "SELECT c.partition, c.next_offset FROM committed c JOIN topics t ON t.id = c.topic_id
             WHERE c.consumer_group = ?1 AND t.name = ?2",
        )?
        .query_map([group, topic], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// All topics, by name.
pub(super) fn topics(connection: &Connection) -> rusqlite::Result<Vec<Topic>> {
    let ids: Vec<(i64, String)> = connection
        .prepare_cached("SELECT id, name FROM topics ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut topics = Vec::with_capacity(ids.len());
    for (id, name) in ids {
        topics.push(Topic { name, ends: end_offsets(connection, id)?.into_iter().collect() });
    }
    Ok(topics)
}
