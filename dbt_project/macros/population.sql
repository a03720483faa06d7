{# customers whose own row is withdrawn, while it is: nobody asks about them #}
{% macro absent_customers() %}
    {{ return(contribution("absences", "absences", "1", "withdrawn_at", until="restored_at")) }}
{% endmacro %}

{# who is asked about: the orders that make a customer active, each while it is kept and recent enough #}
{% macro active_orders(facts, active_within_days) %}
    {%- set active_until = earliest(["kept_until", days_after("ordered_at", active_within_days)]) -%}
    {{ return(contribution("active_orders", facts, "1", "known_at", active_until)) }}
{% endmacro %}
