//! What is said when a source or a sink cannot be opened.

use super::*;

#[tokio::test]
async fn a_missing_topic_is_waited_for() {
    let Some(topic) = Topic::named() else { return };
    let error = open(&topic.source(), Positions::default()).await.err().unwrap();
    assert!(error.retryable);
    let words = error.to_string();
    assert!(words.contains(&format!("topic `{}` does not exist; create it", topic.name)), "{words}");
}

#[tokio::test]
async fn a_sink_creates_its_topic() {
    let Some(topic) = Topic::named() else { return };
    topic.write("a", ["1".to_owned()]).await;
    let metadata = topic.admin.inner().fetch_metadata(Some(&topic.name), Duration::from_secs(5)).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 4);
    topic.delete().await;
}

#[tokio::test]
async fn a_broker_that_is_down_is_tried_again_later() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let source = KafkaSource {
        brokers: free.clone(),
        topic: "t".to_owned(),
        group: "g".to_owned(),
        start: Start::Earliest,
        instance: None,
        options: Vec::new(),
    };
    let sink = KafkaSink { brokers: free.clone(), topic: "t".to_owned(), options: Vec::new() };
    let context = sink_context();
    let (source, sink) = tokio::join!(open(&source, Positions::default()), sink::kafka::open(&sink, &context));
    let (source, sink) = (source.err().unwrap(), sink.err().unwrap());
    assert!(source.retryable && sink.retryable);
    for words in [source.to_string(), sink.to_string()] {
        assert!(words.contains(&free) && words.contains("Connection refused"), "{words}");
    }
}

#[tokio::test]
async fn an_option_that_carries_a_guarantee_is_refused() {
    let option = ("enable.auto.commit".to_owned(), "true".to_owned());
    let source = KafkaSource {
        brokers: "127.0.0.1:1".to_owned(),
        topic: "t".to_owned(),
        group: "g".to_owned(),
        start: Start::Earliest,
        instance: None,
        options: vec![option],
    };
    let error = open(&source, Positions::default()).await.err().unwrap();
    assert!(!error.retryable && error.to_string().contains("`enable.auto.commit`"), "{error}");
}
