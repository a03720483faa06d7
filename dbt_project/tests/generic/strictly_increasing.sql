{#
    Rows are stored in order of the columns and no two agree in them: the grain holds, and so does the
    sort order that readers rely on.
#}
{% test strictly_increasing(model, columns) %}
    with

    neighbours as (

        select
            {{ this_key(columns) }} as this_key,
            {{ previous_key(columns) }} as previous_key
        from {{ model }}

    )

    select * from neighbours
    where previous_key >= this_key{{ " and not " ~ starts_what_is_to_come() if "event_timestamp" in columns and var("split_at") is not none }}
{% endtest %}
