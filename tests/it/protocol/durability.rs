//! Writes that wait for replicas.

use std::time::Duration;

use futures_util::future::join_all;
use stickless::UnavailableKind;
use stickless::store::{Act, Budget, Durability, Loaded, Outcome, Reason, RedisStore, Store, Unmet};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::wire::{Fault, Wire, connected};
use crate::contract::subject::{HOUR, Subject, add, create, create_for, done, log_in, map, rotate, set, slide};
use crate::harness::RedisServer;

/// For waits that are in vain.
const SHORT: Duration = Duration::from_millis(100);
/// Longer than all else that a test does meanwhile.
const LONG: Duration = Duration::from_secs(5);

/// A master and its replica, in step.
struct Pair {
    master: RedisServer,
    replica: RedisServer,
}

impl Pair {
    async fn start() -> Self {
        let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]).await;
        let port = master.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]).await;
        // From its own first word on.
        while master.cli(&["WAIT", "1", "1000"]).await != "1" {}
        Self { master, replica }
    }

    /// One that waits in vain for a little while, and one that has all the time.
    async fn stores(&self, durability: impl Fn(u32, Duration) -> Durability) -> (RedisStore, RedisStore) {
        (self.store(durability(1, SHORT)).await, self.store(durability(1, LONG)).await)
    }

    async fn store(&self, durability: Durability) -> RedisStore {
        let builder = RedisStore::builder(self.master.unix_url());
        connected(builder.durability(durability).budget(2 * LONG)).await
    }
}

fn kind(answer: Result<Outcome, stickless::Unavailable>) -> UnavailableKind {
    answer.expect_err("no replica has it").kind()
}

async fn save(subject: &Subject<'_, RedisStore>, act: Act) -> Result<Outcome, stickless::Unavailable> {
    subject.store.save(&subject.write(1, act), &Budget::default()).await
}

#[tokio::test]
async fn what_says_who_is_logged_in_and_what_is_saved_is_refused_while_no_replica_has_it_and_stands() {
    let pair = Pair::start().await;
    let (store, patient) = pair.stores(Durability::replicas).await;
    let mut subjects = Vec::new();
    for _ in 0..4 {
        let Subject { handle, .. } = Subject::created(&patient, create_for("ann", &[])).await;
        subjects.push(Subject { store: &store, handle });
    }
    pair.replica.freeze();
    let [logged_in, rotated, ended, saved] = &subjects[..] else { panic!("four") };
    let log_in = logged_in.write(1, Act::Apply(log_in("ann")));
    let end = || Act::End { user: "ann".into(), before: None, reason: Reason::Ended };
    let new = Subject::new(&store);
    let not_replicated = UnavailableKind::NotReplicated;
    assert_eq!(kind(logged_in.try_send(&log_in).await), not_replicated);
    assert_eq!(kind(rotated.try_act(1, Act::Apply(rotate())).await), not_replicated);
    assert_eq!(kind(ended.try_act(1, end()).await), not_replicated);
    assert_eq!(kind(save(saved, Act::Apply(set("a", "1"))).await), not_replicated);
    assert_eq!(kind(new.try_act(1, Act::Create(create_for("ann", &[("a", "1")]))).await), not_replicated);
    assert_eq!([logged_in.record().await.generation, rotated.record().await.generation], [2, 2]);
    assert!(matches!(ended.load().await, Loaded::Ended { .. }));
    assert_eq!([saved.data().await, new.data().await], [map(&[("a", "1")]), map(&[("a", "1")])]);
    assert_eq!(kind(new.try_act(1, Act::Destroy).await), not_replicated);
    // Also that it is gone.
    assert_eq!(kind(new.try_act(1, Act::Destroy).await), not_replicated);
    pair.replica.thaw();
    // The same write once more.
    let again = Subject { store: &patient, handle: logged_in.handle };
    assert_eq!(done(&again.send(&log_in).await).generation, 2);
    assert_eq!(Subject { store: &patient, handle: new.handle }.act(1, Act::Destroy).await, Outcome::Gone);
}

