{#
    Customers are independent, so the work is cut into slices of them: memory is bounded by the size
    of a slice, not by the size of the data. On engines that cut the work themselves a slice is all.
#}

{% macro in_slice(customer_number) -%}
    {{ adapter.dispatch("in_slice")(customer_number) }}
{%- endmacro %}

{% macro default__in_slice(customer_number) -%} true {%- endmacro %}

{% macro duckdb__in_slice(customer_number) -%}
    (
        getvariable('slice_first') is null
        or {{ customer_number }} between getvariable('slice_first') and getvariable('slice_last')
    )
{%- endmacro %}

{% macro parquet_folder(model) -%}
    {{ adapter.dispatch("parquet_folder")(model) }}
{%- endmacro %}

{# on Spark every model is a folder of files #}
{% macro default__parquet_folder(model) -%}
    {%- if "marts" in model.fqn -%} {{ marts_folder(model, "/dbt/spark/output") }}
    {%- else -%} {{ env_var("CHURN_HOME", "../var") }}/dbt/spark/tables/{{ model.name }}
    {%- endif -%}
{%- endmacro %}

{% macro duckdb__parquet_folder(model) -%} {{ marts_folder(model, "/dbt/output") }} {%- endmacro %}

{% macro marts_folder(model, usual) -%}
    {{ env_var("CHURN_OUTPUT", env_var("CHURN_HOME", "../var") ~ usual) }}/{{ "labels" if "labels" in model.fqn else "features" }}/{{ model.name }}
{%- endmacro %}
