//! Sending encoded rows: alone, or a few in one request.
//!
//! A request costs the host several times what a row in it costs, so rows share requests (unlogged batches) where that
//! costs the cluster nothing: where every node holds every row, and whichever coordinates is a replica of all of
//! them. Elsewhere each row goes by itself to a replica of its own.
//!
//! Sharing changes nothing in what is reported: a shared request that is refused is sent again row by row, so that only
//! the row at fault is refused; one that may have failed in passing fails all its rows, to be tried again.

use std::{future::Future, sync::Arc};

use futures::{StreamExt, stream::FuturesUnordered};
use scylla::{
    client::session::Session,
    cluster::{ClusterState, metadata::Strategy},
    statement::{
        batch::{Batch, BatchStatement, BatchType},
        prepared::PreparedStatement,
    },
};

use super::{encode::EncodedRow, failure};
use crate::sink::Failure;

/// Most rows in a request. Cassandra warns in its log, and in every answer, of batches over more partitions than that
/// (`unlogged_batch_across_partitions_warn_threshold`).
const GROUP_ROWS: usize = 10;
/// Most bytes of cells in a request, likewise, with room to spare for what Cassandra counts besides
/// (`batch_size_warn_threshold` is 5 KiB). A larger row goes alone.
const GROUP_BYTES: usize = 4 * 1024;

/// What rows are sent with.
pub struct Sender {
    session: Arc<Session>,
    insert: PreparedStatement,
    /// The batch of `n + 2` rows at index `n`; empty where rows go alone.
    batches: Vec<Batch>,
    concurrency: usize,
}

impl Sender {
    /// Sends with that statement, at most `concurrency` rows at the same time.
    pub fn new(session: Arc<Session>, insert: PreparedStatement, keyspace: &str, concurrency: usize) -> Self {
        let sizes =
            if every_node_holds_every_row(&session.get_cluster_state(), keyspace) { 2..GROUP_ROWS + 1 } else { 0..0 };
        let batches = sizes.map(|rows| {
            let statements = vec![BatchStatement::PreparedStatement(insert.clone()); rows];
            let mut batch = Batch::new_with_statements(BatchType::Unlogged, statements);
            batch.set_is_idempotent(true);
            batch
        });
        let batches = batches.collect();
        Self { session, insert, batches, concurrency: concurrency.max(1) }
    }

