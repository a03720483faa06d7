-- spend below zero must come from an amount below zero
{% set spends = [] %}
{% for days in var("windows") %}
    {% do spends.append("feat.spend_" ~ days ~ "d < 0") %}
{% endfor %}
with

customers_with_negative_amounts as (

    select distinct customer_id from {{ ref("stg_orders") }}
    where total_amount < 0

)

select
    feat.customer_id,
    feat.event_timestamp
from {{ ref("feat_customer_orders") }} as feat
left join customers_with_negative_amounts as exempt on feat.customer_id = exempt.customer_id
where exempt.customer_id is null and (feat.spend_lifetime < 0 or {{ spends | join(" or ") }})
