-- From the accepted raw rows to customers with a number and facts with the instants between which they count.
create table customer_versions as
select
    customer_id,
    gender,
    city,
    country,
    acquisition_channel,
    email_verified,
    phone_verified,
    birth_date,
    registered_at,
    coalesce(updated_at, registered_at) as known_at
from read_parquet('{raw}/customers/*.parquet');

create table customers as
select
    row_number() over (order by customer_id) as customer_number,
    customer_id,
    any_value(birth_date) as birth_date,
    any_value(registered_at) as registered_at,
    min(known_at) as first_known_at
from (
    select
        customer_id,
        arg_min_null(birth_date, known_at) as birth_date,
        arg_min_null(registered_at, known_at) as registered_at,
        least(min(known_at), arg_min_null(registered_at, known_at)) as known_at
    from customer_versions
    group by customer_id
    union all by name
    select customer_id, min(greatest(ordered_at, coalesce(loaded_at, ordered_at))) as known_at
    from read_parquet('{raw}/orders/*.parquet')
    group by customer_id
    union all by name
    select customer_id, min(greatest(opened_at, coalesce(loaded_at, opened_at))) as known_at
    from read_parquet('{raw}/support_tickets/*.parquet')
    group by customer_id
    union all by name
    select customer_id, min(greatest(started_at, coalesce(loaded_at, started_at))) as known_at
    from read_parquet('{raw}/sessions/*.parquet')
    group by customer_id
)
group by customer_id;

create table items as
select distinct order_id, line_number, product_id, category, quantity, unit_price
from read_parquet('{raw}/order_items/*.parquet');

create table order_versions as
with marked as (
    select
        order_id,
        customer_id,
        total_amount,
        discount_amount,
        ordered_at,
        cancelled_at,
        returned_at,
        coalesce(loaded_at, ordered_at) as told_at,
        greatest(ordered_at, coalesce(loaded_at, ordered_at)) as known_at,
        row_number() over versions > 1
        and payment_method is not distinct from lag(payment_method) over versions
        and channel is not distinct from lag(channel) over versions
        and total_amount is not distinct from lag(total_amount) over versions
        and discount_amount is not distinct from lag(discount_amount) over versions
        and cancelled_at is not distinct from lag(cancelled_at) over versions
        and returned_at is not distinct from lag(returned_at) over versions as is_copy
    from read_parquet('{raw}/orders/*.parquet')
    window versions as (partition by order_id order by coalesce(loaded_at, ordered_at))
)
select
    *,
    row_number() over kept = 1 as is_first,
    lead(known_at) over kept as superseded_at
from marked
where not is_copy
window kept as (partition by order_id order by told_at);

create table orders as
select
    customers.customer_number,
    order_versions.is_first,
    order_versions.total_amount,
    coalesce(order_versions.discount_amount, 0) as discount_amount,
    coalesce(quantities.quantity, 0)::decimal(18, 4) as quantity,
    order_versions.ordered_at,
    order_versions.known_at,
    order_versions.superseded_at,
    least(superseded_at, cancelled_at, returned_at) as kept_until,
    least(cancelled_at, returned_at) as lost_at,
    case
        when cancelled_at is not null and returned_at is not null then greatest(cancelled_at, returned_at)
    end as lost_again_at
from order_versions
inner join customers using (customer_id)
left join (select order_id, sum(quantity) as quantity from items group by order_id) as quantities using (order_id)
order by customers.customer_number;

create table categories as
select customers.customer_number, items.category, min(order_versions.known_at) as known_at
from items
inner join order_versions using (order_id)
inner join customers using (customer_id)
where items.category is not null and order_versions.is_first
group by customers.customer_number, items.category
order by customers.customer_number;

create table tickets as
with marked as (
    select
        ticket_id,
        customer_id,
        satisfaction_score,
        opened_at,
        resolved_at,
        case
            when satisfaction_score is not null
                then coalesce(rated_at, resolved_at, greatest(opened_at, coalesce(loaded_at, opened_at)))
        end as rated_at,
        coalesce(loaded_at, opened_at) as told_at,
        greatest(opened_at, coalesce(loaded_at, opened_at)) as known_at,
        row_number() over versions > 1
        and category is not distinct from lag(category) over versions
        and channel is not distinct from lag(channel) over versions
        and satisfaction_score is not distinct from lag(satisfaction_score) over versions
        and resolved_at is not distinct from lag(resolved_at) over versions
        and rated_at is not distinct from lag(rated_at) over versions as is_copy
    from read_parquet('{raw}/support_tickets/*.parquet')
    window versions as (partition by ticket_id order by coalesce(loaded_at, opened_at))
)
select
    customers.customer_number,
    row_number() over kept = 1 as is_first,
    marked.satisfaction_score,
    marked.opened_at,
    marked.resolved_at,
    marked.rated_at,
    marked.known_at,
    lead(marked.known_at) over kept as superseded_at
from marked
inner join customers using (customer_id)
where not marked.is_copy
window kept as (partition by marked.ticket_id order by marked.told_at)
order by customers.customer_number;

create table sessions as
with marked as (
    select
        session_id,
        customer_id,
        coalesce(page_views, 0) as page_views,
        started_at,
        coalesce(loaded_at, started_at) as told_at,
        greatest(started_at, coalesce(loaded_at, started_at)) as known_at,
        row_number() over versions > 1
        and duration_seconds is not distinct from lag(duration_seconds) over versions
        and page_views is not distinct from lag(page_views) over versions as is_copy
    from read_parquet('{raw}/sessions/*.parquet')
    window versions as (partition by session_id order by coalesce(loaded_at, started_at))
)
select
    customers.customer_number,
    row_number() over kept = 1 as is_first,
    marked.page_views,
    marked.started_at,
    marked.known_at,
    lead(marked.known_at) over kept as superseded_at
from marked
inner join customers using (customer_id)
where not marked.is_copy
window kept as (partition by marked.session_id order by marked.told_at)
order by customers.customer_number;
