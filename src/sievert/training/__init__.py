"""Labelled folds become a bundle, by a recipe that anybody can run again.

Takes: folds of labelled texts, a recipe.
Gives: a bundle with its cards and its report.
Never: imports serving; looks at a test fold to choose anything.
"""
