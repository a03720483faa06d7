"""Ticket and session features of worlds worked out by hand, at and a microsecond around each edge."""

import pytest

from tests.reference.by_hand import day, session, ticket, values, world

RESOLVED = ticket(resolved_at=day(12, 1_999_999))
REOPENED = (ticket(resolved_at=day(12)), ticket(loaded_at=day(14)))
RESOLVED_AGAIN = (*REOPENED, ticket(resolved_at=day(13), loaded_at=day(16)))
RESOLVED_LATE = (ticket(), ticket(resolved_at=day(12), loaded_at=day(20)))
RATED = ticket(resolved_at=day(12), satisfaction_score=2, rated_at=day(15))
RATED_AT_RESOLUTION = ticket(resolved_at=day(12), satisfaction_score=3)
RATED_ONLY = ticket(satisfaction_score=1, loaded_at=day(11))
RATED_ONLY_COPIED = (RATED_ONLY, ticket(satisfaction_score=1, loaded_at=day(30)))
RATED_ONLY_MOVED = (RATED_ONLY, ticket(satisfaction_score=1, channel="mail", loaded_at=day(30)))
SCORE_CHANGED = (
    RATED,
    ticket(resolved_at=day(12), satisfaction_score=5, rated_at=day(15), loaded_at=day(18)),
)
VIEWED = (session(page_views=4), session(page_views=6, loaded_at=day(12)))

TICKETS = [
    ("a window begins", (ticket(),), "tickets_7d", {day(10, -1): 0, day(10): 1, day(10, 1): 1}),
    ("a window ends", (ticket(),), "tickets_7d", {day(17, -1): 1, day(17): 0}),
    ("an open ticket", (ticket(),), "open_tickets", {day(10, -1): 0, day(10): 1, day(999): 1}),
    ("resolved", (ticket(resolved_at=day(12)),), "open_tickets", {day(12, -1): 1, day(12): 0}),
    ("resolved counts", (ticket(resolved_at=day(12)),), "tickets_resolved_90d", {day(12, -1): 0, day(12): 1}),
    (
        "resolved leaves",
        (ticket(resolved_at=day(12)),),
        "tickets_resolved_90d",
        {day(102, -1): 1, day(102): 0},
    ),
    (
        "whole seconds",
        (RESOLVED,),
        "resolution_seconds_90d",
        {day(12, 1_999_998): 0, day(12, 1_999_999): 172_801},
    ),
    (
        "each its whole seconds",
        (RESOLVED, ticket(2, 10, resolved_at=day(10, 1_500_000))),
        "resolution_seconds_90d",
        {day(13): 172_802},
    ),
    ("hours", (RESOLVED,), "average_resolution_hours_90d", {day(12): None, day(13): 172_801 / 3600}),
    ("opened again", REOPENED, "open_tickets", {day(12): 0, day(14, -1): 0, day(14): 1}),
    ("no resolution any more", REOPENED, "tickets_resolved_90d", {day(14, -1): 1, day(14): 0}),
    ("resolved again", RESOLVED_AGAIN, "open_tickets", {day(16, -1): 1, day(16): 0}),
    ("with its own seconds", RESOLVED_AGAIN, "resolution_seconds_90d", {day(16, -1): 0, day(16): 3 * 86_400}),
    ("resolution known late", RESOLVED_LATE, "open_tickets", {day(12): 1, day(20, -1): 1, day(20): 0}),
    (
        "window of one known late",
        RESOLVED_LATE,
        "tickets_resolved_90d",
        {day(20): 1, day(102, -1): 1, day(102): 0},
    ),
    ("rated at its own instant", (RATED,), "ratings_365d", {day(12): 0, day(15, -1): 0, day(15): 1}),
    ("a rating leaves", (RATED,), "rating_sum_365d", {day(380, -1): 2, day(380): 0}),
    (
        "rated at the resolution",
        (RATED_AT_RESOLUTION,),
        "rating_sum_365d",
        {day(12, -1): 0, day(12): 3, day(377): 0},
    ),
    (
        "rated when known",
        (RATED_ONLY,),
        "ratings_365d",
        {day(11, -1): 0, day(11): 1, day(376, -1): 1, day(376): 0},
    ),
    ("a copy rates no later", RATED_ONLY_COPIED, "ratings_365d", {day(376, -1): 1, day(376): 0}),
    (
        "a new version rates later",
        RATED_ONLY_MOVED,
        "ratings_365d",
        {day(376): 1, day(395, -1): 1, day(395): 0},
    ),
    ("a low score", (RATED,), "low_ratings_365d", {day(15, -1): 0, day(15): 1}),
    ("a middling score", (RATED_AT_RESOLUTION,), "low_ratings_365d", {day(12): 0}),
    ("a score changed", SCORE_CHANGED, "rating_sum_365d", {day(18, -1): 2, day(18): 5}),
    (
        "low no more",
        SCORE_CHANGED,
        "low_rating_share_365d",
        {day(15, -1): None, day(18, -1): 1.0, day(18): 0.0},
    ),
    ("no score, no rating", (ticket(rated_at=day(15)),), "ratings_365d", {day(15): 0}),
    (
        "the average rating",
        (RATED, RATED_AT_RESOLUTION | {"ticket_id": "t2"}),
        "average_rating_365d",
        {day(12): 3.0, day(15): 2.5},
    ),
    (
        "the last ticket",
        (ticket(), ticket(2, 20, loaded_at=day(25))),
        "last_ticket_at",
        {day(10, -1): None, day(25, -1): day(10), day(25): day(20)},
    ),
]
SESSIONS = [
    ("a window begins", (session(),), "sessions_7d", {day(10, -1): 0, day(10): 1}),
    ("a window ends", (session(),), "sessions_7d", {day(17, -1): 1, day(17): 0}),
    ("no page views given", (session(),), "page_views_30d", {day(10): 0}),
    (
        "page views corrected",
        VIEWED,
        "page_views_30d",
        {day(10, -1): 0, day(10): 4, day(12, -1): 4, day(12): 6},
    ),
    ("page views leave", VIEWED, "page_views_30d", {day(40, -1): 6, day(40): 0}),
    ("the last session", VIEWED, "last_session_at", {day(10, -1): None, day(10): day(10), day(50): day(10)}),
    ("days since", VIEWED, "days_since_last_session", {day(10, -1): None, day(10.5): 0.5, day(12): 2.0}),
]
CASES = TICKETS + SESSIONS


@pytest.mark.parametrize(
    ("rows", "feature", "expected"), [pytest.param(*case, id=name) for name, *case in CASES]
)
def test_feature_at_instants(tmp_path, rows, feature, expected):
    assert values(tmp_path, world(*rows), feature, list(expected)) == expected
