//! Whatever the writes, both stores decide them alike: the rules in Rust and the scripts in Lua are one contract.

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use stickless::store::roster::Membership;
use stickless::store::{
    Act, Add, Apply, Change, Create, Delta, Done, Intent, Loaded, MemoryStore, Note, Outcome, RedisStore, Sighting,
    Store, Timestamp,
};
use stickless::{Limits, Reason};

use super::store;
use super::subject::{HOUR, Subject};
use crate::harness::RedisServer;

/// A write, and whether it is delivered twice.
type Step = (u32, Act, bool);

#[test]
fn both_stores_decide_every_sequence_of_writes_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(RedisServer::start());
    let redis = {
        let _inside = runtime.enter();
        store(&server.unix_url())
    };
    let memory = MemoryStore::new();
    let config = Config { failure_persistence: None, ..Config::default() };
    let steps = vec((1_u32..4, act(), proptest::bool::weighted(0.2)), 1..20);
    let agreed = TestRunner::new(config).run(&steps, |steps| runtime.block_on(compare(&memory, &redis, &steps)));
    if let Err(difference) = agreed {
        panic!("{difference}");
    }
}

async fn compare(memory: &MemoryStore, redis: &RedisStore, steps: &[Step]) -> Result<(), TestCaseError> {
    let (memory, redis) = (Subject::new(memory), Subject::new(redis));
    for step in steps {
        let (here, there) = (carry_out(&memory, step).await, carry_out(&redis, step).await);
        if here != there {
            return Err(TestCaseError::fail(format!("{step:?}\nin memory {here:#?}\non Redis {there:#?}")));
        }
    }
    Ok(())
}

/// Each outcome, and what is there afterwards.
async fn carry_out(subject: &Subject<'_, impl Store>, (generation, act, twice): &Step) -> (Vec<Outcome>, Loaded) {
    let write = subject.write(*generation, act.clone());
    let mut outcomes = Vec::new();
    for _ in 0..=u8::from(*twice) {
        outcomes.push(match subject.send(&write).await {
            Outcome::Done(done) => {
                Outcome::Done(Done { at: NOON, end: done.end.map(|end| from(done.at, end)), ..done })
            }
            Outcome::Drifted(done, drifted) => {
                let end = done.end.map(|end| from(done.at, end));
                Outcome::Drifted(Done { at: NOON, end, ..done }, drifted)
            }
            outcome => outcome,
        });
    }
    let loaded = match subject.load().await {
        Loaded::Found(mut record) => {
            record.life.end = record.life.end.map(|end| from(record.born, end));
            record.rotated = record.rotated.map(|_| NOON);
            record.seen.at = from(NOON, NOON);
            record.expires_in = from(NOON, NOON.plus(record.expires_in)).since(NOON);
            record.born = NOON;
            Loaded::Found(record)
        }
        Loaded::Ended { reason, .. } => Loaded::Ended { at: NOON, reason },
        loaded => loaded,
    };
    (outcomes, loaded)
}

const NOON: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// To the minute: the stores do not get their writes at the same moment.
fn from(start: Timestamp, end: Timestamp) -> Timestamp {
    let minutes = (end.since(start) + Duration::from_secs(30)).as_secs() / 60;
    NOON.plus(Duration::from_secs(minutes * 60))
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => create().prop_map(Act::Create),
        12 => change().prop_map(Act::Apply),
        6 => (lives(), option::weighted(0.8, note())).prop_map(|(within, seen)| Act::Slide { within, seen }),
        1 => Just(Act::Destroy),
        1 => Just(Act::Bury),
        1 => end(),
        1 => memberships().prop_map(Act::Place),
    ]
}

fn create() -> impl Strategy<Value = Create> {
    let idle = (lives(), proptest::bool::ANY);
    (
        option::of(users()),
        option::of(memberships()),
        idle,
        option::of(lives()),
        btree_map(prop_oneof![3 => keys(), 1 => Just("n".to_owned())], values(), 0..4),
        sighting(),
    )
        .prop_map(|(user, membership, idle, absolute, data, seen)| Create {
            user,
            membership,
            idle,
            absolute,
            seen,
            data,
        })
}

