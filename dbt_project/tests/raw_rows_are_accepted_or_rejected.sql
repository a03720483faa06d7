-- every row that was read is among the accepted or the rejected ones
{{ config(enabled=target.type == "duckdb") }}
{% set load = env_var("CHURN_RAW", env_var("CHURN_HOME", "../var") ~ "/raw/current") %}
{% for table in (declared_tables() if execute else []) | map(attribute="name") %}
select
    '{{ table }}' as raw_table,
    record.tables.{{ table }}.read as rows_read,
    (select count(*) from {{ (declared_table(table)).rows }}) as rows_accepted,
    (select count(*) from {{ source("raw", "rejected_rows") }} where "table" = '{{ table }}') as rows_rejected
from read_json('{{ exact_name(load) }}/load.json', hive_partitioning = false) as record
where rows_read != rows_accepted + rows_rejected
{{ "union all" if not loop.last }}
{% endfor %}
