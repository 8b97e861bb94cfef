//! The store is in trouble while three instances are busy.

use std::fs;
use std::time::Duration;

use crate::harness::{Fleet, Instance, Mode, RedisServer, TcpProxy, info, session_key};
use crate::load::{Load, Plan, Rules, alone, in_rounds};

const OUTAGE: Rules = Rules { refusals: &[503], ..Rules::new() };
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn while_redis_hangs_each_answer_is_within_the_budget_and_a_second_after_it_all_is_well() {
    let _turn = alone().await;
    in_rounds(async || {
        let fleet = Fleet::start(3).await;
        let load = Load::start(&fleet.urls(), Plan::default()).await;
        load.pass(Duration::from_millis(500)).await;
        let hung = load.now();
        fleet.redis.freeze();
        load.pass(2 * SECOND).await;
        fleet.redis.thaw();
        let thawed = load.now();
        load.pass(Duration::from_millis(1500)).await;
        let history = load.stop().await;
        let verdict = history.check(&OUTAGE);
        let healthy = history.healthy_after(thawed);
        println!("hung for 2 s: healthy after {healthy:?}, {verdict}");
        assert!(history.failed(hung, thawed) > 100, "it did not hang: {verdict}");
        verdict.is_in_time() && healthy < SECOND
    })
    .await;
}

#[tokio::test]
async fn a_second_after_redis_is_restarted_all_is_well() {
    let _turn = alone().await;
    in_rounds(async || {
        let mut fleet = Fleet::start_on(RedisServer::start_durable().await, 3, &[]).await;
        let load = Load::start(&fleet.urls(), Plan::default()).await;
        load.pass(Duration::from_millis(300)).await;
        fleet.redis.kill();
        load.pass(2 * SECOND).await;
        fleet.redis.restart().await;
        let back = load.now();
        load.pass(Duration::from_millis(1500)).await;
        let history = load.stop().await;
        let (verdict, healthy) = (history.check(&OUTAGE), history.healthy_after(back));
        println!("killed for 2 s: healthy after {healthy:?}, {verdict}");
        verdict.is_in_time() && healthy < SECOND
    })
    .await;
}

/// Three instances with one wire to their store.
async fn on_a_wire() -> (RedisServer, TcpProxy, Vec<Instance>, Load) {
    let redis = RedisServer::start().await;
    let wire = TcpProxy::start(redis.port()).await;
    let env = [("STORE", wire.redis_url()), ("SESSION_KEYS", session_key())];
    let instances = [Instance::start(&env).await, Instance::start(&env).await, Instance::start(&env).await];
    let urls: Vec<String> = instances.iter().map(Instance::url).collect();
    // 500 requests a second.
    let plan = Plan { staying: 250, passing: 0, plain: 5, pace: Duration::from_millis(500) };
    let load = Load::start(&urls, plan).await;
    (redis, wire, instances.into(), load)
}

/// Resident memory in KiB, and open files, of all instances.
fn taken(instances: &[Instance]) -> (u64, usize) {
    let one = |instance: &Instance| {
        let proc = format!("/proc/{}", instance.pid());
        let status = fs::read_to_string(format!("{proc}/status")).expect("a process");
        let memory = info(&status, "VmRSS").and_then(|memory| memory.split_whitespace().next()?.parse::<u64>().ok());
        (memory.expect("VmRSS"), fs::read_dir(format!("{proc}/fd")).expect("open files").count())
    };
    instances.iter().map(one).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Over the next second, or what a busy machine makes of it.
async fn commands_a_second(redis: &RedisServer, load: &Load) -> u64 {
    let (begun, before) = (load.now(), redis.command_count().await);
    load.pass(SECOND).await;
    let count = redis.command_count().await - before;
    count * 1000 / u64::try_from(load.now().saturating_sub(begun).as_millis()).expect("a second")
}

#[tokio::test]
async fn an_outage_at_500_requests_a_second_grows_nothing_and_its_end_is_no_storm() {
    let _turn = alone().await;
    in_rounds(async || {
        let (redis, wire, instances, load) = on_a_wire().await;
        load.pass(Duration::from_millis(600)).await;
        let normal = commands_a_second(&redis, &load).await;
        wire.set(Mode::Swallow);
        // All that was under way is over, and the link is known to be down.
        load.pass(2 * SECOND).await;
        let (dials, from, at_first) = (wire.connections(), load.now(), taken(&instances));
        load.pass(2 * SECOND).await;
        let (dials, to, at_last) = (wire.connections() - dials, load.now(), taken(&instances));
        wire.set(Mode::Forward);
        let returned = commands_a_second(&redis, &load).await;
        load.pass(SECOND).await;
        let history = load.stop().await;
        let (verdict, requests) = (history.check(&OUTAGE), history.begun(from, to));
        println!("{verdict}");
        println!(
            "{requests} requests in 2 s of an outage: {dials} dials, nothing else; KiB and files {at_first:?} at first, \
             {at_last:?} at last; commands a second: {normal} before, {returned} in the first one after"
        );
        if !verdict.is_in_time() {
            return false;
        }
        assert!(requests > 300, "the load is too light: {requests}");
        assert!(dials * 5 <= requests as u64, "{dials} dials for {requests} requests");
        assert!(at_last.0 <= at_first.0 + 4 * 1024 && at_last.1 <= at_first.1 + 20, "{at_first:?}, then {at_last:?}");
        assert!(returned * 2 <= normal * 3, "{returned} commands in the first second, {normal} before");
        true
    })
    .await;
}

#[tokio::test]
async fn a_server_that_refuses_500_requests_a_second_is_asked_again_for_a_fifth_of_them_at_most() {
    let _turn = alone().await;
    in_rounds(async || {
        let (redis, _wire, _instances, load) = on_a_wire().await;
        load.pass(SECOND).await;
        // A replica without its master, told not to answer from old data: MASTERDOWN to everything.
        redis.cli(&["CONFIG", "SET", "replica-serve-stale-data", "no"]).await;
        redis.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
        // What the quiet time before has saved for second attempts is spent by then.
        load.pass(2 * SECOND).await;
        let rejected = async || {
            let text = redis.cli(&["INFO", "commandstats"]).await;
            let line = info(&text, "cmdstat_hgetall").expect("it was called").to_owned();
            let count = line.split(',').find_map(|part| part.strip_prefix("rejected_calls="));
            count.and_then(|count| count.parse::<u64>().ok()).expect("a count")
        };
        let (from, before) = (load.now(), rejected().await);
        load.pass(2 * SECOND).await;
        let after = rejected().await;
        // Last: the time of the requests has that of the attempts in it.
        let to = load.now();
        redis.cli(&["REPLICAOF", "NO", "ONE"]).await;
        let back = load.now();
        load.pass(Duration::from_millis(1500)).await;
        let history = load.stop().await;
        let (verdict, requests, attempts) = (history.check(&OUTAGE), history.begun(from, to) as u64, after - before);
        let healthy = history.healthy_after(back);
        println!("{attempts} attempts of {requests} requests; healthy after {healthy:?}; {verdict}");
        if !verdict.is_in_time() {
            return false;
        }
        assert!(requests > 300, "the load is too light: {requests}");
        // And for ten a second of each instance, without which a small application would have no second attempt at all.
        let most = requests * 12 / 10 + 3 * 10 * to.saturating_sub(from).as_secs();
        assert!(attempts <= most, "{attempts} attempts of {requests} requests, {most} at most");
        healthy < SECOND
    })
    .await;
}
