{#
    Who is in the population at each of the cut-offs, and what their orders in the horizon come to: a select over the
    models' CTEs customers, absences, orders and cutoffs. At a cut-off t the state holds how many orders make the customer
    active, and what the orders kept in the end that lie in (t, t + horizon] come to: amount is what each of them adds.
    labels has the columns of the label, by name, as expressions over that total, "ahead".
#}
{% macro labels_at_cutoffs(label, labels, amount="1", type="bigint") %}
{%- set horizon_before_order = days_before("ordered_at", label_term("horizon_days", label)) -%}
{%- set states = [
    active_orders("orders", label_term("active_within_days", label)),
    absent_customers(),
    contribution("ahead", "finally_kept_orders", amount, horizon_before_order, "ordered_at", type=type),
] -%}
{%- set every = label_term("cutoff_every_days", label) -%}
{%- set gap = label_term("horizon_days", label) + label_term("label_delay_days", label) -%}
{%- set is_finally_kept = has_not_come("orders.superseded_at") ~ " and " ~ has_not_come("orders.lost_at") -%}
finally_kept_orders as (

    select {{ "orders.customer_number, " ~ all_but("orders", ["customer_number"]) if has_merges() else "orders.*" }} from orders
    cross join {{ ref("int_data_clock") }} as clocks
    where
        {{ is_finally_kept }}
    {{ or_orders_of_final_owners(is_finally_kept) }}

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
        ahead,
        {{ cutoff_at_or_after("changed_at", every) }} as first_cutoff,
        {{ cutoff_at_or_after("lead(changed_at) over (partition by customer_number order by changed_at)", every) }} - 1
            as last_cutoff
    from states_over_time

),

population as (

    select
        customer_number,
        {{ each_integer("first_cutoff", "last_cutoff") }} as cutoff_number,
        ahead
    from stretches
    where active_orders > 0 and absences = 0 and first_cutoff <= last_cutoff

),

labels as (

    select
        customers.customer_id,
        cutoffs.cutoff_at as event_timestamp,
        {% for column, value in labels.items() -%}
        {{ value }} as {{ column }},
        {% endfor -%}
        {{ days_after("cutoffs.cutoff_at", gap) }} as label_known_at
    from population
    inner join cutoffs on population.cutoff_number = cutoffs.cutoff_number
    inner join customers on population.customer_number = customers.customer_number

)
{% endmacro %}

{# the orders that make a customer active at some of the model's cutoffs, as its CTE orders #}
{% macro orders_that_keep_active(label) %}
{%- set active_until = days_after("facts.ordered_at", label_term("active_within_days", label)) -%}
first_cutoff as (

    select min(cutoff_at) as cutoff_at from cutoffs

),

orders as (

    select facts.*
    from {{ ref("int_order_facts") }} as facts
    inner join first_cutoff on {{ active_until }} > first_cutoff.cutoff_at
    where {{ in_slice("facts.customer_number") }}

),
{% endmacro %}

{# a condition: by the data clock an end has not come; it may be announced #}
{% macro has_not_come(instant) -%}
    ({{ instant }} is null or {{ instant }} > clocks.data_clock)
{%- endmacro %}

{# the labels of label_customer_churn and label_pending: no kept order in the horizon #}
{% macro churn_at_cutoffs() %}
    {%- set churned = "cast(case when population.ahead > 0 then 0 else 1 end as bigint)" -%}
    {{ labels_at_cutoffs("label_customer_churn", {"churned": churned, "label": churned}) }}
{%- endmacro %}

{# the labels of label_customer_value and label_value_pending: the kept spend in the horizon #}
{% macro value_at_cutoffs() %}
    {{ labels_at_cutoffs("label_customer_value", {"label": "population.ahead"}, "total_amount", money()) }}
{%- endmacro %}

{#
    The cut-offs of a label, from the first fact on to the last one at which a customer can still be active. Those whose
    horizon and delay the orders were delivered for are labelled.
#}
{% macro cutoffs_of_label(label=none) %}
{%- set every = label_term("cutoff_every_days", label) -%}
{%- set gap = label_term("horizon_days", label) + label_term("label_delay_days", label) -%}
with

data_clock as (

    select
        orders_delivered_until,
        {{ cutoff_at_or_after("first_known_at", every) }} as first_cutoff,
        {{ cutoff_at_or_after(days_after("data_clock", label_term("active_within_days", label)), every) }} as last_cutoff
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
        {{ cutoff_instant("cutoff_number", every) }} as cutoff_at
    from cutoff_numbers

)

select
    cutoff_number,
    coalesce({{ days_after("cutoff_at", gap) }} <= orders_delivered_until, false) as is_labelled,
    cutoff_at
from cutoffs
{% endmacro %}

{# a term of a label: its own where problems of several labels are built together, else that of the build #}
{% macro label_term(name, label=none) %}
    {{ return(var("label_terms").get(label or model.name, {}).get(name, var(name))) }}
{% endmacro %}