    /// Sends the rows, and returns those that are not known to be durable, in no order.
    pub async fn send(&self, rows: &[EncodedRow<'_>]) -> Vec<Failure> {
        let group_rows = self.batches.len().saturating_add(1);
        let mut failures = Vec::new();
        let mut under_way = FuturesUnordered::new();
        let (mut rest, mut rows_under_way) = (rows, 0);
        loop {
            let (group, after) = rest.split_at_checked(group_length(rest, group_rows)).unwrap_or((rest, &[]));
            if group.is_empty() {
                break;
            }
            while rows_under_way > 0 && rows_under_way + group.len() > self.concurrency {
                let Some((sent, failed)) = under_way.next().await else { break };
                rows_under_way -= sent;
                failures.extend(failed);
            }
            rows_under_way += group.len();
            under_way.push(async move { (group.len(), send_group(self, group).await) });
            rest = after;
        }
        while let Some((_, failed)) = under_way.next().await {
            failures.extend(failed);
        }
        failures
    }
}

/// How a group of rows reaches the database; apart from `Sender` so that failures can be played.
trait Requests: Sync {
    fn one(&self, row: EncodedRow<'_>) -> impl Future<Output = Result<(), Failure>> + Send;
    /// The failure's row is the first of the group.
    fn together(&self, group: &[EncodedRow<'_>]) -> impl Future<Output = Result<(), Failure>> + Send;
}

impl Requests for Sender {
    async fn one(&self, row: EncodedRow<'_>) -> Result<(), Failure> {
        let written = self.session.execute_unpaged(&self.insert, &row).await;
        written.map(drop).map_err(|error| failure::of(row.row(), &error))
    }

    async fn together(&self, group: &[EncodedRow<'_>]) -> Result<(), Failure> {
        let first = group.first().map_or(0, EncodedRow::row);
        let Some(batch) = group.len().checked_sub(2).and_then(|index| self.batches.get(index)) else {
            let (code, detail) = (failure::REFUSED, format!("there is no statement for {} rows", group.len()));
            return Err(Failure { row: first, retryable: false, code, detail });
        };
        let written = self.session.batch(batch, group).await;
        written.map(drop).map_err(|error| failure::of(first, &error))
    }
}

async fn send_group(requests: &impl Requests, group: &[EncodedRow<'_>]) -> Vec<Failure> {
    if let [row] = group {
        return requests.one(*row).await.err().into_iter().collect();
    }
    let Err(failure) = requests.together(group).await else {
        return Vec::new();
    };
    if failure.retryable {
        return group.iter().map(|row| Failure { row: row.row(), ..failure.clone() }).collect();
    }
    let mut failures = Vec::new();
    for row in group {
        failures.extend(requests.one(*row).await.err());
    }
    failures
}

/// How many of the first rows go together: at least one, if there is any.
fn group_length(rows: &[EncodedRow<'_>], most: usize) -> usize {
    let mut bytes = 0;
    let fits = |row: &&EncodedRow<'_>| {
        bytes += row.bytes();
        bytes <= GROUP_BYTES
    };
    rows.iter().take(most).take_while(fits).count().max(1).min(rows.len())
}

/// Looked at once: should nodes be added later, rows still share requests, and some take one hop more.
fn every_node_holds_every_row(cluster: &ClusterState, keyspace: &str) -> bool {
    let nodes = cluster.get_nodes_info();
    let in_datacenter = |name: &str| nodes.iter().filter(|node| node.datacenter.as_deref() == Some(name)).count();
    match cluster.get_keyspace(keyspace).map(|keyspace| &keyspace.strategy) {
        Some(Strategy::SimpleStrategy { replication_factor }) => nodes.len() <= *replication_factor,
        Some(Strategy::NetworkTopologyStrategy { datacenter_repfactors }) => {
            nodes
                .iter()
                .all(|node| node.datacenter.as_ref().is_some_and(|name| datacenter_repfactors.contains_key(name)))
                && datacenter_repfactors.iter().all(|(name, factor)| in_datacenter(name) <= *factor)
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;

    /// Refuses what the functions say, by row.
    struct Played {
        together: fn(u32) -> Option<bool>,
        one: fn(u32) -> Option<bool>,
    }

    fn failure(row: u32, retryable: bool) -> Failure {
        Failure { row, retryable, code: "played", detail: String::new() }
    }

    impl Requests for Played {
        async fn one(&self, row: EncodedRow<'_>) -> Result<(), Failure> {
            (self.one)(row.row()).map_or(Ok(()), |retryable| Err(failure(row.row(), retryable)))
        }

        async fn together(&self, group: &[EncodedRow<'_>]) -> Result<(), Failure> {
            let failed = group.iter().find_map(|row| (self.together)(row.row()));
            failed.map_or(Ok(()), |retryable| Err(failure(group[0].row(), retryable)))
        }
    }

    async fn sent(played: Played) -> Vec<(u32, bool)> {
        let group: Vec<_> = (3..7).map(|row| EncodedRow::new(row, &[], 0)).collect();
        let failures = send_group(&played, &group).await;
        failures.into_iter().map(|failure| (failure.row, failure.retryable)).collect()
    }

    #[tokio::test]
    async fn a_refused_request_is_resolved_row_by_row() {
        let refuses_5 = |row| (row == 5).then_some(false);
        assert_eq!(sent(Played { together: refuses_5, one: refuses_5 }).await, [(5, false)]);
        let overloaded_after_that = |row| (row > 4).then_some(row != 5);
        let failed = sent(Played { together: refuses_5, one: overloaded_after_that }).await;
        assert_eq!(failed, [(5, false), (6, true)]);
    }

    #[tokio::test]
    async fn a_request_that_failed_in_passing_fails_all_its_rows_for_a_retry() {
        let timeout = |row| (row == 5).then_some(true);
        let failed = sent(Played { together: timeout, one: |_| panic!("must not be sent again at once") }).await;
        assert_eq!(failed, [(3, true), (4, true), (5, true), (6, true)]);
    }

    #[test]
    fn groups_are_bounded_by_rows_and_bytes() {
        let (small, large) = (vec![0; 100], vec![0; GROUP_BYTES + 1]);
        let row = |cells| EncodedRow::new(0, cells, 0);
        assert_eq!(group_length(&[], 10), 0);
        assert_eq!(group_length(&[row(&small); 30], 10), 10);
        assert_eq!(group_length(&[row(&small); 30], 1), 1);
        assert_eq!(group_length(&[row(&large); 2], 10), 1);
        assert_eq!(group_length(&[row(&small), row(&large), row(&small)], 10), 1);
        assert_eq!(group_length(&[row(&vec![0; 1_000]); 30], 10), 4);
    }
}
