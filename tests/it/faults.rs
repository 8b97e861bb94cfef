//! What users see while the store is in trouble, and that nobody is logged out by it.
//!
//! | fault | proved by |
//! |---|---|
//! | killed and restarted; refused; reset | `a_killed_and_restarted_redis_logs_nobody_out`, `a_second_after_redis_is_restarted_all_is_well`, `connections_that_are_reset_are_a_503_and_make_no_storm` |
//! | master killed, frozen and back as a stale master | `when_the_master_is_killed_no_request_fails_and_none_takes_longer_than_two_seconds`, `when_the_master_hangs_no_request_fails_and_nobody_writes_to_it_when_it_is_back` |
//! | master moved by an operator | `a_planned_failover_takes_nobody_longer_than_100_ms_and_loses_5_writes_at_most` |
//! | Sentinels down, or dying while they lead | `with_one_two_or_all_sentinels_away_and_the_master_there_nobody_notices`, `with_all_sentinels_hung_and_the_master_there_nobody_notices`, `a_sentinel_that_dies_while_it_leads_a_planned_failover_logs_nobody_out`, `a_sentinel_that_dies_while_it_leads_after_a_crash_is_replaced_and_nobody_is_logged_out` |
//! | split brain | `a_split_brain_with_min_replicas_ends_writes_on_the_old_side_and_is_healed` |
//! | a failover loses a log-in, a log-out | `after_a_failover_that_lost_a_log_in_the_user_logs_in_again_and_the_old_cookie_is_dead`, `after_a_failover_that_lost_a_log_out_it_is_repeated_before_anyone_can_use_the_session` |
//! | hangs | `a_redis_that_hangs_logs_nobody_out`, `while_redis_hangs_each_answer_is_within_the_budget_and_a_second_after_it_all_is_well` |
//! | packets swallowed, no reset | `packets_that_are_swallowed_are_a_503_at_the_deadline_and_no_write_afterwards` |
//! | replies slow, under and over the limit | `replies_slower_than_usual_but_in_time_are_waited_for`, `replies_that_come_too_late_are_a_503_and_reach_nobody` |
//! | reply cut; written, but the reply lost | `a_reply_that_is_cut_is_asked_for_again_and_the_value_is_added_exactly_once`, `a_write_whose_replies_are_lost_is_done_once_or_not_at_all`, `two_lost_replies_in_a_row_are_survived` |
//! | READONLY after a demotion | `a_write_to_a_demoted_master_is_refused_within_the_budget_and_done_once_it_is_promoted_again` |
//! | LOADING, BUSY, MASTERDOWN, max clients | `a_server_that_loads_is_waited_for`, `a_server_that_is_busy_is_asked_again_on_the_same_connection`, `a_server_that_is_full_of_clients_is_a_503_until_there_is_room_and_no_storm` |
//! | OOM, MISCONF, NOREPLICAS | `without_memory_reads_slides_and_log_outs_work_and_writes_are_a_503`, `writes_refused_for_want_of_disk_or_replicas_are_not_tried_again` |
//! | NOAUTH, WRONGPASS, NOPERM, WRONGTYPE | `a_password_that_is_missing_or_wrong_is_denied`, `a_write_without_permission_is_denied_at_once_without_another_attempt`, `without_the_right_to_write_reads_work_and_the_cookie_is_kept`, `a_key_of_another_type_is_corrupt_for_its_session_alone_and_left_as_it_is` |
//! | NOSCRIPT, also after each failover | `scripts_that_are_flushed_are_noticed_by_nobody`, `scripts_that_the_server_forgot_are_sent_again_unseen` |
//! | evicted key, FLUSHALL | `after_flushall_the_sessions_are_gone_and_a_new_log_in_works` |
//! | wrong type, corrupt field | `a_hash_that_is_no_record_is_corrupt_and_left_as_it_is` |
//! | a record of a newer format version | `a_record_of_a_newer_version_is_reported_and_never_overwritten` |
//! | a replica in the master's place | `a_replica_in_the_masters_place_is_a_503_and_never_a_log_out`, `a_miss_on_a_replica_is_unavailable_and_never_missing` |
//! | CLIENT KILL in a loop | `clients_killed_in_a_loop_are_noticed_by_nobody` |
//! | clocks of instances, steps | `an_instance_ten_minutes_ahead_or_behind_is_noticed_by_nobody`, `a_clock_that_jumps_an_hour_forth_and_back_is_noticed_by_nobody` |
//! | out of memory for longer than the idle limit | `out_of_memory_for_longer_than_the_idle_limit_active_users_are_still_logged_in` |
//! | old and new version side by side | `a_fleet_of_two_versions_is_one_application_under_load`, `sessions_and_cookies_of_the_previous_version_are_read_and_written_by_this_one_and_the_reverse` |
//! | out at 500 requests a second | `an_outage_at_500_requests_a_second_grows_nothing_and_its_end_is_no_storm`, `a_server_that_refuses_500_requests_a_second_is_asked_again_for_a_fifth_of_them_at_most` |
//! | the client leaves; a call is cancelled | `a_client_that_leaves_leaves_all_of_its_write_or_nothing`, `a_call_dropped_at_any_moment_is_done_once_or_not_at_all` |
//! | instance killed, SIGTERM, all at once | `a_killed_instance_loses_no_session_behind_nginx`, `sigterm_lets_requests_in_flight_end_and_exits_0`, `all_instances_killed_at_once_take_no_session_with_them` |
//! | rolling key rotation | `while_instances_and_keys_are_replaced_behind_nginx_no_request_and_none_of_1000_sessions_is_lost` |
//! | all of these at random, together | `whatever_befalls_a_store_under_sentinel_and_its_instances_no_promise_is_broken`, `whatever_befalls_a_cluster_and_its_instances_no_promise_is_broken` |
//! | handler panics, answers 5xx | `a_failing_handler_and_a_panic_leave_nothing_staged` |

