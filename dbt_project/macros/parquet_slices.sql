{#
    Materialization: the model's rows as Parquet files in one folder, and a view over them; two files per
    slice of customers where the variable split_at is given: rows up to that instant, which no later fact
    can change, and rows to come. The folder is emptied first; the file schema0.parquet holds no rows and
    keeps the columns when there are no customers.
#}
{% materialization parquet_slices, adapter="duckdb" %}
    {%- set folder = parquet_folder(model) -%}
    {%- set target = this.incorporate(type="view") -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set per_slice = var("customers_per_slice") | int -%}
    {{ run_hooks(pre_hooks) }}

    {% do run_query("reset variable slice_first") %}
    {% do run_query("copy (select * from (" ~ sql ~ ") as nothing where false) to '"
        ~ quoted_name(folder) ~ "' (format parquet, per_thread_output true, overwrite true, filename_pattern 'schema')") %}
    {%- set last = run_query("select coalesce(max(customer_number), 0) from " ~ ref("int_customers"))[0][0] | int -%}
    {%- for first in range(1, last + 1, per_slice) %}
        {% do run_query("set variable slice_first = " ~ first) %}
        {% do run_query("set variable slice_last = " ~ (first + per_slice - 1)) %}
        {% do write_slice(sql, folder, "slice-%04d" % loop.index, "features" in model.fqn) %}
    {%- endfor %}
    {% do run_query("reset variable slice_first") %}

    {% if existing is not none and existing.type != "view" %} {{ drop_relation_if_exists(existing) }} {% endif %}
    {% call statement("main") -%}
        create or replace view {{ target }} as (
            select * from read_parquet('{{ exact_name(folder) }}/*.parquet', hive_partitioning = false)
        )
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target, model) %}
    {{ adapter.commit() }}
    {{ return({"relations": [target]}) }}
{% endmaterialization %}

{% macro write_slice(sql, folder, slice, has_rows_to_come) %}
    {%- if var("split_at") is none or not has_rows_to_come -%}
        {% do write_parquet(sql, folder ~ "/" ~ slice) %}
    {%- else -%}
        {%- set rows = "rows_of_" ~ model.name -%}
        {% do run_query("create or replace temp table " ~ rows ~ " as (" ~ made_anew(sql) ~ ")") %}
        {% do write_parquet("from " ~ rows ~ " where " ~ is_past("event_timestamp"), folder ~ "/past-" ~ slice) %}
        {% do write_parquet("from " ~ rows ~ " where not " ~ is_past("event_timestamp"), folder ~ "/to-come-" ~ slice) %}
        {% do run_query("drop table " ~ rows) %}
    {%- endif -%}
{% endmacro %}

{% macro write_parquet(rows, file) %}
    {% do run_query("copy (" ~ rows ~ ") to '" ~ quoted_name(file) ~ ".parquet' (format parquet, row_group_size 122880)") %}
{% endmacro %}
