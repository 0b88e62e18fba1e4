"""Labelled corpora become folds that share nothing: train, calibration, test.

Takes: files of labelled texts.
Gives: rows with labels by head, groups of near-duplicates, disjoint folds, the data card.
Never: joins by "latest"; hands a text that may only measure to training.
"""
