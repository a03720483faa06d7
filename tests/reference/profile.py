"""Profile features of existing customers: the attributes of the version known at each as-of instant."""

import duckdb


def create_profile_features(connection: duckdb.DuckDBPyConnection) -> None:
    """Create `profile_features`: one row per entity row of an existing customer."""
    connection.execute(f"create table profile_features as {PROFILE_SQL}")


# Registration and birth date hold from registration on, even where their version was known only later. A
# customer who has merged into another has no profile.
PROFILE_SQL = """
with versions as (
    select *, coalesce(updated_at, registered_at) as known_at from customers
),
known_version as (
    select
        asked_row, gender, city, country, acquisition_channel, email_verified, phone_verified,
        coalesce(deleted_at <= t, false) as is_deleted
    from existing
    inner join versions using (customer_id)
    where known_at <= t
    qualify row_number() over (partition by asked_row order by known_at desc) = 1
)
select
    asked_row,
    known_version.* exclude (asked_row, is_deleted),
    registrations.registered_at,
    registrations.birth_date
from existing
anti join (from known_version where is_deleted) as deleted using (asked_row)
anti join merged using (asked_row)
left join known_version using (asked_row)
left join registrations
    on registrations.customer_id = existing.customer_id and registrations.registered_at <= existing.t
"""
