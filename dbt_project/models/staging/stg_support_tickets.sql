{{ staged_versions("support_tickets") }}
