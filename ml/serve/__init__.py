"""Scores over HTTP and as a page: the numbers of the batch, from a file of scores as of the online instant.

app             routes, from request to answer
answers         what answers are made from
pages/          the page, a module a view
schemas         the shapes of requests and answers
scored_file     every known customer's score, reasons and features at one instant, in one SQLite file
served_state    which build, model and instant are served; a newer one is swapped in between two requests
access          who may ask: keys, roles, expiry
requests        request ids, limits of body and time, paths with any customer id
http_errors     errors as problem+json
prediction_queue  scores on their way into the prediction log
server          the process, its workers, TLS
"""
