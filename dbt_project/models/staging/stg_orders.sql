{{ staged_versions("orders") }}
