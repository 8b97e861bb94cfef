//! Sessions by their number, and many calls for them under way at once.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::aio::MultiplexedConnection;
use stickless::Handle;
use stickless::store::{
    Act, Add, Apply, Budget, Create, Delta, Intent, Limits, RedisStore, Sighting, Store as _, Write, WriteId,
};
use tokio::task::JoinSet;

/// Calls under way.
const TASKS: u64 = 64;

/// Handles are parts of a hash: these are spread as those are.
fn handle(number: u64) -> Handle {
    let mixed = |seed: u64| {
        (number ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).swap_bytes().wrapping_mul(0xD6E8_FEB8_6659_FD93)
    };
    let bytes = [mixed(0x5555), mixed(number)].map(u64::to_le_bytes).concat();
    URL_SAFE_NO_PAD.encode(bytes).parse().expect("sixteen bytes")
}

/// One of the numbers below `sessions`, another at each turn.
fn any(turn: u64, sessions: u64) -> u64 {
    turn.wrapping_mul(0x9E37_79B9_7F4A_7C15) % sessions
}

/// Makes the sessions of these numbers, of about 500 bytes each.
pub(crate) async fn create(store: &RedisStore, numbers: std::ops::Range<u64>) {
    let (from, count) = (numbers.start, numbers.end - numbers.start);
    each(count, store, move |store, turn| async move {
        let number = from + turn;
        let data = [
            ("n", "1".to_owned()),
            ("theme", "\"dark\"".to_owned()),
            ("csrf", format!("\"{}\"", "c".repeat(43))),
            ("cart", format!("\"{}\"", "tea ".repeat(90))),
        ];
        let create = Create {
            user: Some(format!("user-{number}")),
            membership: None,
            idle: (Duration::from_secs(24 * 3600), false),
            absolute: None,
            seen: Sighting::default(),
            data: data.map(|(key, value)| (key.to_owned(), value)).into(),
        };
        apply(&store, number, Act::Create(create)).await;
    })
    .await;
}

/// Reads so many of the sessions below `sessions`, in no order.
pub(crate) async fn read(store: &RedisStore, sessions: u64, count: u64) {
    each(count, store, move |store, turn| async move {
        let number = any(turn, sessions);
        let records = store.load(&[handle(number)], &Budget::default()).await.expect("an answer");
        assert!(!records.is_empty());
        std::hint::black_box(records);
    })
    .await;
}

/// The same with a bare connection: HGETALL, and nothing taken apart.
pub(crate) async fn read_by_hand(bare: &MultiplexedConnection, sessions: u64, count: u64) {
    each(count, bare, move |mut bare, turn| async move {
        let key = format!("stickless:s:{}", handle(any(turn, sessions)));
        let record: redis::Value = redis::cmd("HGETALL").arg(key).query_async(&mut bare).await.expect("an answer");
        std::hint::black_box(record);
    })
    .await;
}

/// Counts in so many of the sessions below `sessions`, in no order.
pub(crate) async fn count(store: &RedisStore, sessions: u64, count: u64) {
    each(count, store, move |store, turn| async move {
        let number = any(turn, sessions);
        let add = Apply {
            delta: Delta::default(),
            add: Some(Add { key: "n".to_owned(), by: 1 }),
            expect: None,
            intent: Intent::Keep,
            limits: Limits::default(),
        };
        apply(&store, number, Act::Apply(add)).await;
    })
    .await;
}

async fn apply(store: &RedisStore, number: u64, act: Act) {
    let id = WriteId::random().expect("random numbers");
    let write = Write { handle: handle(number), generation: 1, id, act };
    store.apply(&write, &Budget::default()).await.expect("an answer");
}

/// Makes `count` calls, each with its number.
async fn each<S, F, Fut>(count: u64, store: &S, call: F)
where
    S: Clone + Send + 'static,
    F: Fn(S, u64) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for turn in (task..count).step_by(usize::try_from(TASKS).expect("small")) {
                call(store.clone(), turn).await;
            }
        });
    }
    tasks.join_all().await;
}
