"""Three models that see one side of a post each, and one that sees all three.

Every model learns from the truth about the posts it is given, which no platform has for all of its
posts: they are as good as labels can make them. Nothing was chosen by looking at a test fold.

Legend: n posts, H heads (harm, then each policy), k posts learnt from, h posts held.
"""

import numpy as np
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

FOLDS = 3
_SURE = 1e-6


class TextModel:
    """Hashed words and letters, logistic regression."""

    def __init__(self, text):
        words = HashingVectorizer(ngram_range=(1, 2), n_features=1 << 18, alternate_sign=False)
        letters = HashingVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), n_features=1 << 18, alternate_sign=False
        )
        self._grams = sparse.hstack([words.transform(text), letters.transform(text)], format="csr")

    def scores(self, truth, learn, held):
        """Return logits of one head [h]; `truth` [n] is that head's."""
        if not truth[learn].any():
            return np.full(len(held), _logit(0.0))
        model = LogisticRegression(C=10.0, solver="liblinear")
        return model.fit(self._grams[learn], truth[learn]).decision_function(self._grams[held])


class ImageModel:
    """Thumbnail and colours, gradient boosting; a post without an image gets what such posts usually are."""

    def __init__(self, picture, has_image):
        self._picture, self._has_image = picture, has_image

    def scores(self, truth, learn, held):
        """Return logits of one head [h]; `truth` [n] is that head's."""
        shown = learn[self._has_image[learn]]
        found = np.full(len(held), _logit(truth[learn[~self._has_image[learn]]].mean()))
        looked = self._has_image[held]
        found[looked] = boosted(self._picture[shown], truth[shown], self._picture[held[looked]])
        return found


class BehaviourModel:
    """Behaviour rows, gradient boosting."""

    def __init__(self, rows):
        self._rows = rows

    def scores(self, truth, learn, held):
        """Return logits of one head [h]; `truth` [n] is that head's."""
        return boosted(self._rows[learn], truth[learn], self._rows[held])


def boosted(rows, truth, others):
    """Learn from rows [k, any]; return logits of others [h]."""
    if not truth.any():
        return np.full(len(others), _logit(0.0))
    model = HistGradientBoostingClassifier(
        learning_rate=0.06,
        max_iter=150,
        max_leaf_nodes=12,
        min_samples_leaf=15,
        l2_regularization=1.0,
        max_features=0.3,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(rows, truth).decision_function(others)


def learnt_together(view, learn, held, group, rng, *, folds=FOLDS):
    """Return logits of harm [h] by name: of each single model, and of their union.

    The union learns from what the single models said of posts they had not learnt from, under every
    policy where content is looked at: what a text and a picture mean together can be learnt from that.
    `group` [n] are near-duplicates, which are never on both sides. Behaviour rows beside what the
    behaviour model makes of them, and components of words and colours, were tried inside training and
    did not help.
    """
    every = range(view.truth.shape[1])
    models = {
        "text": (TextModel(view.text), every),
        "image": (ImageModel(view.picture, view.has_image), every),
        "behaviour": (BehaviourModel(view.behaviour), (0,)),
    }
    fold = rng.integers(folds, size=group.max() + 1)[group]
    within, beyond, single = [view.has_image[learn]], [view.has_image[held]], {}
    for name, (model, heads) in models.items():
        for head in heads:
            truth = view.truth[:, head]
            said = np.zeros(len(view))
            for part in range(folds):
                out = learn[fold[learn] == part]
                said[out] = model.scores(truth, learn[fold[learn] != part], out)
            within.append(said[learn])
            beyond.append(model.scores(truth, learn, held))
            if head == 0:
                single[name] = beyond[-1]
    union = boosted(np.column_stack(within), view.truth[learn, 0], np.column_stack(beyond))
    return {**single, "union": union}


def _logit(share):
    share = np.clip(share, _SURE, 1 - _SURE)
    return float(np.log(share / (1 - share)))
