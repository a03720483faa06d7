{{ staged_versions("sessions") }}
