{% set paid = {"since": "paid_at", "until": "superseded_at", "starts": "payment_known_at"} %}
{% set failed = {"since": "failed_at", "until": "superseded_at", "starts": "failure_known_at"} %}
{% set features = (
    windowed_count("payments_{w}d", "paid_payments", **paid)
    + windowed_sum("paid_{w}d", "paid_payments", "amount", **paid)
    + windowed_count("late_payments_{w}d", "late_payments", **paid)
    + windowed_count("failed_payments_{w}d", "failed_payments", **failed)
    + lifetime_count("open_payments", "payments", until="settled_at")
    + exists_from_first_fact("open_payments")
) %}

with

customers as (

    select
        customer_number,
        customer_id,
        first_known_at
    from {{ ref("int_customers") }}
    where {{ in_slice("customer_number") }}

),

payments as (

    select
        customers.customer_number,
        versions.*,
        {{ known_from("versions.paid_at", "versions.known_at") }} as payment_known_at,
        {{ known_from("versions.failed_at", "versions.known_at") }} as failure_known_at,
        {{ earliest(["versions.superseded_at", "versions.paid_at"]) }} as settled_at
    from {{ ref("stg_payments") }} as versions
    inner join customers on versions.customer_id = customers.customer_id

),

paid_payments as (

    select * from payments
    where paid_at is not null

),

-- three days of grace
late_payments as (

    select * from paid_payments
    where paid_at > {{ days_after("due_at", 3) }}

),

failed_payments as (

    select * from payments
    where failed_at is not null

),

payment_deltas as (
    {{ deltas(features) }}
),

payment_totals as (
    {{ running_totals("payment_deltas", features) }}
),

totals_of_named_customers as (
    {{ name_customers("payment_totals", features) }}
)

select * from totals_of_named_customers
order by customer_id, event_timestamp
