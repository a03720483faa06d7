-- every customer has a first row, at the first known fact, in each of the four feature tables
{% for table in ["feat_customer_orders", "feat_customer_support", "feat_customer_engagement", "feat_customer_profile"] %}
select
    '{{ table }}' as feature_table,
    customers.customer_id
from {{ ref("int_customers") }} as customers
left join {{ ref(table) }} as feat
    on customers.customer_id = feat.customer_id and customers.first_known_at = feat.event_timestamp
where feat.customer_id is null and {{ is_restated("customers.customer_id") }}
{{ "union all" if not loop.last }}
{% endfor %}
