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
    let store = RedisStore::connect(&server.url()).expect("a store");
    let users = Users::new(store.clone());
    for _ in 0..3 {
        futures_util::future::join_all((0..SESSIONS).map(|_| log_in(&store, "ada"))).await;
        let began = Instant::now();
        let listed = users.list("ada").await.expect("the store answers").len();
        let listing = began.elapsed();
        let began = Instant::now();
        let ended = users.end_all("ada").await.expect("the store answers");
        let ending = began.elapsed();
        assert_eq!((listed, ended), (SESSIONS, SESSIONS));
        assert!(users.list("ada").await.expect("the store answers").is_empty());
        println!("listed in {listing:?}, ended in {ending:?}");
        // Without optimisation, and beside other tests; the figures are those of a release build alone.
        assert!(listing < Duration::from_secs(1) && ending < Duration::from_secs(2), "{listing:?} {ending:?}");
    }
}
