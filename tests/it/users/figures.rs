//! A thousand sessions of one user are listed and ended at once.

use std::time::{Duration, Instant};

use stickless::Users;
use stickless::store::roster::Membership;
use stickless::store::roster::{Act as Roster, Name, Outcome};
use stickless::store::{Act, Budget, Create, RedisStore, Roster as _, Sighting, Store as _, Write, WriteId};

use crate::contract::subject::new_handle;
use crate::harness::RedisServer;

const HOUR: Duration = Duration::from_secs(3600);
const SESSIONS: usize = 1000;

/// As a log-in does it.
async fn log_in(store: &RedisStore, user: &str) {
    let (handle, budget) = (new_handle(), Budget::default());
    let (name, cap, gone) = (Name::of_user(user), None, Vec::new());
    let reserve = Roster::Reserve { handle, cap, gone: gone.clone() };
    let Ok(Outcome::Reserved { serial, .. }) = store.enrol(name, &reserve, &budget).await else { panic!("reserved") };
    let create = Create {
        user: Some(user.to_owned()),
        membership: Some(Membership { serial, unproved: false }),
        idle: (HOUR, false),
        absolute: None,
        seen: Sighting { address: Some("192.0.2.7".into()), agent: Some("curl/8.7.1".into()) },
        data: [("cart".to_owned(), "[\"tea\"]".to_owned())].into(),
    };
    let id = WriteId::random().expect("random numbers");
    let write = Write { handle, generation: 1, id, act: Act::Create(create) };
    store.apply(&write, &budget).await.expect("created");
    let confirm = Roster::Confirm { handle, serial, life: HOUR, cap, gone };
    store.enrol(name, &confirm, &budget).await.expect("confirmed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_sessions_of_one_user_are_listed_and_ended_exactly() {
    let server = RedisServer::start().await;
    // A thousand log-ins at once: it is their number that is judged, and time by comparison.
    let (limit, budget) = (Duration::from_secs(10), Duration::from_secs(30));
    let store = RedisStore::builder(server.url()).timeout(limit).budget(budget).build().expect("a store");
    let users = Users::new(store.clone());
    let mut best = [Duration::MAX; 3];
    for _ in 0..3 {
        let began = Instant::now();
        futures_util::future::join_all((0..SESSIONS).map(|_| log_in(&store, "ada"))).await;
        let coming = began.elapsed();
        let began = Instant::now();
        let listed = users.list("ada").await.expect("the store answers").len();
        let listing = began.elapsed();
        let began = Instant::now();
        let ended = users.end_all("ada").await.expect("the store answers");
        let ending = began.elapsed();
        assert_eq!((listed, ended), (SESSIONS, SESSIONS));
        assert!(users.list("ada").await.expect("the store answers").is_empty());
        println!("came in {coming:?}, listed in {listing:?}, ended in {ending:?}");
        best = [best[0].min(coming), best[1].min(listing), best[2].min(ending)];
    }
    // A log-in is three writes, side by side with the others; an entry of the list is a read, and an end one write. The
    // best of three: the machine may stop at any time.
    let [coming, listing, ending] = best;
    assert!(listing < coming && ending < coming, "{listing:?} and {ending:?} after {coming:?}");
}
