"""The report: one model as one page, its model card.

card              manifest and evidence of the model, and figures with their intervals as text
question          the problem, the data, what was left out
compared          every candidate on the test part
chosen            how the champion was chosen
ranking           curves of the ranking; whether probabilities are true
decided           what the threshold does, and what it earns
where             by segment, by month, with older features
learned           importance, ablation, learning curve, what drives the scores
customers         the reasons of sample customers
limits            what the model is not, and how to repeat it
model_card_page   the sections in their order
model_card        reads the evidence and writes the page
"""

from ml.reports.model_card import report

__all__ = ["report"]
