{#
    The raw tables as sources.yml declares them: key, customer_key, occurred_at, recorded_at, merges, ends_at, later_instants,
    references, and the columns. dbt knows them once it has read the project: while it does, they are none.
#}

{% macro declared_tables() %}
    {%- set tables = [] -%}
    {%- for node in graph.get("sources", {}).values() if node.source_name == "raw" -%}
        {%- set meta = node.config.meta or node.meta -%}
        {%- if meta.get("key") -%}
            {%- do tables.append({
                "name": node.name,
                "rows": node.relation_name,
                "key": [meta.key] if meta.key is string else meta.key,
                "customer_key": meta.get("customer_key"),
                "occurred_at": meta.get("occurred_at"),
                "recorded_at": meta.recorded_at,
                "merges": meta.get("merges"),
                "later": later_instants(meta),
                "ends_at": meta.get("ends_at"),
                "end_known_at": earliest([meta.ends_at, meta.end_announced_at] if meta.get("end_announced_at") else [meta.get("ends_at")]),
                "parent": (meta.get("references") or {}).values() | first,
                "columns": columns_of(node),
                "counts_from": counted_later(node),
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(tables) }}
{% endmacro %}

{# what happens later to a row, the end of a state among it #}
{% macro later_instants(meta) %}
    {%- set names = (meta.get("later_instants") or {}).keys() | list -%}
    {%- for name in [meta.get("end_announced_at"), meta.get("ends_at")] if name and name not in names -%}
        {%- do names.append(name) -%}
    {%- endfor -%}
    {{ return(names) }}
{% endmacro %}

{% macro declared_table(name) %}
    {{ return(declared_tables() | selectattr("name", "equalto", name) | first) }}
{% endmacro %}

{# deleted_at may stand in any table, and need not be declared #}
{% macro columns_of(source_node) %}
    {{ return(source_node.columns.keys() | reject("equalto", "deleted_at") | list) }}
{% endmacro %}

{# columns whose value is known later than its row: name -> the instants, the first of which that is there counts #}
{% macro counted_later(source_node) %}
    {%- set found = {} -%}
    {%- for column in source_node.columns.values() -%}
        {%- set meta = column.config.meta or column.meta -%}
        {%- if meta.get("counts_from") -%} {%- do found.update({column.name: meta.counts_from}) -%} {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{% endmacro %}

{# the declared tables of facts whose staging model the model at hand does not read #}
{% macro other_declared_facts() %}
    {%- set others = [] -%}
    {%- for table in (declared_tables() if execute else []) if table.parent -%}
        {%- if "model." ~ project_name ~ ".stg_" ~ table.name not in model.depends_on.nodes -%}
            {%- do others.append(table) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(others) }}
{% endmacro %}

{# customer_id and known_at of every version of the other declared facts that name their customer: since when they are known #}
{% macro or_other_known_facts() %}
    {%- for table in other_declared_facts() if table.customer_key %}
    union all
    select
        {{ table.customer_key }} as customer_id,
        {% if has_merges() -%}
        known_at
    from ({{ versions_of(table, table.rows) }}) as {{ table.name }}
        {%- else -%}
        {{ known_at(table.occurred_at, table.recorded_at) }} as known_at
    from {{ table.rows }}
    where {{ only_selected_customers(table.customer_key) }}
        {%- endif %}
    {%- endfor -%}
{% endmacro %}

{# known_at of all that happens to the other declared facts, by which the data clock goes #}
{% macro or_other_known_instants() %}
    {%- for table in other_declared_facts() if table.customer_key %}
        {%- set later = [] -%}
        {%- for instant in table.later -%}
            {%- set known = table.end_known_at if instant == table.ends_at else instant -%}
            {%- do later.append(if_come(earliest([known, "superseded_at"]))) -%}
        {%- endfor %}
    union all
    select greatest({{ (["known_at"] + later + [if_come("withdrawn_at")]) | join(", ") }})
    from ({{ versions_of(table, table.rows) }}) as {{ table.name }}
    {%- endfor -%}
    {%- for table in other_declared_facts() if not table.customer_key %}
        {%- set parent = declared_table(table.parent) %}
    union all
    select greatest(parents.known_at, below.known_at, {{ if_come("below.withdrawn_at") }})
    from ({{ versions_below(table, table.rows, parent, parent.rows) }}) as below
    inner join (
        select
            {{ parent.key[0] }},
            min({{ known_at(parent.occurred_at, parent.recorded_at) }}) as known_at
        from {{ parent.rows }}
        where {{ is_known(known_at(parent.occurred_at, parent.recorded_at)) }}
        group by {{ parent.key[0] }}
    ) as parents on below.{{ parent.key[0] }} = parents.{{ parent.key[0] }}
    where below.has_clock
    {%- endfor -%}
{% endmacro %}
