"""The report: one model as one page, its model card.

card_data                manifest and evidence of the model, and figures with their intervals as text
problem_and_rows         the problem, the data, what was left out
candidate_comparison     every candidate on the test part
champion_choice          how the champion was chosen
ranking_and_calibration  curves of the ranking; whether probabilities are true
threshold_and_actions    what the threshold does, and what it earns
segments_and_months      by segment, by month, with older features
customers_by_behaviour   the segments of 'churn segments'
importance_and_drivers   importance, ablation, learning curve, what drives the scores
example_customers        the reasons of example customers
limits                   what the model is not, and how to repeat it
model_card_page          the sections in their order
model_card               reads the evidence and writes the page
"""

from ml.reports.model_card import report

__all__ = ["report"]
