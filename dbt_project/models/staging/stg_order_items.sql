{{ staged_rows_of("orders", "order_items") }}