#[tokio::test]
async fn nobody_else_waits_while_a_log_in_waits_for_its_replica() {
    let pair = Pair::start().await;
    let store = pair.store(Durability::replicas(1, LONG)).await;
    let (waiting, other) = (Subject::with(&store, &[]).await, Subject::with(&store, &[]).await);
    pair.replica.freeze();
    let others = async {
        while pair.master.info("clients", "blocked_clients").await == "0" {
            yield_now().await;
        }
        for _ in 0..20 {
            done(&other.apply(1, add("n", 1)).await);
            done(&other.act(1, slide(HOUR * 2)).await);
            assert!(matches!(other.load().await, Loaded::Found(_)));
            done(&Subject::new(&store).act(1, Act::Create(create(&[]))).await);
        }
    };
    tokio::select! {
        biased;
        answer = waiting.try_act(1, Act::Apply(log_in("ann"))) => panic!("it waits for longer: {answer:?}"),
        () = others => {}
    }
}

#[tokio::test]
async fn many_who_wait_share_a_wait() {
    let pair = Pair::start().await;
    let store = pair.store(Durability::replicas(1, LONG)).await;
    let subjects = join_all((0..64).map(|_| Subject::with(&store, &[]))).await;
    let monitor = pair.master.monitor().await;
    pair.replica.freeze();
    let all = join_all(subjects.iter().map(|subject| subject.try_act(1, Act::Apply(log_in("ann")))));
    let (answers, ()) = tokio::join!(all, async {
        while pair.master.info("clients", "blocked_clients").await == "0" {
            yield_now().await;
        }
        pair.replica.thaw();
    });
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let lines = monitor.stop().await;
    let waits = lines.iter().filter(|line| line.contains("\"WAIT\"")).count();
    // One for who came first, and one for all who came meanwhile; a few more where they came in parts.
    assert!((1..16).contains(&waits), "{waits} waits for 64 log-ins");
}

#[tokio::test]
async fn a_repeat_that_changes_nothing_is_a_write_to_replicas_all_the_same() {
    let pair = Pair::start().await;
    let store = pair.store(Durability::replicas(1, LONG)).await;
    let subject = Subject::with(&store, &[]).await;
    let write = subject.write(1, Act::Apply(log_in("ann")));
    let first = subject.send(&write).await;
    let monitor = pair.replica.monitor().await;
    assert_eq!(done(&subject.send(&write).await).generation, done(&first).generation);
    let lines = monitor.stop().await;
    let of_it = lines.iter().filter(|line| line.contains(&subject.handle.to_string()));
    let names: Vec<_> = of_it.filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(names, ["PEXPIREAT"], "{lines:#?}");
}

#[tokio::test]
async fn a_write_whose_reply_was_lost_is_done_once_and_waits_like_any_other() {
    let pair = Pair::start().await;
    let wire = Wire::to(&pair.master);
    let over_it = |limit| wire.builder().durability(Durability::replicas(1, limit)).budget(2 * LONG);
    let (store, patient) = (connected(over_it(SHORT)).await, connected(over_it(LONG)).await);
    let subject = Subject::with(&store, &[]).await;
    pair.replica.freeze();
    wire.next("EVALSHA", [Fault::LoseReply]);
    assert_eq!(kind(save(&subject, Act::Apply(add("n", 1))).await), UnavailableKind::NotReplicated);
    pair.replica.thaw();
    wire.next("EVALSHA", [Fault::LoseReply]);
    let again = Subject { store: &patient, handle: subject.handle };
    assert_eq!(done(&save(&again, Act::Apply(add("n", 1))).await.expect("a replica has it")).value, Some(2));
}

#[tokio::test]
async fn where_it_is_only_told_a_replica_that_is_away_costs_one_wait_and_not_one_for_each_write() {
    let pair = Pair::start().await;
    let told = pair.store(Durability::replicas(1, SHORT).all_writes(Unmet::Tell)).await;
    let clock = pair.store(Durability::replicas(1, LONG)).await;
    let (subject, waiting) = (Subject::with(&told, &[]).await, Subject::with(&clock, &[]).await);
    pair.replica.freeze();
    let many = async {
        for _ in 0..100 {
            done(&subject.apply(1, add("n", 1)).await);
        }
    };
    tokio::select! {
        biased;
        answer = waiting.try_act(1, Act::Apply(rotate())) => panic!("a hundred writes waited for longer: {answer:?}"),
        () = many => {}
    }
    // Those that say who is logged in do wait, each.
    assert_eq!(kind(subject.try_act(1, Act::Apply(rotate())).await), UnavailableKind::NotReplicated);
    pair.replica.thaw();
    while subject.try_act(2, Act::Apply(log_in("ann"))).await.is_err() {}
    pair.replica.freeze();
    let generation = subject.record().await.generation;
    let began = Instant::now();
    done(&subject.apply(generation, add("n", 1)).await);
    assert!(began.elapsed() >= SHORT, "the replica was known to be back: {:?}", began.elapsed());
}

