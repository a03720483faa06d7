"""What columns of exports are called that mean the columns of raw tables."""

import re
from difflib import SequenceMatcher

# By column of the raw tables, the likeliest name first; names are in small letters with underscores.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "customer_id": (
        *("customer", "client_id", "user_id", "account_id", "buyer_id", "member_id", "contact_id"),
        *("requester_id", "shopper_id", "customer_number", "customer_email", "requester_email", "user_email"),
        *("email", "e_mail", "email_address", "id"),
    ),
    "registered_at": (
        *("registration_date", "signup_date", "signed_up_at", "signed_up", "member_since", "joined_at"),
        *("join_date", "customer_since", "created_at", "created", "date_created"),
    ),
    "updated_at": ("last_modified", "modified_at", "last_updated", "updated"),
    "birth_date": ("birthday", "date_of_birth", "dob", "birthdate"),
    "gender": ("sex",),
    "city": ("town", "billing_city", "shipping_city", "address_city"),
    "country": ("country_code", "billing_country", "shipping_country", "address_country"),
    "email": ("e_mail", "email_address"),
    "acquisition_channel": ("utm_source", "source", "referrer", "marketing_channel"),
    "order_id": (
        "order_number",
        "order_no",
        "order",
        "invoice_no",
        "invoice",
        "transaction_id",
        "name",
        "id",
    ),
    "ordered_at": (
        *("order_date", "purchase_date", "purchased_at", "placed_at", "order_purchase_timestamp"),
        *("invoice_date", "created_at", "created", "processed_at", "paid_at", "date"),
    ),
    "total_amount": (
        "total",
        "grand_total",
        "order_total",
        "total_price",
        "amount",
        "revenue",
        "payment_value",
    ),
    "discount_amount": ("discount", "discount_total", "total_discounts"),
    "payment_method": ("payment_type", "gateway", "payment_gateway"),
    "channel": ("source_name", "via_channel", "via", "source"),
    "cancelled_at": ("canceled_at", "cancellation_date", "cancelled_on", "voided_at"),
    "returned_at": ("refunded_at", "return_date", "refund_date"),
    "line_number": ("line", "line_no", "order_item_id", "position"),
    "product_id": (
        "lineitem_sku",
        "sku",
        "stock_code",
        "item_id",
        "product",
        "lineitem_name",
        "product_name",
    ),
    "category": ("product_category", "product_type", "lineitem_vendor", "topic", "type"),
    "quantity": ("lineitem_quantity", "qty", "units"),
    "unit_price": ("lineitem_price", "item_price", "price"),
    "ticket_id": ("ticket_number", "ticket", "case_number", "case_id", "request_id", "id"),
    "opened_at": ("opened", "open_date", "created_at", "created", "date_created"),
    "resolved_at": ("solved_at", "closed_at", "resolution_date", "resolved", "closed_on"),
    "satisfaction_score": ("satisfaction_rating_score", "csat", "rating", "satisfaction"),
    "session_id": ("visit_id", "ga_session_id", "id"),
    "started_at": ("start_time", "started", "start", "visit_start", "timestamp", "created_at", "date"),
    "duration_seconds": ("session_duration", "duration", "time_on_site"),
    "page_views": ("pageviews", "views", "hits"),
    "loaded_at": ("inserted_at", "ingested_at", "synced_at", "fivetran_synced", "airbyte_emitted_at"),
    "deleted_at": ("deleted_on", "removed_at"),
}
# Values of a status that say that something has happened, by the instant at which it does.
STATUSES = {
    "cancelled_at": ("cancelled", "canceled", "voided", "void"),
    "returned_at": ("refunded", "returned"),
    "resolved_at": ("solved", "resolved", "closed"),
    "failed_at": ("failed", "declined"),
    "deleted_at": ("deleted", "removed"),
}
STATUS_WORDS = ("status", "state")
# Whose instant says when a status was reached, if anything does.
CHANGED = ("updated_at", "updated", "modified_at", "last_modified", "last_updated")
SIMILARITY_MIN = 0.85  # one or two letters differ; lower values match other columns
# Synonyms come in the order of likelihood: each is worth a little less than the one before.
STEP = 0.01


def bare(name: str) -> str:
    """``Created at`` and ``createdAt`` as ``created_at``."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return "_".join(re.findall(r"[a-z0-9]+", words.lower()))


def likeness(column: str, name: str) -> tuple[float, str]:
    """How well the name of an export's column fits one of a raw table, from 0 to 1, and why."""
    its = bare(name)
    if its == column:
        return 1.0, "the same name"
    synonyms = SYNONYMS.get(column, ())
    if its in synonyms:
        return 0.95 - STEP * synonyms.index(its), f"{name!r} is a usual name for it"
    similarity = SequenceMatcher(None, its, column).ratio()
    return (similarity * 0.9, f"{name!r} is nearly its name") if similarity >= SIMILARITY_MIN else (0.0, "")
