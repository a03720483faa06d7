{#
    A label is known from label_known_at on, which comes after its cut-off, and is null before: no cut-off lies
    after the data clock, and a label that is there was settled by then.
#}
{% test settled_labels(model) %}
    select labels.*
    from {{ model }} as labels
    cross join {{ ref("int_data_clock") }} as clocks
    where
        labels.event_timestamp > clocks.data_clock
        or labels.label_known_at is null
        or labels.label_known_at <= labels.event_timestamp
        or (labels.label is null) != (labels.label_known_at > clocks.data_clock)
{% endtest %}
