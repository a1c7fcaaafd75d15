//! The polling under a paused clock with made-up answers, and the requests against a server on this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::Query,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect},
    routing::get,
};
use futures::FutureExt;

use super::*;

type Scripted = BoxFuture<'static, Result<Answer, RequestError>>;

/// Answers with what it was given, one after the other.
struct Script(Arc<Mutex<VecDeque<Scripted>>>);

impl Request for Script {
    fn request(&self) -> Scripted {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().expect("no more answers were expected")
    }
}

fn config(url: &str) -> HttpSource {
    HttpSource {
        url: url.to_owned(),
        headers: Vec::new(),
        every: Duration::from_secs(10),
        split: Some("/results".to_owned()),
        timeout: Duration::from_secs(10),
        max_bytes: 1 << 20,
        retry_max_delay: Duration::from_secs(60),
    }
}

fn context(next: Option<i64>) -> OpenContext {
    OpenContext {
        pipeline: "p".into(),
        display: "http://shown".to_owned(),
        data_dir: "unused".into(),
        resume: next.map(|next| (PARTITION, next)).into_iter().collect(),
        custodian: None,
    }
}

fn limits(records: usize) -> BatchLimits {
    let (linger, idle) = (Duration::from_millis(5), Duration::from_millis(100));
    BatchLimits { records, bytes: 1 << 20, linger, idle }
}

fn scripted(answers: Vec<Scripted>, next: Option<i64>) -> HttpReader {
    let script = Script(Arc::new(Mutex::new(answers.into())));
    HttpReader::new(&config("http://h/?token=hush"), &context(next), Box::new(script))
}

fn answer(body: &'static str) -> Result<Answer, RequestError> {
    let body = body.as_bytes().to_vec();
    let records = split::split(&body, "").unwrap();
    Ok(Answer { body, records })
}

fn ready(answer: Result<Answer, RequestError>) -> Scripted {
    async { answer }.boxed()
}

fn refused(status: u16, retry_after: Option<u64>) -> Scripted {
    let status = StatusCode::from_u16(status).unwrap();
    let retry_after = retry_after.map(Duration::from_secs);
    ready(Err(RequestError::Status { status, body: String::new(), retry_after }))
}

async fn fill(reader: &mut HttpReader, records: usize) -> (Filled, Vec<(i64, String)>) {
    let mut batch = Batch::new("t".into());
    let filled = reader.fill(&mut batch, &limits(records)).await.unwrap();
    (filled, self::records(&batch))
}

fn records(batch: &Batch) -> Vec<(i64, String)> {
    let text = |row| String::from_utf8(batch.values.get(row).to_vec()).unwrap();
    (0..batch.len()).map(|row| (batch.offsets[row], text(row))).collect()
}

/// What came after so many failures, and how long it took.
struct Came {
    filled: Filled,
    records: Vec<(i64, String)>,
    failures: u64,
    took: Duration,
}

