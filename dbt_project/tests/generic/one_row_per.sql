{#
    no two rows agree in all of the columns; null agrees with null. Where customers merge there is one row for each owner,
    the column that names the customer
#}
{% test one_row_per(model, columns, owner=none) %}
    {%- set columns = columns + [owner] if owner and has_merges() else columns %}
    select
        {{ columns | join(", ") }},
        count(*) as rows_found
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1
{% endtest %}
