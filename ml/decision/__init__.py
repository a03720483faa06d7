"""From probabilities to what a retention team does: whom to contact, what it earns, which action to take.

lists            running totals of the list that each threshold closes
profit           what a list earns, threshold by threshold
maximum_profit   the measures of the churn literature: MPC, EMPC
threshold        the threshold by the problem's rule
contacts         whom to contact, exactly as many as the capacity
actions          the recommended action of each risk band
"""
