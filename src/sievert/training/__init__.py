"""Labelled folds become a bundle, by recipes that anybody can run again.

Takes: folds of labelled texts, a recipe.
Gives: a bundle with its cards and its report; run folders.
Never: imports serving; looks at a test fold to choose anything.
"""
