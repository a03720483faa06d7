"""From probabilities to decisions: the customers to contact, the profit, the recommended actions.

threshold_totals         churners and customers from each threshold on
contact_profit           the profit of contacting customers
expected_maximum_profit  the measure of the churn literature: EMPC
threshold                the threshold by the problem's rule
customers_to_contact     the customers to contact, at most as many as the capacity
actions                  the recommended action of each risk band
"""
