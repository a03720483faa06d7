-- The words that count: yours to change. A text goes no further than this model.
{% set positive = ["thank*", "great", "good", "love*", "perfect*", "helpful", "happy", "works", "easy"] %}
{% set negative = [
    "error*", "fail*", "wrong", "broken", "empty", "slow", "crash*", "bug", "bugs", "problem*", "annoy*", "disappoint*",
    "unhappy", "useless", "twice"
] %}
{% set leaving = ["cancel*", "leave", "leaving", "terminat*", "unsubscribe*", "switch*", "ending"] %}
{% set money = ["invoice*", "charge*", "payment*", "price*", "refund*", "expensive", "discount*"] %}

with

messages as (

    {{ staged_rows_of("support_tickets", "ticket_messages") }}

)

select
    message_id,
    ticket_id,
    version_number,
    author,
    written_at,
    {{ count_words("body", positive) }} as positive_words,
    {{ count_words("body", negative) }} as negative_words,
    {{ count_words("body", leaving) }} as leaving_words,
    {{ count_words("body", money) }} as money_words,
    known_at,
    superseded_at
from messages
