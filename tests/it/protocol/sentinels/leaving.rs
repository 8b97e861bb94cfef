//! Log-outs that a master acknowledges while it is being left.

use std::time::Duration;

use stickless::store::{Act, RedisStore};
use tokio::time::{Instant, sleep};

use super::council::Council;
use super::{ms, on_the_first_of_two};
use crate::contract::subject::{Subject, done};
use crate::harness::RedisServer;
use crate::protocol::wire::Fault;
use crate::until;

/// The second node knows all that the first one knows, and is a master.
async fn copy(council: &Council, a: &RedisServer, b: &RedisServer) {
    a.cli(&["CONFIG", "SET", "repl-diskless-sync-delay", "0"]).await;
    b.cli(&["REPLICAOF", "127.0.0.1", &a.port().to_string()]).await;
    let begun = Instant::now();
    while b.cli(&["DBSIZE"]).await != a.cli(&["DBSIZE"]).await {
        assert!(begun.elapsed() < Duration::from_secs(10), "no copy");
        sleep(ms(20)).await;
    }
    b.cli(&["REPLICAOF", "NO", "ONE"]).await;
    council.seat(b);
}

/// Whether this server knows that a session has ended.
async fn knows(server: &RedisServer, subject: &Subject<'_, RedisStore>) -> bool {
    server.cli(&["HEXISTS", &format!("stickless:s:{}", subject.handle), "t"]).await == "1"
}

#[tokio::test]
async fn a_log_out_that_the_old_master_acknowledges_after_a_switch_is_final_when_it_is_answered() {
    let (a, b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3).timeout(ms(2000)).budget(ms(5000))).await;
    let subject = Subject::with(&store, &[]).await;
    copy(&council, &a, &b).await;
    let wire = council.wire(a.port()).expect("a wire");
    let sent = wire.seen("EVALSHA");
    wire.next("EVALSHA", [Fault::HoldReply(ms(500))]);
    tokio::join!(async { done(&subject.act(1, Act::Destroy).await) }, async {
        until("it is under way", async || wire.seen("EVALSHA") > sent).await;
        council.switch(1, &b);
    });
    assert!(knows(&b, &subject).await, "the new master does not know of it");
}

#[tokio::test]
async fn a_log_out_while_others_are_repeated_is_known_to_the_new_master_at_once() {
    let (a, b, council) = on_the_first_of_two().await;
    let patient = council.builder(3).early_switch(true).connect_timeout(ms(2000)).budget(ms(5000));
    let store = council.store(patient).await;
    let (earlier, subject) = (Subject::with(&store, &[]).await, Subject::with(&store, &[]).await);
    copy(&council, &a, &b).await;
    done(&earlier.act(1, Act::Destroy).await);
    let wire = council.wire(b.port()).expect("a wire");
    let sent = wire.seen("EVAL");
    wire.next("EVAL", [Fault::HoldReply(ms(150))]);
    let slave = format!("slave node:{0} node {0} @ main node {1}", b.port(), a.port());
    council.announce(1, "+selected-slave", &slave);
    until("the others are under way", async || wire.seen("EVAL") > sent).await;
    done(&subject.act(1, Act::Destroy).await);
    // It waited for the new master: of what the old one had acknowledged meanwhile that would be told later, by repeating.
    assert!(knows(&b, &subject).await);
    assert_eq!(wire.seen("EVAL"), sent + 1);
}
