-- of the whole load, whatever the build looks back from and whomever it makes: later orders show that earlier days are in
with

first_versions as (

    select min({{ known_at("ordered_at", "loaded_at") }}) as known_at
    from {{ source("raw", "orders") }}
    group by order_id

),

orders_clock as (

    {% if var("orders_clock") is none -%}
        select max(known_at) as orders_clock from first_versions
    {%- else -%}
        select cast('{{ var("orders_clock") }}' as timestamp) as orders_clock
    {%- endif %}

)

select orders_clock from orders_clock
