{{ staged_versions("usage") }}
