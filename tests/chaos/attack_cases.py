"""The 327 attack cases: which test holds each, where no test bears its id, and what can't run here.

A case is covered by a test that names its id (``SSRF-55``, ``test_ssrf_55_…``). Cases whose test
was there before under a name of its own are listed in ``HELD_BY``; those that no test here can
hold are in ``NOT_RUN``, each with its reason; there are none left.
"""

from __future__ import annotations

COUNTS = {
    "SSRF": 72,
    "BOMB": 18,
    "SLOW": 7,
    "HTTP": 27,
    "POLITE": 14,
    "PARSE": 30,
    "SLACK-INJECT": 31,
    "SLACK-API": 12,
    "REDOS": 12,
    "YAML": 21,
    "CONFIG": 14,
    "LOG": 5,
    "STATE": 22,
    "TIME": 9,
    "DEDUP": 17,
    "OUTAGE": 8,
    "OPS": 8,
}

_KILLS = "chaos/test_kills.py::test_nothing_is_lost_or_told_twice"
_CRASH_MUTANTS = "chaos/test_mutants.py::test_a_fault_that_a_crash_shows_is_noticed"
_OUTAGE = "unit/alerts/test_feedwatch.py::test_an_outage_is_one_message_however_many_feeds"
_FIRST_RUN = (
    "acceptance/test_once_per_story.py::"
    "test_the_daemon_alerts_what_comes_while_it_runs_and_not_what_was_there"
)
_LATE = (
    "unit/delivery/test_outage.py::test_three_hours_of_outage_end_in_three_messages_urgent_first"
)

HELD_BY = {
    "STATE-01": _KILLS,
    "STATE-02": _KILLS,
    "STATE-03": _CRASH_MUTANTS,
    "STATE-04": _CRASH_MUTANTS,
    "STATE-06": "integration/store/test_faults.py::"
    "test_a_full_disk_stores_nothing_half_and_it_goes_on_by_itself",
    "STATE-07": "acceptance/test_bad_input.py::test_an_unwritable_state_directory",
    "STATE-08": "integration/store/test_faults.py::test_a_foreign_lock_is_waited_for_then_named",
    "STATE-09": "integration/store/test_open.py::test_state_that_cannot_be_used",
    "STATE-10": "integration/store/test_open.py::test_state_that_cannot_be_used",
    "STATE-11": "acceptance/test_bad_input.py::test_a_newer_database_is_refused_and_kept",
    "STATE-12": "integration/store/test_open.py::"
    "test_the_journal_lost_while_down_costs_its_tail_only",
    "STATE-13": _LATE,
    "STATE-14": "acceptance/test_bad_input.py::test_a_second_instance_exits_75",
    "STATE-16": "acceptance/test_daemon.py::"
    "test_sigterm_ends_within_ten_seconds_with_polls_in_flight",
    "STATE-18": "acceptance/test_daemon.py::test_sighup_reloads",
    "STATE-22": "integration/parse/test_pool.py::test_memory_is_limited",
    "TIME-02": "unit/alerts/test_calendar.py::test_a_schedule_fires_once_for_each_of_its_times",
    "DEDUP-01": _FIRST_RUN,
    "DEDUP-02": _FIRST_RUN,
    "DEDUP-11": "unit/stories/test_urls.py::test_one_article_has_one_address",
    "DEDUP-12": "integration/fetch/test_cycles.py::"
    "test_http_11_a_confirmed_move_is_followed_and_the_file_left_alone",
    "DEDUP-13": _KILLS,
    "DEDUP-17": "contract/test_store_upkeep.py::"
    "test_a_key_is_kept_as_long_as_it_is_in_the_feed_and_half_a_year_more",
    "OUTAGE-01": _OUTAGE,
    "OUTAGE-04": _OUTAGE,
    "OUTAGE-06": "integration/fetch/test_polite.py::"
    "test_polite_13_one_host_is_asked_at_a_bounded_rate",
}

NOT_RUN: dict[str, str] = {}


def every_case() -> list[str]:
    """Return the ids of all cases."""
    return [f"{area}-{n:02}" for area, count in COUNTS.items() for n in range(1, count + 1)]
