{#
    Materialization: the model's rows as Parquet files in one folder, one file per slice of customers,
    and a view over them. The folder is emptied first; the file schema0.parquet holds no rows and keeps
    the columns when there are no customers.
#}
{% materialization parquet_slices, adapter="duckdb" %}
    {%- set folder = parquet_folder(model) -%}
    {%- set target = this.incorporate(type="view") -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set per_slice = var("customers_per_slice") | int -%}
    {{ run_hooks(pre_hooks) }}

    {% do run_query("reset variable slice_first") %}
    {% do run_query("copy (select * from (" ~ sql ~ ") as nothing where false) to '" ~ folder
        ~ "' (format parquet, per_thread_output true, overwrite true, filename_pattern 'schema')") %}
    {%- set last = run_query("select coalesce(max(customer_number), 0) from " ~ ref("int_customers"))[0][0] | int -%}
    {%- for first in range(1, last + 1, per_slice) %}
        {% do run_query("set variable slice_first = " ~ first) %}
        {% do run_query("set variable slice_last = " ~ (first + per_slice - 1)) %}
        {% do run_query("copy (" ~ sql ~ ") to '" ~ folder ~ "/slice-" ~ "%04d" % loop.index
            ~ ".parquet' (format parquet, row_group_size 122880)") %}
    {%- endfor %}
    {% do run_query("reset variable slice_first") %}

    {% if existing is not none and existing.type != "view" %} {{ drop_relation_if_exists(existing) }} {% endif %}
    {% call statement("main") -%}
        create or replace view {{ target }} as (select * from read_parquet('{{ folder }}/*.parquet'))
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target, model) %}
    {{ adapter.commit() }}
    {{ return({"relations": [target]}) }}
{% endmaterialization %}
