{# no two rows agree in all of the columns; null agrees with null #}
{% test one_row_per(model, columns) %}
    select
        {{ columns | join(", ") }},
        count(*) as rows_found
    from {{ model }}
    group by {{ columns | join(", ") }}
    having count(*) > 1
{% endtest %}
