with

data_clock as (

    select
        {{ cutoff_at_or_after("first_known_at") }} as first_cutoff,
        {{ cutoff_at_or_after(days_before("data_clock", var("horizon_days") + var("label_delay_days"))) }} as last_cutoff
    from {{ ref("int_data_clock") }}

),

cutoff_numbers as (

    select {{ each_integer("first_cutoff", "last_cutoff") }} as cutoff_number
    from data_clock

),

cutoffs as (

    select
        cutoff_number,
        {{ cutoff_instant("cutoff_number") }} as cutoff_at
    from cutoff_numbers

),

labelled_cutoffs as (

    select cutoffs.*
    from cutoffs
    inner join {{ ref("int_data_clock") }} as data_clock
        on {{ days_after("cutoffs.cutoff_at", var("horizon_days") + var("label_delay_days")) }} <= data_clock.data_clock

)

select * from labelled_cutoffs
order by cutoff_number
