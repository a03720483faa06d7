with

source as (

    select distinct
        customer_id,
        gender,
        city,
        country,
        email,
        acquisition_channel,
        email_verified,
        phone_verified,
        birth_date,
        registered_at,
        {{ if_known("deleted_at") }} as deleted_at,
        {{ merged_at_and("customer_id", "customers") -}}
        coalesce(updated_at, registered_at) as known_at
    from {{ source("raw", "customers") }} as customers
    where {{ only_selected_customers("customer_id") }}

),

versions_numbered as (

    select
        *,
        first_value(birth_date) over versions as first_birth_date,
        first_value(registered_at) over versions as first_registered_at,
        cast(row_number() over versions as bigint) as version_number,
        lead(known_at) over versions as next_known_at,
        {{ or_merged(known_from("deleted_at", "known_at")) }} as deletion_known_at
    from source
    window versions as (partition by customer_id order by known_at)

),

withdrawals_marked as (
    {{ withdrawals_marked("versions_numbered") }}
)

select
    customer_id,
    gender,
    city,
    country,
    email,
    acquisition_channel,
    version_number,
    email_verified,
    phone_verified,
    first_birth_date as birth_date,
    first_registered_at as registered_at,
    {{ known_before_merge("known_at") }} as known_at,
    withdrawn_at,
    case when withdrawn_at is not null then {{ if_known("next_known_at") }} end as restored_at
from withdrawals_marked
