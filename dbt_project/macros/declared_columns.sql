{# the columns that a model's YAML declares, "{w}" standing for one column per window #}
{% macro declared_columns(relation) %}
    {%- set declared = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type == "model" and node.name == relation.identifier -%}
        {%- for column in node.columns.values() -%}
            {%- set meta = column.config.meta or column.meta -%}
            {%- for days in (var("windows") if "{w}" in column.name else [none]) -%}
                {%- do declared.append({
                    "name": column.name | replace("{w}", days),
                    "data_type": column.data_type,
                    "minimum": meta.get("minimum"),
                    "is_window": "{w}" in column.name or modules.re.search("_\\d+d$", column.name) is not none,
                }) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(declared) }}
{% endmacro %}
