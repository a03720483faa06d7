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

{# a sentence for each column that is not as declared; where all are, one for the order #}
{% macro differing_columns(name_of_model, declared, found) %}
    {%- set differing = [] -%}
    {%- for name in declared if name not in found -%}
        {%- do differing.append("column " ~ name ~ " is declared " ~ declared[name] ~ " and missing") -%}
    {%- endfor -%}
    {%- for name in declared if name in found and declared[name] != found[name] -%}
        {%- do differing.append("column " ~ name ~ " is declared " ~ declared[name] ~ " and is " ~ found[name]) -%}
    {%- endfor -%}
    {%- for name in found if name not in declared -%}
        {%- do differing.append("column " ~ name ~ " is " ~ found[name] ~ " and not declared") -%}
    {%- endfor -%}
    {%- if not differing and found.keys() | list != declared.keys() | list -%}
        {%- do differing.append("the columns are declared as " ~ declared.keys() | join(", ") ~ " and come as " ~ found.keys() | join(", ")) -%}
    {%- endif -%}
    {%- set sentences = [] -%}
    {%- for difference in differing -%}
        {%- do sentences.append(name_of_model ~ ".yml and its table differ: " ~ difference) -%}
    {%- endfor -%}
    {{ return(sentences) }}
{% endmacro %}

{# a type of the engine's, by the name that a YAML declares #}
{% macro declared_name_of_type(type) %}
    {{ return({"character varying(256)": "varchar", "string": "varchar", "timestamp_ntz": "timestamp"}.get(type, type)) }}
{% endmacro %}
