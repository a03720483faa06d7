"""Tracking with MLflow: the models of a home with their rows, code, settings and metrics.

code_version      the version of the code that trains
fingerprint       a hash of the rows of training and evaluation
manifest_entries  a model's manifest as parameters, metrics and tags
server            the tracking server: a file in the home, or any other
database          that file, made in one step
flavor            tracked models, loaded by MLflow itself
runs              one run and one registered version for each model; aliases of champion and challenger
"""
