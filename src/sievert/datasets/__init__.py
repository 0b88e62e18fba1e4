"""Labelled corpora and platforms' own histories become sets to learn from, whose folds share nothing.

Takes: files of labelled texts; folders of posts, events and labels.
Gives: rows with labels by head, disjoint folds, histories as columns, snapshots, supervision as of a time, samples that know their probabilities, views without censoring, data cards.
Never: joins by "latest"; hands a text that may only measure to training; lets a bad row pass silently.
"""
