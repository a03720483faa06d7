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
        coalesce(updated_at, registered_at) as known_at
    from {{ source("raw", "customers") }}
    where {{ of_chosen_customers("customer_id") }}

),

versions_numbered as (

    select
        *,
        first_value(birth_date) over versions as first_birth_date,
        first_value(registered_at) over versions as first_registered_at,
        row_number() over versions as version_number
    from source
    window versions as (partition by customer_id order by known_at)

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
    known_at
from versions_numbered
