{#
    Spark: raw tables and models are Parquet files in folders, with a table or view over each in the metastore, and the
    metastore keeps nothing of its own. A model is written by insert overwrite, since a create table as select that
    fails leaves a folder that the next one stumbles over.
#}

{% materialization table, adapter="spark" %}
    {{ return({"relations": [write_folder(model, sql)]}) }}
{% endmaterialization %}

{% materialization parquet_slices, adapter="spark" %}
    {{ return({"relations": [write_folder(model, sql)]}) }}
{% endmaterialization %}

{# the model's rows as the Parquet files of a folder, which is emptied first, and a view over them #}
{% macro write_folder(model, sql) %}
    {%- set folder = parquet_folder(model) -%}
    {%- set target = this.incorporate(type="view") -%}
    {%- set existing = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement("main") -%}
        insert overwrite directory '{{ spark_path(folder) }}' using parquet
        {{ sql }}
    {%- endcall %}
    {% if existing is not none and existing.type != "view" %} {{ drop_relation_if_exists(existing) }} {% endif %}
    {% do run_query("create or replace view " ~ target ~ " as select * from " ~ parquet_rows(folder)) %}
    {{ run_hooks(post_hooks) }}
    {% do persist_docs(target, model) %}
    {{ return(target) }}
{% endmacro %}

{# a table over the files of each raw table, with the declared columns: a file of an earlier load that lacks one reads as null #}
{% macro declare_raw_tables() %}
    {{ return(adapter.dispatch("declare_raw_tables")()) }}
{% endmacro %}

{% macro default__declare_raw_tables() %} {{ return("") }} {% endmacro %}

{% macro spark__declare_raw_tables() %}
    {%- if execute -%}
        {%- for table in declared_tables() -%}
            {%- set node = graph.sources["source." ~ project_name ~ ".raw." ~ table.name] -%}
            {%- set columns = {} -%}
            {%- for column in node.columns.values() -%}
                {%- do columns.update({column.name: spark_type(column.data_type)}) -%}
            {%- endfor -%}
            {%- do columns.setdefault("deleted_at", "timestamp_ntz") -%}
            {%- set typed = [] -%}
            {%- for name, type in columns.items() -%} {%- do typed.append(name ~ " " ~ type) -%} {%- endfor -%}
            {%- if loop.first -%} {%- do run_query("create schema if not exists " ~ node.schema) -%} {%- endif -%}
            {%- do run_query("drop table if exists " ~ table.rows) -%}
            {%- do run_query(
                "create table " ~ table.rows ~ " (" ~ typed | join(", ") ~ ") using parquet options (path '"
                ~ spark_path(raw_folder() | trim ~ "/" ~ table.name) ~ "')"
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{# Spark's name of a type that sources.yml declares #}
{% macro spark_type(type) %}
    {{ return({"varchar": "string", "timestamp": "timestamp_ntz"}.get(type | lower, type)) }}
{% endmacro %}

{# a path as Spark's SQL has it; a relative one goes by the project's folder, as dbt does, and not by the warehouse #}
{% macro spark_path(path) -%}
    {%- set path = path | trim -%}
    {%- if not path.startswith("/") and "://" not in path -%}
        {%- set project = invocation_args_dict.project_dir -%}
        {%- set path = ("" if project.startswith("/") else env_var("PWD") ~ "/") ~ project ~ "/" ~ path -%}
    {%- endif -%}
    {{ path | replace("\\", "\\\\") | replace("'", "\\'") | replace("`", "``") }}
{%- endmacro %}
