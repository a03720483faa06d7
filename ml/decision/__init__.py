"""From probabilities to decisions: the customers to contact, the profit, the recommended actions.

threshold_totals   churners and customers from each threshold on
profit             the profit of contacting customers
maximum_profit     the measure of the churn literature: EMPC
threshold          the threshold by the problem's rule
contacts           the customers to contact, at most as many as the capacity
actions            the recommended action of each risk band
"""
