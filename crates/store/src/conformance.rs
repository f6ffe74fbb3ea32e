//! The behaviour every store must show: one function per contract, run against each database.
//!
//! `conformance!(open)` makes a test of each; `open` is an async function that gives a fresh [`World`].
//!
//! Invariants: a claim looks through the verbs and the views alone; it is true of every store.
//! Left to others: what is peculiar to one database (`tests/it`).

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "these are tests, and their names are sentences; they are compiled for tests alone"
)]

pub mod cancels;
pub mod chains;
pub mod commits;
mod database;
pub mod fanout;
pub mod forgets;
pub mod leases;
pub mod notices;
pub mod order;
pub mod replies;
pub mod settings;
pub mod settles;
pub mod things;
pub mod views;
mod world;

pub use database::Database;
pub use world::{Recorder, Taken, World, at};

/// Makes a test of each claim, and of the list itself: no claim is forgotten.
#[macro_export]
macro_rules! conformance {
    ($open:path) => {
        $crate::conformance! { @tests $open;
            cancels::a_pending_delivery_is_cancelled_once
            cancels::a_leased_delivery_stays_as_it_is
            cancels::a_delivery_that_becomes_due_now_is_offered
            cancels::what_is_pending_is_cancelled_but_for_what_is_leased
            cancels::what_is_left_for_an_endpoint_that_is_off_is_told_of
            cancels::no_more_is_cancelled_than_was_asked_for
            cancels::nothing_is_swept_of_an_endpoint_that_is_on
            cancels::another_accounts_delivery_is_missing
            chains::attempts_in_an_order_are_chained_too
            chains::the_chains_of_two_requests_stay_whole
            chains::an_entry_says_what_its_digest_covers
            chains::a_timeline_comes_in_pages_and_outlives_its_request
            chains::an_event_knows_its_place
            commits::a_conflict_in_the_second_write_undoes_the_first
            commits::what_was_admitted_is_withdrawn_when_the_commit_is_refused
            commits::a_refused_commit_leaves_its_neighbours_alone
            commits::of_many_at_once_only_the_stale_are_refused
            commits::a_stale_request_is_a_conflict
            commits::a_stale_contact_is_a_conflict
            commits::a_stale_endpoint_is_a_conflict
            commits::a_url_is_registered_once
            commits::a_known_event_is_told_once
            commits::a_known_key_names_the_first_event
            commits::an_event_said_twice_in_one_commit_is_known_the_second_time
            commits::an_account_written_twice_is_there_once
            commits::an_api_key_is_found_by_its_hash
            commits::a_link_is_found_by_its_hash
            commits::the_store_proves_that_it_writes
            fanout::each_enabled_endpoint_that_wants_an_event_gets_one_delivery
            fanout::those_who_are_off_or_others_get_none
            fanout::an_endpoint_written_in_the_commit_hears_of_its_events
            fanout::a_callback_endpoint_hears_only_of_what_names_it
            fanout::a_test_goes_to_one_endpoint_even_when_it_is_off
            fanout::an_event_for_one_endpoint_is_told_to_that_one_once
            fanout::an_event_is_told_again_once_per_replay
            fanout::an_endpoint_that_is_off_keeps_a_replay_until_it_is_on
            fanout::what_a_commit_refers_to_must_be_there
            forgets::a_delivery_that_ended_long_ago_goes_with_its_attempts
            forgets::what_ended_lately_or_has_not_stays
            forgets::an_event_of_no_request_goes_after_its_last_delivery
            forgets::a_text_that_is_still_to_be_told_stays
            forgets::the_texts_of_an_open_request_stay
            forgets::a_timeline_holds_without_its_texts
            forgets::what_was_forgotten_is_told_no_more
            forgets::a_key_that_was_forgotten_is_new_again
            forgets::no_more_is_looked_at_than_was_asked_for
            forgets::another_accounts_past_stays
            forgets::who_follows_the_log_goes_on_from_what_is_left
            forgets::a_notice_goes_with_its_delivery_and_no_sooner
            forgets::whatever_happens_no_pending_delivery_loses_its_text
            leases::what_has_room_is_leased_and_the_rest_stays_due
            leases::a_lease_says_when_it_took_as_much_as_one_call_may
            leases::a_delivery_is_never_leased_twice
            leases::a_delivery_handed_back_is_leased_again
            leases::what_is_due_later_is_told_and_not_leased
            leases::an_endpoint_that_is_off_gets_only_tests_and_probes
            leases::a_probe_is_found_behind_many_others
            leases::only_those_asked_for_are_leased
            leases::what_is_handed_back_is_leased_with_the_last_of_those_behind_it
            leases::a_lease_is_whole
            leases::the_lanes_hear_of_changed_endpoints
            leases::the_oldest_due_delivery_of_each_endpoint_is_known
            notices::a_notice_and_its_delivery_are_written_together
            notices::a_stale_notice_leaves_nothing_of_its_commit
            notices::notices_come_newest_first_in_pages_and_apart
            notices::a_message_id_finds_the_newest_notice_of_its_account
            notices::a_notice_is_found_without_its_account
            order::only_the_first_of_an_order_key_goes
            order::a_retry_holds_those_behind_it
            order::a_cancelled_one_lets_the_next_go
            order::the_next_one_goes_though_it_is_younger_than_what_lets_it_go
            order::the_next_one_waits_for_room
            order::tests_do_not_wait_for_their_turn
            order::order_that_is_given_up_holds_nobody
            order::without_order_nobody_waits
            order::no_held_delivery_outlives_a_sweep
            replies::a_known_key_gives_the_first_answer
            replies::a_key_used_twice_at_once_is_answered_once
            replies::a_reply_is_kept_with_its_commit_or_not_at_all
            replies::an_answer_runs_out_after_a_day
            replies::what_ran_out_is_forgotten_a_few_at_a_time
            replies::keys_of_two_accounts_are_apart
            settings::a_stale_setting_leaves_nothing_of_its_commit
            settings::secrets_of_a_setting_come_back_and_go_with_it
            settings::a_long_secret_comes_back_whole_and_among_others
            settings::settings_come_in_pages_by_their_bytes_and_apart
            settings::whoever_sets_what_only_who_knew_the_last_version_does
            settles::attempt_and_state_are_one
            settles::a_repeated_settlement_is_once
            settles::a_delivery_cancelled_meanwhile_keeps_its_state_and_gets_its_attempt
            settles::a_retry_waits_until_it_is_due
            settles::events_of_a_settlement_are_told
            settles::failures_are_counted_and_a_success_wipes_them
            settles::a_warning_is_given_again_until_somebody_acts
            settles::a_warning_counts_once_and_not_after_a_success
            settles::an_endpoint_that_becomes_enabled_starts_afresh
            settles::an_outcome_comes_back_as_it_was
            things::a_timer_is_set_replaced_and_cleared
            things::a_timer_that_was_set_anew_is_not_done
            things::due_timers_come_earliest_first
            things::a_replay_goes_on_where_it_stands
            things::a_replay_sees_its_span_page_by_page
            things::a_replay_sees_the_last_delivery_but_not_its_own
            things::a_replay_since_ever_sees_the_first_event
            views::another_accounts_rows_are_absent
            views::events_come_newest_first_without_loss_or_repetition
            views::events_come_oldest_first_when_asked
            views::who_follows_the_log_sees_what_lands_late_once
            views::who_follows_from_a_place_without_an_event_goes_on_behind_it
            views::events_are_chosen_by_name_and_request
            views::deliveries_are_chosen_by_event_endpoint_and_state
            views::requests_are_chosen_by_status_and_archive
            views::open_requests_of_the_accounts_own_are_counted
            views::contacts_and_endpoints_come_in_pages
            views::secrets_survive_a_round_trip
            views::figures_count_what_is_there
        }
    };
    (@tests $open:path; $($file:ident :: $claim:ident)*) => {
        /// Every claim that is tested.
        pub(crate) const CLAIMS: &[&str] = &[$(concat!(stringify!($file), "::", stringify!($claim)),)*];

        $(
            #[tokio::test]
            async fn $claim() {
                let world = $open().await;
                $crate::conformance::$file::$claim(&world).await;
                world.lanes.balance();
            }
        )*
    };
}
