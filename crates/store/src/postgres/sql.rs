//! Every statement of the PostgreSQL store, by the name of its file.

macro_rules! statements {
    ($($name:ident)*) => {
        $(
            #[expect(non_upper_case_globals, reason = "a statement is named as its file is")]
            pub(super) const $name: &str =
                include_str!(concat!("../../sql/postgres/", stringify!($name), ".sql"));
        )*

        /// Every statement with its name: a connection that writes prepares them all.
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name),)*];
    };
}

statements! {
    account_insert account_known account_list attempt_list attempt_read attempt_standing begin commit
    contact_delete contact_insert contact_list contact_read contact_standing contact_update
    delivery_cancel delivery_count_attempt
    delivery_forget delivery_reach event_forget event_forget_text event_hold event_old event_reach oldest
    delivery_known delivery_last_of delivery_list delivery_list_failed delivery_list_of_event delivery_place
    delivery_read delivery_standing edition_raise edition_read endpoint_by_origin endpoint_health
    endpoint_health_lock endpoint_insert endpoint_list endpoint_living endpoint_read
    endpoint_taken endpoint_update endpoint_warned event_by_key event_hidden event_known event_list_newest event_list_of_request
    event_list_of_request_oldest event_list_oldest event_read failure_insert head_insert head_lock head_make head_write
    notice_by_message notice_find notice_insert notice_list notice_list_of_request notice_read notice_update
    setting_delete setting_insert setting_list setting_read setting_update delivery_of_cause
    highest key_by_hash key_insert key_list key_read key_update link_insert link_read listen log_end meta_add
    meta_read meta_upsert migrated migrating node_beat node_bury node_delete node_insert node_leave node_leases
    node_list notify order_lock order_read queue_account queue_cancel_free queue_cancel_held queue_drop queue_due
    queue_due_asked queue_earliest queue_earliest_asked queue_endpoints queue_free queue_free_all queue_free_dead
    queue_hurry queue_lags queue_left queue_offered queue_release queue_standing queue_take replay_events replay_list replay_read
    replay_upsert reply_forget reply_insert reply_read reply_standing request_count_open request_delete request_insert request_list
    request_list_of_status request_read request_standing request_update rollback savepoint savepoint_drop savepoint_keep
    settings_reader settings_writer stats timeline_insert timeline_list timer_claim timer_delete timer_drop timer_free
    timer_move timer_next timer_upsert unit version_read writer_bury writer_insert writer_raise
}
