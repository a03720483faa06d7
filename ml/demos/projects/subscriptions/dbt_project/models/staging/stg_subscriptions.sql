{{ staged_versions("subscriptions") }}
