{{ staged_versions("payments") }}
