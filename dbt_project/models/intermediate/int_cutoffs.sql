with

data_clock as (

    select
        orders_delivered_until,
        {{ cutoff_at_or_after("first_known_at") }} as first_cutoff,
        {{ cutoff_at_or_after(days_after("data_clock", var("active_within_days"))) }} as last_cutoff
    from {{ ref("int_data_clock") }}

),

cutoff_numbers as (

    select
        orders_delivered_until,
        {{ each_integer("first_cutoff", "last_cutoff") }} as cutoff_number
    from data_clock

),

cutoffs as (

    select
        orders_delivered_until,
        cutoff_number,
        {{ cutoff_instant("cutoff_number") }} as cutoff_at
    from cutoff_numbers

)

select
    cutoff_number,
    coalesce(
        {{ days_after("cutoff_at", var("horizon_days") + var("label_delay_days")) }} <= orders_delivered_until, false
    ) as is_labelled,
    cutoff_at
from cutoffs
order by cutoff_number
