"""The page of ``churn serve``: HTML made on the server, without script and without a request to another host.

routes               addresses, from request to page
overview             population, expected leavers, money, distribution of scores, freshness
population_totals    the sums behind it
customer_list        the table of customers, its form, the line of capacity
customer_selection   which customers, in which order: a form to SQL over the file of scores
customer_csv         the same selection as CSV
customer             one customer: score, reasons, scores over time and to come, facts, features
score_course         past scores, the score at an instant, scores to come if nothing happens
customer_events      what happened to a customer, and when it was known
receipt              the rows behind one value
model                the model card
data                 builds, tests, loads, rejected rows
sign_in              the form for a key
sessions             who is signed in: files of the home, so that every worker knows
reader               whether a request may see pages
values_as_text       values of features as people read them
page_frame           what every page has; its policy and other headers
static_files         style sheet and icon
error_page           errors for people
"""
