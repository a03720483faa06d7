-- every row that was read is among the accepted or the rejected ones
{{ config(enabled=target.type == "duckdb") }}
{% set load = env_var("CHURN_RAW", env_var("CHURN_HOME", "../var") ~ "/raw/current") %}
{% set tables = [] %}
{% for table in (declared_tables() if execute else []) if not table.merges or has_files(table.name) %}
    {% do tables.append(table.name) %}
{% endfor %}
{% for table in tables %}
select
    '{{ table }}' as raw_table,
    record.tables.{{ table }}.read as rows_read,
    (select count(*) from {{ (declared_table(table)).rows }}) as rows_accepted,
    (select count(*) from {{ source("raw", "rejected_rows") }} where "table" = '{{ table }}') as rows_rejected
from read_json('{{ exact_name(load) }}/load.json', hive_partitioning = false) as record
where rows_read != rows_accepted + rows_rejected
{{ "union all" if not loop.last }}
{% endfor %}