/// Fills until something other than `Idle` or a failure comes.
async fn next(reader: &mut HttpReader) -> Came {
    let (began, mut failures) = (Instant::now(), 0);
    loop {
        let mut batch = Batch::new("t".into());
        match reader.fill(&mut batch, &limits(100)).await {
            Ok(Filled::Idle) => {}
            Ok(filled) => return Came { filled, records: records(&batch), failures, took: began.elapsed() },
            Err(error) => {
                assert!(error.retryable && error.retry_in.is_some() && batch.is_empty(), "{error}");
                assert!(error.to_string().contains("the poll failed"), "{error}");
                failures += 1;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_spread_over_batches_and_offsets_go_on() {
    let mut reader = scripted(vec![ready(answer("[1, 2,3]"))], Some(40));
    assert_eq!(fill(&mut reader, 2).await, (Filled::Records, vec![(40, "1".into()), (41, "2".into())]));
    assert_eq!(fill(&mut reader, 2).await, (Filled::Records, vec![(42, "3".into())]));
    assert_eq!(fill(&mut reader, 2).await, (Filled::CaughtUp, vec![]));
}

#[tokio::test(start_paused = true)]
async fn polls_at_once_and_then_at_the_interval() {
    let began = Instant::now();
    let mut reader = scripted(vec![ready(answer("[1]")), ready(answer("[2]"))], None);
    assert_eq!(next(&mut reader).await.records, [(0, "1".into())]);
    assert_eq!(began.elapsed(), Duration::ZERO);
    loop {
        let (filled, records) = fill(&mut reader, 100).await;
        match filled {
            Filled::CaughtUp => assert!(records.is_empty()),
            Filled::Records => break assert_eq!(records, [(1, "2".into())]),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_caught_up() {
    let mut reader = scripted(vec![ready(answer("[]"))], None);
    assert_eq!(fill(&mut reader, 9).await.0, Filled::CaughtUp);
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_survives_idle_calls() {
    let slow = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        answer("[1]")
    };
    let mut reader = scripted(vec![slow.boxed()], None);
    let began = Instant::now();
    assert_eq!(fill(&mut reader, 9).await.0, Filled::Idle);
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    let came = next(&mut reader).await;
    assert_eq!((came.filled, came.records), (Filled::Records, vec![(0, "1".into())]));
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert_eq!(reader.polls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_loses_no_request() {
    let slow = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer("[1]")
    };
    let mut reader = scripted(vec![slow.boxed()], None);
    let mut batch = Batch::new("t".into());
    let given_up = tokio::time::timeout(Duration::from_millis(10), reader.fill(&mut batch, &limits(9))).await;
    assert!(given_up.is_err() && batch.is_empty());
    assert_eq!(fill(&mut reader, 9).await, (Filled::Records, vec![(0, "1".into())]));
}

#[tokio::test(start_paused = true)]
async fn waits_grow_after_failures_up_to_the_limit_and_start_anew_after_a_success() {
    let mut answers: Vec<Scripted> = (0..20).map(|_| refused(503, None)).collect();
    answers.extend([ready(answer("[1]")), refused(500, None), ready(answer("[2]"))]);
    let mut reader = scripted(answers, None);
    let came = next(&mut reader).await;
    assert_eq!(came.records, [(0, "1".into())]);
    let waited = came.took;
    // 1 + 2 + 4 + … + 32, then 60 each, all at random between none and that.
    assert!(waited > Duration::from_secs(60) && waited < Duration::from_secs(63 + 14 * 60), "{waited:?}");
    assert_eq!(came.failures, 20);
    let began = Instant::now();
    let mut failures = 0;
    loop {
        let came = next(&mut reader).await;
        failures += came.failures;
        if came.filled == Filled::Records {
            break;
        }
    }
    assert_eq!(failures, 1);
    // The interval, and one first wait.
    assert!(began.elapsed() <= Duration::from_millis(11_200), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_the_server_asks() {
    let mut reader = scripted(vec![refused(429, Some(120)), ready(answer("[1]"))], None);
    let mut batch = Batch::new("t".into());
    let error = reader.fill(&mut batch, &limits(100)).await.unwrap_err();
    assert_eq!(error.retry_in, Some(Duration::from_secs(120)));
    let came = next(&mut reader).await;
    assert_eq!((came.records.len(), came.took), (1, Duration::from_secs(120)));
}

/// Serves the router on a free port until the test ends.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The answer to one request for `path` of a server that has one of every kind.
async fn ask(path: &str, change: impl FnOnce(&mut HttpSource)) -> Result<Vec<String>, RequestError> {
    let page = "<!DOCTYPE html>\n<title>Down</title>";
    let hidden = |headers: HeaderMap| async move { format!("[{:?}]", headers.get("x-key").is_some()) };
    let other = serve(Router::new().route("/", get(hidden))).await;
    let router = Router::new()
        .route("/ok", get(|| async { "{\"results\": [ {\"a\": 1.0} ,null]}" }))
        .route(
            "/echo",
            get(|headers: HeaderMap| async move {
                let text = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
                serde_json::json!({"results": [text("x-key"), text("user-agent")]}).to_string()
            }),
        )
        .route("/page", get(move || async move { page }))
        .route("/down", get(move || async move { (StatusCode::BAD_GATEWAY, page) }))
        .route("/gone", get(|| async { StatusCode::GONE }))
        .route("/busy", get(|| async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], "slow down") }))
        .route("/error", get(|| async { "{\"error\": \"Uh oh\"}" }))
        .route("/object", get(|| async { "{\"results\": {}}" }))
        .route(
            "/large",
            get(|Query(query): Query<Vec<(String, String)>>| async move {
                // Without a length that is known beforehand, unless asked for.
                let chunks = futures::stream::iter(vec![Ok::<_, std::convert::Infallible>("x".repeat(1000)); 100]);
                match query.is_empty() {
                    true => axum::body::Body::from_stream(chunks).into_response(),
                    false => "x".repeat(100_000).into_response(),
                }
            }),
        )
        .route("/hang", get(futures::future::pending::<&str>))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/away", get(move || async move { Redirect::temporary(&other) }));
    let mut config = config(&format!("{}{path}", serve(router).await));
    change(&mut config);
    let answer = HttpRequest::new(&config).unwrap().request().await?;
    let text = |range: &std::ops::Range<usize>| String::from_utf8(answer.body[range.clone()].to_vec()).unwrap();
    Ok(answer.records.iter().map(text).collect())
}

async fn failure(path: &str, change: impl FnOnce(&mut HttpSource)) -> (RequestError, String) {
    let error = ask(path, change).await.expect_err("the request should fail");
    let words = error.to_string();
    (error, words)
}

#[tokio::test]
async fn items_come_as_the_server_sent_them() {
    assert_eq!(ask("/ok", |_| ()).await.unwrap(), ["{\"a\": 1.0}", "null"]);
    assert_eq!(ask("/ok", |config| config.split = None).await.unwrap(), ["{\"results\": [ {\"a\": 1.0} ,null]}"]);
}

#[tokio::test]
async fn headers_and_the_user_agent_are_sent() {
    let sent = ask("/echo", |config| config.headers = vec![("X-Key".into(), "k".into())]).await.unwrap();
    assert_eq!(sent, ["\"k\"".to_owned(), format!("\"millstream/{}\"", env!("CARGO_PKG_VERSION"))]);
}

#[tokio::test]
async fn a_page_instead_of_json_is_shown() {
    let (error, words) = failure("/page", |_| ()).await;
    assert!(matches!(error, RequestError::Split { error: split::SplitError::NotJson(_), .. }));
    assert!(words.contains("not JSON") && words.ends_with("<!DOCTYPE html>\\n<title>Down</title>"), "{words}");
}

#[tokio::test]
async fn an_error_status_is_named_with_its_page() {
    let (_, words) = failure("/down", |_| ()).await;
    assert!(words.contains("502 Bad Gateway") && words.contains("<!DOCTYPE html>"), "{words}");
    assert!(failure("/gone", |_| ()).await.1.contains("410 Gone"));
}

#[tokio::test]
async fn too_many_requests_brings_the_wait_asked_for() {
    let (error, words) = failure("/busy", |_| ()).await;
    assert!(words.contains("429") && words.contains("slow down"), "{words}");
    let RequestError::Status { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn an_answer_of_another_shape_is_shown() {
    let (_, words) = failure("/error", |_| ()).await;
    assert!(words.contains("nothing at `/results`") && words.contains("Uh oh"), "{words}");
    assert!(failure("/object", |_| ()).await.1.contains("not an array"));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    for path in ["/large", "/large?length=known"] {
        let (error, words) = failure(path, |config| config.max_bytes = 5_000).await;
        assert!(matches!(error, RequestError::TooLarge(5_000)), "{words}");
    }
    assert_eq!(ask("/large", |c| (c.max_bytes, c.split) = (100_000, None)).await.unwrap()[0].len(), 100_000);
}

#[tokio::test]
async fn a_request_that_hangs_is_given_up() {
    let (error, _) = failure("/hang", |config| config.timeout = Duration::from_millis(20)).await;
    assert!(matches!(error, RequestError::Timeout(_)));
}

#[tokio::test]
async fn no_connection_is_named_with_its_cause_but_not_its_address() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (error, words) = failure("", |config| config.url = format!("http://{free}/?token=hush")).await;
    assert!(matches!(error, RequestError::Connection(_)));
    assert!(words.contains("refused") && !words.contains("hush"), "{words}");
}

#[tokio::test]
async fn redirects_end_and_carry_no_headers_elsewhere() {
    assert!(failure("/loop", |_| ()).await.1.contains("more than 5 redirects"));
    assert_eq!(ask("/away", |config| config.split = Some(String::new())).await.unwrap(), ["false"]);
    let (_, words) = failure("/away", |config| config.headers = vec![("x-key".into(), "k".into())]).await;
    assert!(words.contains("another server"), "{words}");
}

#[tokio::test]
async fn a_hundred_items_arrive_byte_for_byte_after_a_server_recovers() {
    let items: Vec<String> = (0..100).map(|n| format!("{{\"n\" :{n},  \"t\":\"ß\\u00df\" }}")).collect();
    let body = format!("{{\"results\":[{}]}}", items.join(" ,\n"));
    let asked = Arc::new(AtomicU64::new(0));
    let router = Router::new().route(
        "/",
        get(move || {
            let (body, asked) = (body.clone(), asked.clone());
            async move {
                match asked.fetch_add(1, Ordering::Relaxed) {
                    0 | 1 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
                    _ => body.into_response(),
                }
            }
        }),
    );
    let mut config = config(&serve(router).await);
    config.retry_max_delay = Duration::from_millis(1);
    let mut reader = open(&config, &context(None)).await.unwrap();
    let came = next(&mut reader).await;
    assert_eq!(came.records.into_iter().map(|(_, text)| text).collect::<Vec<_>>(), items);
    assert_eq!(fill(&mut reader, 9).await.0, Filled::CaughtUp);
    assert_eq!((reader.polls, came.failures), (3, 2));
}

#[tokio::test]
async fn an_address_or_header_that_cannot_be_used_is_refused_at_once() {
    let mut bad = config("http://");
    assert!(!open(&bad, &context(None)).await.err().unwrap().retryable);
    bad = config("http://h/");
    bad.headers = vec![("x key".into(), "v".into())];
    let words = open(&bad, &context(None)).await.err().unwrap().to_string();
    assert!(words.contains("`x key`"), "{words}");
}
