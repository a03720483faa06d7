with

source as (

    select distinct
        order_id,
        line_number,
        product_id,
        category,
        quantity,
        unit_price,
        loaded_at,
        {{ if_known("deleted_at") }} as deleted_at,
        coalesce(loaded_at, {{ always() }}) as known_at
    from {{ source("raw", "order_items") }}
    where {{ only_selected_rows_of("order_id", source("raw", "orders")) }}

),

-- most lines have no clock: they come with their order and stay
lines_with_a_clock as (

    select distinct
        order_id,
        line_number
    from source
    where loaded_at is not null or deleted_at is not null

),

lines_of_their_order as (

    select source.* from source
    left join lines_with_a_clock as dated
        on source.order_id = dated.order_id and source.line_number = dated.line_number
    where dated.order_id is null

),

known_lines as (

    select source.* from source
    inner join lines_with_a_clock as dated
        on source.order_id = dated.order_id and source.line_number = dated.line_number
    where {{ is_known("source.known_at") }}

),

{{ version_steps("known_lines", "order_id, line_number", "known_at", ["product_id", "category", "quantity", "unit_price"]) }}

select
    order_id,
    line_number,
    1 as version_number,
    product_id,
    category,
    quantity,
    unit_price,
    known_at,
    false as has_clock,
    cast(null as timestamp) as superseded_at,
    cast(null as timestamp) as withdrawn_at
from lines_of_their_order
union all
select
    order_id,
    line_number,
    version_number,
    product_id,
    category,
    quantity,
    unit_price,
    known_at,
    true as has_clock,
    superseded_at,
    withdrawn_at
from versions_present