#[tokio::test]
async fn all_writes_of_requests_wait_where_that_is_asked_for_and_what_is_done_beside_them_does_not() {
    let pair = Pair::start().await;
    let all = |replicas, limit| Durability::replicas(replicas, limit).unmet(Unmet::Tell).all_writes(Unmet::Refuse);
    let (store, patient) = pair.stores(all).await;
    let subject = Subject { store: &store, handle: Subject::with(&patient, &[]).await.handle };
    pair.replica.freeze();
    assert_eq!(kind(subject.try_act(1, Act::Apply(set("a", "1"))).await), UnavailableKind::NotReplicated);
    assert_eq!(kind(Subject::new(&store).try_act(1, Act::Create(create(&[]))).await), UnavailableKind::NotReplicated);
    for act in [slide(HOUR * 2), Act::Apply(log_in("ann"))] {
        done(&subject.act(1, act).await);
    }
}

#[tokio::test]
async fn a_master_that_becomes_a_replica_while_somebody_waits_has_acknowledged_nothing() {
    let pair = Pair::start().await;
    let builder = RedisStore::builder(pair.master.unix_url()).budget(Duration::from_secs(2));
    let store = connected(builder.durability(Durability::replicas(1, LONG))).await;
    let subject = Subject::with(&store, &[]).await;
    pair.replica.freeze();
    let (answer, ()) = tokio::join!(subject.try_act(1, Act::Apply(log_in("ann"))), async {
        while pair.master.info("clients", "blocked_clients").await == "0" {
            yield_now().await;
        }
        // Nobody is there, so what it has stays as it is.
        pair.master.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
    });
    assert_eq!(kind(answer), UnavailableKind::NotMaster);
}

#[tokio::test]
async fn waiting_costs_one_connection_more_and_not_waiting_none() {
    let server = RedisServer::start().await;
    for (durability, connections) in [(Durability::asynchronous(), 1), (Durability::replicas(1, SHORT), 2)] {
        let wire = Wire::to(&server);
        let store = connected(wire.builder().durability(durability)).await;
        let subject = Subject::with(&store, &[]).await;
        done(&subject.apply(1, set("a", "1")).await);
        assert_eq!((wire.connections(), wire.seen("WAIT")), (connections, 0));
    }
}

#[tokio::test]
async fn a_user_who_may_not_wait_is_told_so_and_writes_that_do_not_wait_go_on() {
    let pair = Pair::start().await;
    let store = pair.store(Durability::replicas(1, SHORT)).await;
    let subject = Subject::with(&store, &[]).await;
    pair.master.cli(&["ACL", "SETUSER", "default", "-wait"]).await;
    assert_eq!(kind(subject.try_act(1, Act::Apply(log_in("ann"))).await), UnavailableKind::Denied);
    done(&subject.apply(2, set("a", "1")).await);
}

#[tokio::test]
async fn a_durability_that_cannot_be_is_refused() {
    let refusal = |replicas, limit| {
        let builder = RedisStore::builder("redis://127.0.0.1").durability(Durability::replicas(replicas, limit));
        builder.build().expect_err("refused").to_string()
    };
    assert_eq!(refusal(0, SHORT), "durability = 0 replicas within 100ms: must be at least one replica");
    let limits = "must be from a millisecond to an hour";
    assert_eq!(refusal(1, Duration::ZERO), format!("durability = 1 replicas within 0ns: {limits}"));
    assert_eq!(refusal(2, HOUR * 2), format!("durability = 2 replicas within 7200s: {limits}"));
}
