{# the folder of the load that is built; DuckDB's pattern signs in its name are not for it to read #}
{% macro raw_folder() -%}
    {{ env_var("CHURN_RAW", env_var("CHURN_HOME", "../var") ~ "/raw/current") }}
{%- endmacro %}

{# one sentence, where each model would fail with one of its own #}
{% macro require_raw_tables() %}
    {%- if execute -%}
        {%- set folder = raw_folder() | trim -%}
        {%- set missing = [] -%}
        {%- for table in declared_tables() -%}
            {%- if not has_files(table.name) -%} {%- do missing.append(table.name) -%} {%- endif -%}
        {%- endfor -%}
        {%- if missing | length == declared_tables() | length -%}
            {%- do exceptions.raise_compiler_error(
                "there are no raw tables in " ~ folder ~ ": run 'churn ingest PATH' first, or set CHURN_HOME to the home that has them"
            ) -%}
        {%- elif missing | reject("in", declared_tables() | selectattr("merges") | map(attribute="name") | list) | list -%}
            {%- do exceptions.raise_compiler_error(
                "sources.yml declares " ~ missing | join(", ") ~ ", which the load in " ~ folder ~ " does not have: run 'churn ingest PATH' again"
            ) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{# whether the load has files of a raw table: one from before its declaration has none, and one of merges may then be missing #}
{% macro has_files(name) %}
    {{ return(adapter.dispatch("has_files")(name)) }}
{% endmacro %}

{% macro default__has_files(name) %} {{ return(name in load_manifest().tables) }} {% endmacro %}

{% macro duckdb__has_files(name) %}
    {%- set files = exact_name(raw_folder() | trim) ~ "/" ~ name ~ "/*.parquet" -%}
    {{ return(run_query("select count(*) from glob('" ~ files ~ "')").columns[0].values()[0] > 0) }}
{% endmacro %}

{# when rows were last ingested, as load.json says; none where there is no such file #}
{% macro last_ingest() %}
    {{ return(adapter.dispatch("last_ingest")()) }}
{% endmacro %}

{% macro default__last_ingest() %}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {{ return((load_manifest().get("ingested_at") or "") | replace("T", " ") | replace("Z", "") or none) }}
{% endmacro %}

{# load.json: Spark has no list of files, and reads a text line by line #}
{% macro load_manifest() %}
    {{ return(fromjson(run_query("select value from text.`" ~ spark_path(raw_folder() | trim ~ "/load.json") ~ "`").columns[0].values() | join("\n"))) }}
{% endmacro %}

{% macro duckdb__last_ingest() %}
    {%- if not execute -%} {{ return(none) }} {%- endif -%}
    {%- set file = exact_name(raw_folder() | trim) ~ "/load.json" -%}
    {%- if run_query("select count(*) from glob('" ~ file ~ "')").columns[0].values()[0] == 0 -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set rows = "read_json('" ~ file ~ "', columns = {'ingested_at': 'VARCHAR'}, hive_partitioning = false)" -%}
    {{ return(run_query("select max(cast(ingested_at as timestamp)) from " ~ rows).columns[0].values()[0]) }}
{% endmacro %}
