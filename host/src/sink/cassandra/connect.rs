//! The session with a cluster: nodes, credentials, datacenter, consistency, and the policies that leave every retry
//! to the pipeline.

use std::{sync::Arc, time::Duration};

use scylla::{
    client::{PoolSize, execution_profile::ExecutionProfile, session::Session, session_builder::SessionBuilder},
    cluster::{ClusterState, Node},
    errors::{ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, MetadataError, NewSessionError},
    frame::types::Consistency,
    policies::{load_balancing::DefaultPolicy, retry::FallthroughRetryPolicy},
};

use crate::{
    config::CassandraSink,
    sink::{OpenContext, OpenError},
};

/// How often the driver looks at nodes and tables: a few small queries. For so long a table may be another one before it
/// is noticed, where the database refuses nothing.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Connects to the first node that answers, and prefers the configured datacenter, or else that of this node.
pub async fn connect(config: &CassandraSink, context: &OpenContext) -> Result<Session, OpenError> {
    let profile = |datacenter: Option<&str>| -> Result<ExecutionProfile, OpenError> {
        let mut policy = DefaultPolicy::builder();
        if let Some(datacenter) = datacenter {
            policy = policy.prefer_datacenter(datacenter.to_owned());
        }
        Ok(ExecutionProfile::builder()
            .consistency(consistency(config, context)?)
            .request_timeout(Some(context.timeout))
            .retry_policy(Arc::new(FallthroughRetryPolicy::new()))
            .speculative_execution_policy(None)
            .load_balancing_policy(policy.build())
            .build())
    };
    let mut handle = profile(config.local_dc.as_deref())?.into_handle();
    let mut builder = SessionBuilder::new()
        .known_nodes(&config.nodes)
        .default_execution_profile_handle(handle.clone())
        .connection_timeout(context.timeout)
        .keyspaces_to_fetch([&config.keyspace])
        .pool_size(PoolSize::default())
        .cluster_metadata_refresh_interval(LOOK_EVERY)
        .tcp_nodelay(true);
    if let (Some(user), Some(password)) = (&config.user, &config.password) {
        builder = builder.user(user, password);
    }
    let session = builder.build().await.map_err(|error| cannot_connect(config, context, &error))?;
    let cluster = session.get_cluster_state();
    match &config.local_dc {
        Some(datacenter) => check_datacenter(&cluster, datacenter, context)?,
        None => {
            if let Some(datacenter) = datacenter_of_first_node(&cluster, config).await {
                handle.map_to_another_profile(profile(Some(&datacenter))?);
            }
        }
    }
    Ok(session)
}

/// The whole opening took longer than the timeout.
pub fn no_answer(config: &CassandraSink, context: &OpenContext) -> OpenError {
    OpenError {
        url: context.display.clone(),
        message: format!("no answer from {} within {:?}", config.nodes.join(", "), context.timeout),
        hint: Some("check that the nodes are up and reachable".to_owned()),
        retryable: true,
    }
}

fn consistency(config: &CassandraSink, context: &OpenContext) -> Result<Consistency, OpenError> {
    Ok(match config.consistency.as_str() {
        "any" => Consistency::Any,
        "one" => Consistency::One,
        "two" => Consistency::Two,
        "three" => Consistency::Three,
        "quorum" => Consistency::Quorum,
        "all" => Consistency::All,
        "local_quorum" => Consistency::LocalQuorum,
        "each_quorum" => Consistency::EachQuorum,
        "local_one" => Consistency::LocalOne,
        unknown => {
            return Err(OpenError {
                url: context.display.clone(),
                message: format!("`{unknown}` is no consistency for writes"),
                hint: Some("use any, one, two, three, quorum, all, local_quorum, each_quorum or local_one".to_owned()),
                retryable: false,
            });
        }
    })
}

fn cannot_connect(config: &CassandraSink, context: &OpenContext, error: &NewSessionError) -> OpenError {
    let nodes = config.nodes.join(", ");
    let (message, hint, retryable) = if is_refused_login(error) {
        let hint = "give user and password in the url: cassandra://user:password@host:port/keyspace.table";
        (format!("{nodes} refused the login: {error}"), hint, false)
    } else {
        let hint = "check that the nodes are up, and their host names and ports";
        (format!("cannot connect to any of {nodes}: {error}"), hint, true)
    };
    OpenError { url: context.display.clone(), message, hint: Some(hint.to_owned()), retryable }
}

fn is_refused_login(error: &NewSessionError) -> bool {
    let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
        last_connection_error: ConnectionError::ConnectionSetupRequestError(request),
    })) = error
    else {
        return false;
    };
    use ConnectionSetupRequestErrorKind::{AuthFinishError, DbError, MissingAuthentication, StartAuthSessionError};
    matches!(
        request.get_error(),
        MissingAuthentication
            | AuthFinishError(_)
            | StartAuthSessionError(_)
            | DbError(scylla::errors::DbError::AuthenticationError | scylla::errors::DbError::Unauthorized, _)
    )
}

/// A datacenter that does not exist would leave every write without a node to go to.
fn check_datacenter(cluster: &ClusterState, wanted: &str, context: &OpenContext) -> Result<(), OpenError> {
    let nodes = cluster.get_nodes_info();
    let mut known: Vec<&str> = nodes.iter().filter_map(|node| node.datacenter.as_deref()).collect();
    if known.contains(&wanted) {
        return Ok(());
    }
    known.sort_unstable();
    known.dedup();
    Err(OpenError {
        url: context.display.clone(),
        message: format!("there is no datacenter `{wanted}`; there is {}", known.join(", ")),
        hint: Some("correct `local_dc`, or leave it out to use that of the first node".to_owned()),
        retryable: false,
    })
}

async fn datacenter_of_first_node(cluster: &ClusterState, config: &CassandraSink) -> Option<String> {
    let nodes = cluster.get_nodes_info();
    for listed in &config.nodes {
        let addresses: Vec<_> = tokio::net::lookup_host(listed).await.map(Iterator::collect).unwrap_or_default();
        let is_listed = |node: &&Arc<Node>| addresses.iter().any(|address| node.address.ip() == address.ip());
        if let Some(node) = nodes.iter().filter(|node| node.is_connected()).find(is_listed) {
            return node.datacenter.clone();
        }
    }
    // Behind translated addresses no node is found by its own; any that is reached is as near as can be told.
    nodes.iter().find(|node| node.is_connected())?.datacenter.clone()
}
