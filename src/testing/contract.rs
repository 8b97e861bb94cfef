//! The contract of a store: each sentence at [`Store`](crate::store::Store)'s methods as a function that panics where it does not hold.

/// Hands the names of all sentences to a macro, module by module, for a test of each: those of a store's author, and
/// those of this crate.
///
/// ```
/// macro_rules! tests {
///     ($($module:ident: $($sentence:ident,)+;)+) => {
///         $($(#[tokio::test]
///         async fn $sentence() {
///             let store = stickless::store::MemoryStore::new();
///             stickless::testing::contract::$module::$sentence(&store).await;
///         })+)+
///     };
/// }
/// stickless::store_contract!(tests);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_contract {
    ($each:ident) => {
        $each! {
            additions:
                an_addition_is_exact_up_and_down_and_an_absent_value_is_zero,
                an_addition_is_exact_beyond_what_a_float_can_hold,
                the_ends_of_64_bits_can_be_reached_and_not_passed,
                what_is_no_integer_in_its_one_form_is_refused_and_nothing_changes,
                an_addition_and_the_delta_beside_it_are_applied_together,
                all_concurrent_additions_count,
            ;
            deltas:
                a_delta_sets_and_removes_whole,
                deltas_of_different_keys_both_win,
                the_last_delta_of_a_key_wins,
                a_removal_alone_is_saved,
                a_record_outlives_its_last_value,
                take_removes_only_what_is_unchanged,
                clear_removes_all_that_is_there_then_the_new_values_apply,
                thousands_of_values_are_set_and_cleared_at_once,
                a_change_leaves_the_life_alone,
            ;
            endings:
                an_end_leaves_a_tombstone_that_says_why_whatever_the_generation,
                an_end_of_anothers_session_is_gone_and_changes_nothing,
                an_end_spares_who_came_in_since,
                a_session_without_a_place_came_in_when_it_was_born,
                the_same_end_once_more_has_the_first_result_and_another_is_gone,
                a_session_that_ended_by_itself_is_counted_once,
                a_place_is_noted_under_exactly_this_generation,
                a_log_in_notes_its_place_and_a_later_one_stays,
            ;
            expectations:
                a_change_is_made_while_its_expectation_holds,
                a_conflict_tells_the_current_text_and_changes_nothing,
                an_expectation_compares_the_text_and_not_its_meaning,
                of_concurrent_changes_with_one_expectation_one_is_made,
            ;
            generations:
                a_write_under_a_lower_generation_is_superseded_and_changes_nothing,
                a_write_under_a_higher_generation_is_done_and_the_record_adopts_it,
                a_destroy_under_a_higher_generation_ends_the_record,
                a_refused_write_under_a_higher_generation_adopts_nothing,
                rotate_raises_the_generation_by_one_and_notes_the_time,
                rotate_under_a_higher_generation_goes_on_from_there,
                of_two_rotations_from_one_generation_one_is_made,
            ;
            lives:
                a_record_ends_at_its_idle_limit,
                an_ended_record_is_gone_and_its_handle_free,
                a_record_that_slides_still_ends_at_its_absolute_limit,
                a_slide_extends_only_when_less_than_its_threshold_is_left,
                a_slide_never_passes_the_absolute_end,
                a_slide_never_shortens_a_life,
                a_slide_changes_nothing_but_the_life,
                a_new_life_changes_what_is_left_and_is_the_sessions_own,
                a_new_life_never_passes_the_absolute_end,
            ;
            log_in:
                log_in_raises_the_generation_and_binds_the_user_and_keeps_the_data,
                log_in_begins_both_limits_anew,
                log_in_without_an_absolute_limit_ends_the_old_one,
                log_in_keeps_an_idle_limit_of_the_sessions_own,
                log_in_can_bring_an_idle_limit_of_its_own,
                log_in_of_another_user_drops_the_data_and_the_limit_of_the_one_before,
                log_in_of_the_same_user_keeps_the_data,
                log_in_of_the_same_user_under_an_old_generation_issues_the_current_one_again,
                log_in_of_the_same_user_that_is_not_to_be_bound_again_is_superseded,
                log_in_of_another_user_under_an_old_generation_is_superseded,
                log_in_under_an_old_generation_to_a_session_without_user_is_superseded,
                log_in_under_a_higher_generation_goes_on_from_there,
            ;
            records:
                a_created_record_is_read_back_as_it_was_made,
                a_record_without_user_and_limits_of_its_own_is_read_back_so,
                a_record_can_be_empty,
                any_text_is_a_key_or_a_value_and_meets_none_of_the_records_own_fields,
                nothing_but_create_makes_a_record,
                create_refuses_a_handle_that_has_a_record,
                create_refuses_a_handle_that_has_a_tombstone,
                handles_are_answered_in_their_order,
                a_read_changes_nothing,
                the_stores_time_goes_on,
            ;
            repeats:
                a_repeated_create_is_recognised_and_changes_nothing,
                a_repeated_create_is_recognised_after_the_record_was_changed,
                a_repeated_addition_has_the_first_sum_and_adds_nothing,
                a_repeated_set_does_not_undo_what_came_between,
                a_repeated_compare_and_set_is_no_conflict,
                a_repeated_log_in_raises_the_generation_once,
                a_repeated_rotation_raises_the_generation_once,
                a_repeated_write_has_the_generation_that_it_led_to_and_not_a_later_log_ins,
                a_repeated_destroy_is_done_and_a_second_one_is_gone,
                a_refused_write_is_decided_anew,
                a_write_is_recognised_after_many_others,
            ;
            sizes:
                too_many_values_are_refused_and_nothing_is_written,
                too_many_bytes_are_refused_and_nothing_is_written,
                what_is_removed_makes_room_in_the_same_change,
                shrinking_is_always_allowed_even_beyond_the_limit,
                sizes_stay_exact_over_all_kinds_of_changes,
                an_addition_that_outgrows_the_limit_is_refused,
                a_sum_that_is_shorter_makes_room_in_the_same_change,
            ;
            sightings:
                what_a_record_begins_with_is_no_news,
                the_first_sight_of_a_record_that_knows_nothing_is_no_news,
                a_new_address_and_a_new_agent_are_each_told_once,
                of_many_writes_with_the_same_news_one_is_told,
                the_same_note_once_more_has_the_first_answer,
                four_addresses_are_known_and_a_fifth_drives_out_the_first,
                a_return_to_something_known_is_no_news_and_noted_after_an_interval_only,
                what_is_absent_says_nothing,
                a_note_under_a_lower_generation_is_superseded,
                a_log_in_keeps_what_was_seen,
                a_slide_and_a_note_are_one_write,
            ;
            tombstones:
                everything_but_bury_is_gone_on_a_tombstone,
                bury_leaves_a_tombstone_where_nothing_is,
                bury_on_a_tombstone_leaves_a_tombstone,
                bury_on_a_record_of_a_higher_generation_notes_the_time,
                bury_on_a_record_of_its_own_or_a_lower_generation_does_nothing,
            ;
        }
    };
}

macro_rules! modules {
    ($($module:ident: $($sentence:ident,)+;)+) => {
        $(#[doc(hidden)]
        pub mod $module;)+

        /// Holds a store to its contract, a sentence after the other, each on handles of its own. Panics at the first that
        /// does not hold, whose name is the last on standard error.
        ///
        /// The store must be empty, and reachable throughout. It takes a few seconds.
        ///
        /// ```
        /// # #[tokio::main(flavor = "current_thread")] async fn main() {
        /// stickless::testing::contract::check(&stickless::store::MemoryStore::new()).await;
        /// # }
        /// ```
        pub async fn check(store: &impl crate::store::Store) {
            $($(
                eprintln!("{}", stringify!($sentence));
                $module::$sentence(store).await;
            )+)+
        }
    };
}

store_contract!(modules);

#[doc(hidden)]
pub mod subject;
