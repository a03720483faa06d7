"""People's rights: forget a customer, or what is older than a limit, and prove it by a search of the home.

person        who it is: the keys that merged, the rows that other tables refer to, personal values
search_terms  the forms in which a key can be written, and whether its bytes alone can be searched for
file_kinds    what a file is, by its content, and its columns of text, whatever wrote it
search        every file of the home, looked through for the terms
rows_to_erase which rows and which words in others go
parquet_rows, sqlite_rows, duckdb_rows, text_rows  such rows out of one file, written anew beside it
raw_loads, builds, models, pushed_facts  what also has counts or hashes of its files
other_files   any other file in which the search finds the customer
learned       the models that learned from the customer
forget        all of it, in the order in which a killed run can be finished
retention     what is older than a limit
"""

from ml.erasure.forget import allow_again, forget
from ml.erasure.retention import retention
from ml.erasure.search import search

__all__ = ["allow_again", "forget", "retention", "search"]
