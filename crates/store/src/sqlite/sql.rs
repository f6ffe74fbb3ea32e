//! Every statement of the embedded store, by the name of its file.

macro_rules! statements {
    ($($name:ident)*) => {
        $(
            #[expect(non_upper_case_globals, reason = "a statement is named as its file is")]
            pub(super) const $name: &str =
                include_str!(concat!("../../sql/sqlite/", stringify!($name), ".sql"));
        )*

        /// Every statement with its name, so that a test can prepare them all.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name),)*];
    };
}

statements! {
    account_insert account_known account_list
    attempt_forget attempt_insert attempt_list attempt_read
    begin commit rollback savepoint savepoint_drop savepoint_keep
    checkpoint
    contact_delete contact_insert contact_list contact_read contact_update
    data_version
    delivery_account delivery_ahead delivery_change delivery_count_attempt delivery_due delivery_due_asked
    delivery_forget delivery_free delivery_free_all delivery_held_of delivery_insert delivery_insert_ended
    delivery_last_of delivery_lease delivery_left delivery_list delivery_list_failed
    delivery_list_of_event delivery_next_endpoint delivery_next_held delivery_oldest_due
    delivery_pending_of delivery_place delivery_reach delivery_read delivery_settle delivery_settle_first
    endpoint_by_origin endpoint_enabled endpoint_health endpoint_insert endpoint_list
    endpoint_living endpoint_read endpoint_taken endpoint_update endpoint_warned
    event_after event_by_key event_forget event_forget_text event_insert event_known event_list_newest event_list_of_request
    event_list_of_request_oldest event_list_oldest event_reach event_read
    highest_id
    notice_by_message notice_find notice_forget notice_insert notice_list notice_list_of_request notice_read notice_update
    setting_delete setting_insert setting_list setting_read setting_update delivery_of_cause
    key_by_hash key_list key_read key_upsert
    link_insert link_read log_end look
    meta_read meta_upsert
    oldest
    replay_events replay_list replay_read replay_upsert
    reply_forget reply_insert reply_read
    request_count_open request_delete request_insert request_list request_list_of_status request_read
    request_update
    settings_reader settings_writer stats
    timeline_head timeline_insert timeline_list
    timer_delete timer_drop timer_due timer_move timer_next timer_upsert
    version_read
}
