{#
    Who is in the population at each of the cut-offs, and whether they churn: a select over the models' CTEs
    customers, absences, orders and cutoffs. At a cut-off t the state holds how many orders make the customer active,
    and how many of the orders kept in the end lie in (t, t + horizon].
#}
{% macro churn_at_cutoffs() %}
{%- set horizon_before_order = days_before("ordered_at", var("horizon_days")) -%}
{%- set states = [
    active_orders("orders"),
    absent_customers(),
    contribution("orders_ahead", "finally_kept_orders", "1", horizon_before_order, "ordered_at"),
] -%}
finally_kept_orders as (

    select orders.* from orders
    cross join {{ ref("int_data_clock") }} as clocks
    where
        {{ has_not_come("orders.superseded_at") }} and {{ has_not_come("orders.lost_at") }}

),

state_deltas as (
    {{ deltas(states) }}
),

states_over_time as (
    {{ running_totals("state_deltas", states) }}
),

stretches as (

    select
        customer_number,
        active_orders,
        absences,
        orders_ahead,
        {{ cutoff_at_or_after("changed_at") }} as first_cutoff,
        {{ cutoff_at_or_after("lead(changed_at) over (partition by customer_number order by changed_at)") }} - 1 as last_cutoff
    from states_over_time

),

population as (

    select
        customer_number,
        {{ each_integer("first_cutoff", "last_cutoff") }} as cutoff_number,
        case when orders_ahead > 0 then 0 else 1 end as churned
    from stretches
    where active_orders > 0 and absences = 0 and first_cutoff <= last_cutoff

),

labels as (

    select
        customers.customer_id,
        cutoffs.cutoff_at as event_timestamp,
        cast(population.churned as bigint) as churned,
        cast(population.churned as bigint) as label,
        {{ days_after("cutoffs.cutoff_at", var("horizon_days") + var("label_delay_days")) }} as label_known_at
    from population
    inner join cutoffs on population.cutoff_number = cutoffs.cutoff_number
    inner join customers on population.customer_number = customers.customer_number

)
{% endmacro %}

{# a condition: by the data clock an end has not come; it may be announced #}
{% macro has_not_come(instant) -%}
    ({{ instant }} is null or {{ instant }} > clocks.data_clock)
{%- endmacro %}
