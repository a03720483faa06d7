"""On-demand features: ratios and ages computed from the stored features and the as-of instant."""


def on_demand_expressions(windows: tuple[int, ...]) -> dict[str, str]:
    """Return each on-demand feature with its SQL, in terms of stored features and `event_timestamp`."""
    between = ratio(days("first_order_at", "last_order_at"), "(orders_placed_lifetime - 1)")
    return {
        "days_since_last_order": days("last_order_at"),
        "days_since_first_order": days("first_order_at"),
        "days_since_last_ticket": days("last_ticket_at"),
        "days_since_last_session": days("last_session_at"),
        "tenure_days": days("registered_at"),
        "age_years": f"{days('birth_date')} / 365.25::double",
        **{f"average_order_value_{w}d": ratio(f"spend_{w}d", f"orders_{w}d") for w in windows},
        "average_days_between_orders": between,
        "overdue_ratio": ratio(days("last_order_at"), between),
        "order_trend": ratio("orders_30d", "orders_90d / 3::double"),
        "average_resolution_hours_90d": ratio("resolution_seconds_90d", "tickets_resolved_90d * 3600"),
        "average_rating_365d": ratio("rating_sum_365d", "ratings_365d"),
        "low_rating_share_365d": ratio("low_ratings_365d", "ratings_365d"),
        "discount_share_365d": ratio("discount_365d", "spend_365d"),
        "tickets_per_order_365d": ratio("tickets_365d", "orders_365d"),
    }


def days(earlier: str, later: str = "event_timestamp") -> str:
    """Return the days between two instants, with fractions."""
    micros = f"(epoch_us({later}::timestamp) - epoch_us({earlier}::timestamp))"
    return f"({micros}::double / 86400000000::double)"


def ratio(numerator: str, denominator: str) -> str:
    """Return a quotient that is null where its denominator is zero."""
    return f"(({numerator})::double / nullif(({denominator})::double, 0))"
