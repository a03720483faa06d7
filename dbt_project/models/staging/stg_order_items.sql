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
    where {{ only_selected_orders("order_id", source("raw", "orders")) }}

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

copies_marked as (

    select
        source.*,
        {{ repeats_previous(
            ["source.product_id", "source.category", "source.quantity", "source.unit_price", "source.deleted_at"], "versions"
        ) }} as is_copy
    from source
    inner join lines_with_a_clock as dated
        on source.order_id = dated.order_id and source.line_number = dated.line_number
    where {{ is_known("source.known_at") }}
    window versions as (partition by source.order_id, source.line_number order by source.known_at)

),

versions_spanned as (

    select
        *,
        {{ version_span("order_id, line_number", "known_at", "known_at") }}
    from copies_marked
    where not is_copy

),

withdrawals_marked as (
    {{ withdrawals_marked("versions_spanned") }}
),

versions_present as (

    select
        *,
        {{ earliest(["next_known_at", "withdrawn_at"]) }} as superseded_at
    from withdrawals_marked

)

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
