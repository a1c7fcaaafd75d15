//! The whole plugin, without a host, with its state in memory.

use millstream_sdk::{
    Verdict::{Drop, Keep, Reject},
    testing::Harness,
};

use super::Limit;

#[test]
fn each_user_has_a_limit_of_their_own_within_a_batch_and_across_batches() {
    let mut plugin = Harness::<Limit>::new(r#"{"limit": 2}"#).unwrap();
    let [ada, bob] = [r#"{"id": "ada"}"#, r#"{"id": "bob"}"#];
    let over = || Drop("over_limit".into());
    assert_eq!(plugin.run(&[ada, ada, ada, bob]).unwrap(), [Keep, Keep, over(), Keep]);
    assert_eq!(plugin.run(&[bob, bob, ada]).unwrap(), [Keep, over(), over()]);
}

#[test]
fn a_record_of_nobody_is_rejected() {
    let mut plugin = Harness::<Limit>::new("{}").unwrap();
    assert_eq!(plugin.run(&["{}"]).unwrap(), [Reject("missing_field: id".into())]);
}

#[test]
fn users_are_forgotten_as_the_settings_say() {
    assert_eq!(Harness::<Limit>::new(r#"{"ttl_seconds": 60}"#).unwrap().ttls_ms(), [60_000]);
    let message = Harness::<Limit>::new(r#"{"limits": 2}"#).err().unwrap();
    assert!(message.contains("unknown field `limits`"), "{message}");
}
