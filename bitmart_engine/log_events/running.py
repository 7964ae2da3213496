"""Events of the process, its journal, the control API, and what is told to applications."""

from __future__ import annotations

__all__ = ["CONTROL", "ENGINE", "JOURNAL", "NOTIFICATIONS"]

ENGINE = {
    "settings_read": "The settings were read from the environment and the file named.",
    "unknown_variable": (
        "A variable in the settings file has a name that the engine does not know, and is ignored; check its "
        "spelling."
    ),
    "descriptor_limit_not_raised": (
        "The limit on open files could not be raised, so fewer connections can be open at once; raise `ulimit -n`."
    ),
    "state_directory_new": (
        "The state directory holds no journal yet; if the engine ran before, check its path."
    ),
    "unguarded": (
        "The journal promises stops that nobody watches, because credentials are not set; set them and start again."
    ),
    "engine_running": "The engine has started.",
    "engine_stopping": "The engine is stopping.",
    "engine_ended": "The engine has ended; stops that the exchange does not hold are unwatched until the next start.",
    "engine_crashed": "The engine ended by an error of its own; start it again and report the traceback.",
    "stop_requested": "The engine was asked to stop, by a signal or over the control API.",
    "shutdown_cut_short": (
        "The end took too long and the process was ended at once; the next start continues from the journal."
    ),
    "prices_not_taken": (
        "Prices have come and the trading core takes none of them; systemd ends the engine for it and starts it anew; "
        "report what came before in the log."
    ),
    "service_manager_not_told": "The service manager could not be told how the engine is; it goes on without.",
    "alert_dropped": "An alert was dropped: too many wait for their address.",
    "alert_given_up": "An alert was not taken within an hour and given up; try `bitmart-engine alert`.",
    "alerts_not_kept": "Alerts that are owed could not be written down; a restart may lose them. Check the disk.",
    "alert_not_taken": "An alert was not taken by one of its addresses; it is sent again.",
    "heartbeat_failed": "The monitor at HEARTBEAT_URL could not be told that the engine is ready; it may alarm.",
    "outages_not_kept": "The outages of connections could not be written; a restart may forget some. Check the disk.",
    "state_file_unreadable": "A file of statistics or of owed alerts could not be read; it is begun anew.",
    "task_crashed": (
        "A task that the engine can do without for a while has crashed, and begins again after a pause; report the "
        "traceback."
    ),
    "event_crashed": (
        "One price or event could not be processed; the engine goes on and compares with the exchange; report the "
        "traceback."
    ),
    "not_resumed": (
        "An order or a protection of the journal could not be taken up at the start, and is tried again; report the "
        "traceback."
    ),
    "left_for_next_start": "Something began while the engine was ending, and is done after the next start.",
    "wall_clock_jumped": "The clock of this machine was set; the engine goes on by its own time. Check NTP.",
    "collector_set": (
        "Garbage is collected when no price is near anything armed; `frozen` objects are looked at no more."
    ),
    "event_loop_held": (
        "Nothing else could run for `held_ms`, `collecting_ms` of it for the garbage collector; `stack` is what ran. "
        "Report it unless the machine was busy."
    ),
    "machine_slept": "This machine was asleep; nothing was watched meanwhile. Do not let it sleep.",
}

JOURNAL = {
    "journal_write_failed": "The journal cannot be written, so no new promise is made until it can; check the disk.",
    "journal_commit_failed": "A commit of the journal has failed and is tried again; check the disk.",
    "journal_recovered": "The journal is written again; nothing was lost.",
    "journal_in_its_place_again": "The file of the journal is at its path again; what was recorded meanwhile is in it.",
    "journal_rewritten": "The file of the journal was gone and was written anew; find out what moved or deleted it.",
    "journal_rewrite_failed": "The file of the journal is gone and could not be written anew; it is tried again.",
    "journal_checkpoint_failed": (
        "A checkpoint of the journal has failed; its file grows until one succeeds. Check the disk."
    ),
    "journal_fold_failed": "The journal could not be condensed; the next start takes longer. Report it if it goes on.",
    "journal_compaction_failed": "Old records could not be removed from the journal; it is tried again another day.",
    "journal_records_lost": (
        "The engine has ended with records that could not be written; compare orders and positions with the exchange."
    ),
    "journal_file_missing": (
        "The engine has ended while the file of the journal was not at its path; put it back before the next start."
    ),
    "record_not_followed": (
        "A record was written that a part of the engine did not act upon; restart the engine and report the "
        "traceback."
    ),
    "acted_before_durable": (
        "A stop was acted upon though the journal could not be written first, because closing does not wait for a "
        "disk."
    ),
    "archived_order_unreadable": (
        "An order or a protection that has ended cannot be read from the journal, and is missing in the history."
    ),
}

CONTROL = {
    "control_request_crashed": (
        "A request to the control API was answered with 500, by an error of the engine; report the traceback with its "
        "`error_id`."
    ),
    "control_answer_broke_off": (
        "An answer of the control API ended in the middle, by an error of the engine; report the traceback."
    ),
    "control_request_refused_unread": "A request that is no valid HTTP, or too large, was refused.",
    "control_reader_flooded": "A reader of events sent more than a reader has to say, and was disconnected.",
    "control_reader_refused": "A reader of events was refused, because as many as there may be are connected.",
    "control_peer_not_reading": "A client did not read its answer in time, and was disconnected.",
    "control_connection_broken": "A client broke off its connection, or sent what is no HTTP.",
    "control_connection_not_allowed": (
        "A connection from another machine was refused, because no token is set; set `CTRL_TOKEN` to allow it."
    ),
    "control_connection_refused": "A connection was refused, because as many as there may be are open.",
    "control_connection_given_up": (
        "A connection that waited without asking anything was closed to make room for another."
    ),
    "control_connection_not_accepted": (
        "A connection was not accepted, because the process has no file descriptors left; raise `ulimit -n`."
    ),
    "control_accept_failing": (
        "The control API accepts no connections at the moment; `why` says how often and why. Raise `ulimit -n`."
    ),
}

NOTIFICATIONS = {
    "notification_retried": "A notification was not taken by its receiver, and is sent again later.",
    "notification_given_up": (
        "A notification was given up and is kept as a dead letter; look at its receiver, then send it again."
    ),
    "notification_offered_twice": "A notification was to be sent that is being sent already; it is sent once.",
    "delivery_crashed": "A delivery failed by an error of the engine, and is tried again; report it with `at`.",
    "order_signal_incomplete": "An order of the account lacks what a signal has to say, so no signal of it was made.",
    "order_signal_dropped": (
        "A signal about an order of others was left out, because too many are owed; look at its receiver."
    ),
    "balance_signals_stopped": (
        "The application has no route for signals about the balance; none is sent until the next start."
    ),
    "raw_events_dropping": "Raw events are being dropped from now on; `why` says why. Look at their receiver.",
    "raw_event_dropped": "A raw event was dropped, because its receiver or the journal does not keep up.",
    "event_dropped_for_slow_listener": "An event was dropped for a reader that is too slow; the reader is told so.",
}
