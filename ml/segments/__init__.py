"""Customers by behaviour, and customers whose behaviour changed against their own past.

inputs             which features tell customers apart, on one scale
number             how many segments two halves of the customers agree on
names, matching    words for segments; which earlier segment a new one continues
segmentation       what was learned, as JSON in the home
figures            size, churn rate, moves
customer_segments  the steps of 'churn segments'; segments_page draws it
rhythm             a count against the customer's own past
changed_customers  the steps of 'churn anomalies'; anomalies_page draws it
"""

from ml.segments.changed_customers import anomalies
from ml.segments.customer_segments import segments

__all__ = ["anomalies", "segments"]
