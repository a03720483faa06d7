{#
    Days with a fact: one row per stretch of time in which at least one of a day's facts is present. facts has the columns
    known_at and present_until; day is an instant, the start of a day.
#}
{% macro days_with_facts(facts, day) %}
    select
        customer_number,
        {{ day }},
        known_at,
        present_until
    from (
        select
            *,
            lead(known_at) over (partition by customer_number, {{ day }} order by known_at) as present_until
        from (
            select
                customer_number,
                {{ day }},
                known_at,
                sum(sum(change)) over (partition by customer_number, {{ day }} order by known_at) as facts_present
            from (
                select
                    customer_number,
                    {{ day }},
                    known_at,
                    1 as change
                from {{ facts }}
                where present_until is null or known_at < present_until
                union all
                select
                    customer_number,
                    {{ day }},
                    present_until as known_at,
                    -1 as change
                from {{ facts }}
                where known_at < present_until
            ) as changes
            group by customer_number, {{ day }}, known_at
        ) as states
    ) as stretches
    where facts_present > 0
{% endmacro %}