fn note() -> impl Strategy<Value = Note> {
    // An hour after the last note is never in a test, nothing after it always.
    (sighting(), select(&[HOUR, Duration::ZERO][..]), 0_u32..3).prop_map(|(sighting, again_after, returns)| Note {
        sighting,
        again_after,
        returns,
    })
}

fn sighting() -> impl Strategy<Value = Sighting> {
    let one_of = |texts: &'static [&'static str]| option::of(select(texts).prop_map(str::to_owned));
    (one_of(&["a", "b", "c", "d", "e", "f", "bb"]), one_of(&["x/1.0 (a; b:c)", "y", "%d", ":h"]))
        .prop_map(|(address, agent)| Sighting { address, agent })
}

fn end() -> impl Strategy<Value = Act> {
    let reason = select(&[Reason::Ended, Reason::Evicted, Reason::Everywhere][..]);
    (users(), option::of(select(&[2_u64, 3, u64::MAX / 4096][..])), reason)
        .prop_map(|(user, before, reason)| Act::End { user, before, reason })
}

fn memberships() -> impl Strategy<Value = Membership> {
    (1_u64..4, proptest::bool::ANY).prop_map(|(serial, unproved)| Membership { serial, unproved })
}

fn change() -> impl Strategy<Value = Apply> {
    // Under a key that no delta changes.
    let add = select(&[1, -1, 90, i64::MAX, i64::MIN][..]).prop_map(|by| Add { key: "n".into(), by });
    let expect = option::weighted(0.2, (keys(), option::of(values())));
    let what = prop_oneof![
        4 => (delta(), Just(Intent::Keep)).prop_map(|(delta, intent)| (delta, None, intent)),
        4 => (delta(), add, select(&[Intent::Keep, Intent::Rotate][..])).prop_map(|(delta, add, intent)| {
            (Delta { clear: false, ..delta }, Some(add), intent)
        }),
        2 => (delta(), intent()).prop_map(|(delta, intent)| (delta, None, intent)),
    ];
    let limits = (1_usize..5, 3_usize..30).prop_map(|(fields, record)| Limits { fields, record, ..Limits::default() });
    let limits = prop_oneof![Just(Limits::default()), limits];
    (what, expect, limits).prop_map(|((delta, add, intent), expect, limits)| Apply {
        delta,
        add,
        expect,
        intent,
        limits,
    })
}

fn delta() -> impl Strategy<Value = Delta> {
    let change = prop_oneof![
        3 => values().prop_map(Change::Set),
        1 => Just(Change::Remove),
        1 => values().prop_map(Change::Take),
    ];
    (proptest::bool::weighted(0.1), btree_map(keys(), change, 0..3), option::weighted(0.1, lives()))
        .prop_map(|(clear, changes, life)| Delta { clear, changes, life })
}

fn intent() -> impl Strategy<Value = Intent> {
    let log_in = (users(), lives(), option::of(lives()), proptest::bool::ANY, option::of(memberships())).prop_map(
        |(user, idle, absolute, reissue, membership)| Intent::LogIn { user, idle, absolute, reissue, membership },
    );
    prop_oneof![1 => Just(Intent::Rotate), 3 => log_in]
}

fn keys() -> impl Strategy<Value = String> {
    select(&["a", "b", "é"][..]).prop_map(str::to_owned)
}

fn values() -> impl Strategy<Value = String> {
    select(&["1", "22", "\"x\"", "1.0"][..]).prop_map(str::to_owned)
}

fn users() -> impl Strategy<Value = String> {
    select(&["ann", "bob"][..]).prop_map(str::to_owned)
}

fn lives() -> impl Strategy<Value = Duration> {
    (1_u32..5).prop_map(|hours| HOUR * hours)
}
