"""The record: what was trained, on which rows, by which code, and how good it was; kept in MLflow.

code         which code trains
fingerprint  which rows it learned from and was judged on
entries      a model's manifest as parameters, metrics and tags
place        where the record is: a file in the home, or any tracking server
database     that file, made in one step
flavor       recorded models, loaded by MLflow itself
mirror       the home's models, sent there; champion and challenger by their aliases
"""
