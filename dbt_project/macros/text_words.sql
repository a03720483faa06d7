{#
    How many words of a text are in a list, in any capitals: 0 for a text without one, or for no text. A word is a run of
    letters of any script; "cancel*" in the list stands for every word that begins so. A list of words knows neither
    grammar nor context ("not good" is one good word), and gives the same number in every build and on every engine.
#}
{% macro count_words(text, words) -%}
    {%- set whole, beginnings = [], [] -%}
    {%- for word in words -%}
        {%- if word.endswith("*") -%}
            {%- do beginnings.append("word like '" ~ escaped_word(word[:-1]) ~ "%'") -%}
        {%- else -%}
            {%- do whole.append("'" ~ escaped_word(word) ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set in_list = ["word in (" ~ whole | join(", ") ~ ")"] if whole else [] -%}
    {{ adapter.dispatch("count_matching_words")(text, (in_list + beginnings) | join(" or ")) }}
{%- endmacro %}

{# a word of a list as it stands in SQL; anything but letters could match no word #}
{% macro escaped_word(word) -%}
    {%- if not word or not modules.re.fullmatch("[^\\W\\d_]+", word) -%}
        {{ exceptions.raise_compiler_error("the word " ~ word ~ " has characters that are no letters: give single words, with * at the end for a beginning") }}
    {%- endif -%}
    {{ word | lower }}
{%- endmacro %}

{% macro default__count_matching_words(text, condition) -%}
    cast(size(filter(split(lower(coalesce({{ text }}, '')), '[^\\p{L}]+'), word -> {{ condition }})) as bigint)
{%- endmacro %}

{% macro duckdb__count_matching_words(text, condition) -%}
    len(list_filter(string_split_regex(lower(coalesce({{ text }}, '')), '[^\p{L}]+'), lambda word: {{ condition }}))
{%- endmacro %}
