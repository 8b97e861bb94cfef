//! Redis that is out of memory and evicts nothing.

use stickless::UnavailableKind;
use stickless::store::{Act, Apply, Create, Loaded, Outcome, RedisStore};

use super::wire::connected;
use crate::contract::subject::{
    HOUR, Subject, add, changes, clear, create, create_for, done, keep, log_in, log_in_for, map, remove, rotate, set,
    slide, take,
};
use crate::harness::RedisServer;

/// A server and a store with one session, and no memory left.
async fn full() -> (RedisServer, RedisStore) {
    let server = RedisServer::start_with(&["--maxmemory-policy", "noeviction"]).await;
    let store = connected(RedisStore::builder(server.unix_url())).await;
    (server, store)
}

async fn fill(server: &RedisServer) {
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
}

#[tokio::test]
async fn with_memory_full_sessions_are_read_slide_shrink_and_end() {
    let (server, store) = full().await;
    let create = Create { absolute: Some(HOUR * 8), ..create_for("ann", &[("a", "1"), ("b", "2"), ("c", "3")]) };
    let subject = Subject::created(&store, create).await;
    fill(&server).await;
    assert_eq!(subject.data().await, map(&[("a", "1"), ("b", "2"), ("c", "3")]));
    let key = format!("stickless:s:{}", subject.handle);
    server.cli(&["PEXPIRE", &key, "60000"]).await;
    done(&subject.act(1, slide(HOUR)).await);
    assert!(subject.record().await.expires_in > HOUR / 2);
    // With something to extend it can also adopt a generation.
    server.cli(&["PEXPIRE", &key, "60000"]).await;
    assert_eq!(done(&subject.act(2, slide(HOUR)).await).generation, 2);
    done(&subject.apply(2, remove("a")).await);
    done(&subject.apply(2, take("b", "2")).await);
    assert_eq!(subject.data().await, map(&[("c", "3")]));
    done(&subject.apply(2, clear()).await);
    assert_eq!(subject.data().await, map(&[]));
    done(&subject.act(2, Act::Destroy).await);
    assert_eq!(subject.load().await, Loaded::Tombstone);
    done(&subject.act(2, Act::Bury).await);
}

#[tokio::test]
async fn with_memory_full_nothing_grows_and_the_refusal_is_immediate() {
    let (server, store) = full().await;
    let (subject, unborn) = (Subject::with(&store, &[("a", "1")]).await, Subject::new(&store));
    fill(&server).await;
    let before = subject.settled().await;
    let log_in = log_in_for("ann", HOUR, Some(HOUR * 8));
    for act in [set("a", "2"), add("n", 1), rotate(), log_in].map(Act::Apply) {
        let refused = subject.try_act(1, act.clone()).await.expect_err("refused");
        assert_eq!(refused.kind(), UnavailableKind::Refused, "{act:?}");
        assert_eq!(subject.settled().await, before, "{act:?}");
    }
    let refused = unborn.try_act(1, Act::Create(create(&[("a", "1")]))).await.expect_err("refused");
    assert_eq!(refused.kind(), UnavailableKind::Refused);
    assert_eq!(unborn.load().await, Loaded::Missing);
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    done(&subject.apply(1, set("a", "2")).await);
}

/// Each kind of write to a record of its own: it is refused and the hash and its time to live are as before, or it is
/// done and all of it is there.
#[tokio::test]
async fn with_memory_full_a_write_is_done_whole_or_not_at_all() {
    let (server, store) = full().await;
    let beside = |apply: Apply| {
        let both = changes([
            ("a", stickless::store::Change::Set("9".into())),
            ("b", stickless::store::Change::Remove),
            ("new", stickless::store::Change::Set("8".into())),
        ]);
        Apply { delta: both.delta, ..apply }
    };
    let mut acts = vec![slide(HOUR * 2), Act::Destroy, Act::Bury];
    for apply in [keep(), add("n", 1), rotate(), log_in("ann"), log_in("bob"), log_in_for("ann", HOUR, Some(HOUR * 2))]
    {
        let mut cleared = beside(apply.clone());
        cleared.delta.clear = true;
        acts.extend([apply.clone(), beside(apply), cleared].map(Act::Apply));
    }
    for act in acts.into_iter().flat_map(|act| [(1, act.clone()), (2, act.clone()), (3, act)]) {
        let (generation, act) = act;
        let data = create_for("ann", &[("a", "1"), ("b", "2"), ("n", "5")]);
        // The same to a like record while there is memory: what it should become.
        let (subject, like) = (Subject::new(&store), Subject::new(&store));
        for subject in [&subject, &like] {
            done(&subject.act(2, Act::Create(data.clone())).await);
        }
        let wanted = like.act(generation, act.clone()).await;
        let before = subject.load().await;
        fill(&server).await;
        let answer = subject.try_act(generation, act.clone()).await;
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
        let (after, other) = (subject.load().await, like.load().await);
        match answer {
            Ok(Outcome::Done(_)) => assert_eq!(plain(after), plain(other), "{act:?}"),
            Ok(refused) => assert_eq!((refused, plain(after)), (wanted, plain(before)), "{act:?}"),
            Err(error) => {
                assert_eq!(error.kind(), UnavailableKind::Refused, "{act:?}");
                assert_eq!(plain(after), plain(before), "{act:?}");
            }
        }
    }
}

/// What two like records have in common.
fn plain(loaded: Loaded) -> Option<String> {
    match loaded {
        Loaded::Missing => None,
        Loaded::Tombstone => Some("a tombstone".into()),
        Loaded::Ended { reason, .. } => Some(format!("ended: {reason:?}")),
        Loaded::Unreadable(cause) => Some(cause.to_string()),
        Loaded::Found(record) => {
            let short = record.expires_in.as_secs().div_ceil(60);
            let (life, user, data) = (record.life.idle, record.user, record.data);
            Some(format!("{} {:?} {life:?} {user:?} {data:?} {short}", record.generation, record.rotated.is_some()))
        }
    }
}
