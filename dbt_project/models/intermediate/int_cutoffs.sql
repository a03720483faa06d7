{{ cutoffs_of_label() }}
order by cutoff_number