mod clients;
mod outages;
mod refusals;
mod strangers;
mod under_load;
mod versions;
mod wire;

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::harness::Browser;

/// What a request may spend on the store, by default.
const BUDGET: Duration = Duration::from_secs(1);

/// What a request may take at most when the store does not answer: the budget, and less than one more attempt (250 ms)
/// would add to it.
const LIMIT: Duration = BUDGET.saturating_add(Duration::from_millis(240));

/// Every use of the session is a 503 within the budget that says nothing about the cookie; all else works.
async fn assert_out(browser: &Browser) {
    let cookie = browser.cookie();
    for (post, path) in
        [(false, "/me"), (false, "/count"), (true, "/set?k=a&v=1"), (true, "/logout"), (true, "/login?user=eve")]
    {
        let begun = Instant::now();
        let request = if post { browser.post(path) } else { browser.get(path) };
        let answer = request.send().await;
        let took = begun.elapsed();
        assert!(took < LIMIT, "{path} took {took:?}");
        assert_eq!((answer.status, answer.text().as_str()), (503, "Service Unavailable"), "{path}");
        assert_eq!(answer.header("retry-after").as_deref(), Some("1"), "{path}");
        assert_eq!(answer.set_cookies(), [""; 0], "{path}");
    }
    for path in ["/static", "/healthz"] {
        let begun = Instant::now();
        assert_eq!(browser.get(path).send().await.status, 200, "{path}");
        // One that asked the store would take all of the budget.
        assert!(begun.elapsed() < BUDGET / 2, "{path} took {:?}", begun.elapsed());
    }
    let maybe = browser.get("/maybe").send().await;
    assert_eq!((maybe.status, maybe.json()), (200, json!({ "available": false, "user": null })));
    assert_eq!(browser.get("/readyz").send().await.status, 503);
    assert_eq!(browser.cookie(), cookie);
}

/// The same cookie leads to the same user within two seconds: the first request may wait for one.
async fn assert_back(browser: &Browser, user: &str) {
    let begun = Instant::now();
    loop {
        let answer = browser.get("/me").send().await;
        if answer.status == 200 {
            assert_eq!((&answer.json()["user"], answer.set_cookies().len()), (&json!(user), 0));
            break;
        }
        assert_eq!(answer.status, 503);
        assert!(begun.elapsed() < 2 * BUDGET, "still away after {:?}", begun.elapsed());
        sleep(Duration::from_millis(10)).await;
    }
    println!("back after {:?}", begun.elapsed());
    assert_eq!(browser.get("/count").send().await.status, 200);
    assert_eq!(browser.get("/readyz").send().await.status, 200);
}
