"""The view forecaster as it is served: behaviour rows to views still to come, capped, without torch.

It is the network of `models.forecaster` in plain arrays. Three raw outputs say the mean and the spread of
log(1 + views) until the reference horizon, and how fast attention fades; what is told is the mean of views
within that horizon, each possible number of them counted up to the cap. Given the same numbers a post gets
the same forecast, whatever stands beside it.

Views that were bought are views here: an event of views names nobody, so counters cannot leave bots out.
What the network hears beside views, how often they led to reactions, shares and comments, is what tells
seen posts from pushed ones; the cap bounds the rest.

Not covered: views that come back after they had faded, such as of a post shared by a large account.

Legend: n posts, F behaviour features, I = F + 4 inputs, W hidden units.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Annotated

import msgspec
import numba
import numpy as np
import numpy.typing as npt
from msgspec import Meta
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from sievert.errors import InvalidField
from sievert.features.behaviour.counting import Count
from sievert.features.behaviour.rows import FEATURES, AsOf, BehaviourSpec, Rows, behaviour_rows
from sievert.schema.clock import HOUR
from sievert.scoring.bundle_files import pretty
from sievert.scoring.tensor_records import refuse_unless_shaped, tensors_of

VIEWS_FILES = ("views.json", "views.safetensors")

PROGRESS = 4
"""Views so far, hours, views an hour, as logarithms; and that they are known."""
OUTPUTS = 3

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_MOST_UNITS = 256
_FARTHEST = 8.0
"""As `models.numeric`: standard deviations beyond which a number says no more."""
_LEAST = np.array([0.0, 0.05, 1e-4])
"""As `models.forecaster`: what the outputs are at least."""


class ViewsSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What `views.json` says: the behaviour features, the horizon in hours, the cap, and two last factors.

    These are by how much the views of posts learned from were more, in all, than the capped means said: of
    posts that nobody had seen, and of all others.
    """

    behaviour: BehaviourSpec
    horizon: Annotated[float, Meta(gt=0.0, le=10_000.0)]
    cap: Annotated[float, Meta(gt=0.0, le=1e9)]
    level_unseen: Annotated[float, Meta(gt=0.0, le=100.0)] = 1.0
    level_seen: Annotated[float, Meta(gt=0.0, le=100.0)] = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class ViewsTensors:
    """The numbers of a view forecaster."""

    mean: Floats  # [F]
    spread: Floats  # [F]
    first: Floats  # [I, W]
    first_bias: Floats  # [W]
    second: Floats  # [W, W]
    second_bias: Floats  # [W]
    last: Floats  # [W, 3]
    line: Floats  # [4, 3] from progress straight to the outputs
    bias: Floats  # [3]

    def outputs(self, rows: Rows, views: Doubles, hours: Doubles) -> Doubles:
        """Return mean and spread of log(1 + views) and decay an hour [n, 3] of rows [n, F].

        `views` [n] came so far, within `hours` [n] since the post was published.
        """
        # einsum adds in the same order for every n, so that a post's neighbours cannot move its forecast.
        scaled = np.clip((rows - self.mean) / self.spread, -_FARTHEST, _FARTHEST)
        views, hours = np.maximum(views, 0.0), np.maximum(hours, 0.0)
        seen = np.stack(
            [np.log1p(views), np.log1p(hours), np.log1p(views / (1 + hours)), np.ones(len(views))], axis=1
        ).astype(np.float32)
        x = np.concatenate([scaled, seen], axis=1)
        hidden = _gelu(np.einsum("ni,iw->nw", x, self.first) + self.first_bias)
        hidden = _gelu(np.einsum("nv,vw->nw", hidden, self.second) + self.second_bias)
        raw = np.einsum("nw,wo->no", hidden, self.last) + np.einsum("np,po->no", seen, self.line) + self.bias
        raised: Doubles = np.logaddexp(raw.astype(np.float64), 0.0) + _LEAST
        return raised

    def refuse_unless_sound(self) -> None:
        """Make sure that the shapes fit each other and that every number is finite.

        Raises:
            ValueError: they do not.
        """
        features, units = len(FEATURES), len(self.first_bias)
        if units > _MOST_UNITS:
            raise ValueError("the view forecaster is too large")
        shapes = {
            "mean": (features,),
            "spread": (features,),
            "first": (features + PROGRESS, units),
            "first_bias": (units,),
            "second": (units, units),
            "second_bias": (units,),
            "last": (units, OUTPUTS),
            "line": (PROGRESS, OUTPUTS),
            "bias": (OUTPUTS,),
        }
        refuse_unless_shaped(self, shapes, of="view forecaster")
        if not (self.spread > 0).all():
            raise ValueError("the view forecaster divides by zero")


@dataclasses.dataclass(frozen=True, slots=True)
class ViewsModel:
    """A loaded view forecaster; `name` is the hash of what it is made of, which certificates name."""

    spec: ViewsSpec
    tensors: ViewsTensors
    name: str

    @classmethod
    def of_files(cls, raw_spec: bytes, raw_tensors: bytes) -> "ViewsModel":
        """Load a view forecaster.

        Raises:
            KeyError, TypeError, ValueError: a part is missing or wrong.
            BundleError: it was made for other behaviour features than this release computes.
        """
        spec = msgspec.json.decode(raw_spec, type=ViewsSpec)
        spec.behaviour.refuse_if_stale()
        tensors = ViewsTensors(**load_tensors(raw_tensors))
        tensors.refuse_unless_sound()
        name = hashlib.sha256(raw_spec + raw_tensors).hexdigest()[:16]
        return cls(spec=spec, tensors=tensors, name=name)

    @classmethod
    def of_parts(cls, spec: ViewsSpec, tensors: ViewsTensors) -> "ViewsModel":
        """Put a view forecaster together that was just learned; see `of_files` for what it raises."""
        return cls.of_files(pretty(spec), save_tensors(tensors_of(tensors)))

    def files(self) -> Mapping[str, bytes]:
        """Return what `of_files` reads."""
        tensors = save_tensors(tensors_of(self.tensors))
        return dict(zip(VIEWS_FILES, (pretty(self.spec), tensors), strict=True))

    def forecast(self, known: AsOf) -> Floats:
        """Return the views [n] that are expected within the horizon, from 0 to the cap.

        Raises:
            InvalidField: a feature is not finite.
        """
        return self.expected(
            behaviour_rows(known, self.spec.behaviour), *progress_of(known), hours=self.spec.horizon
        )

    def expected(
        self, rows: Rows, views: Doubles, hours_so_far: Doubles, *, hours: float | Doubles
    ) -> Floats:
        """Return the capped mean [n] of views within `hours` of posts with these rows [n, F].

        Raises:
            InvalidField: a number is not finite.
        """
        for field, values in (("rows", rows), ("views", views), ("hours", hours_so_far)):
            if not np.isfinite(values).all():
                raise InvalidField(
                    "A view forecast needs finite numbers.",
                    field=field,
                    remedy="Mend what computed the behaviour features, and try again.",
                )
        outputs = self.tensors.outputs(rows, views, hours_so_far)
        level = np.where(views > 0, self.spec.level_seen, self.spec.level_unseen)
        mean = level * capped_mean(outputs, hours, horizon=self.spec.horizon, cap=self.spec.cap)
        return np.minimum(mean, self.spec.cap).astype(np.float32)


def progress_of(known: AsOf) -> tuple[Doubles, Doubles]:
    """Return the views so far and the age in hours [n] each."""
    views = known.own[:, Count.VIEWS, 0].astype(np.float64)
    return views, np.maximum(known.as_of - known.created_at, 0) / HOUR


def capped_mean(outputs: Doubles, hours: float | Doubles, *, horizon: float, cap: float) -> Doubles:
    """Return the mean [n] of views within `hours`, each counted up to `cap`, as `models.view_forecast` does.

    log(1 + views until the horizon) is normal, cut off at 0; the share of them within fewer hours is sure.
    """
    mean, spread, decay = outputs.T
    share = np.expm1(-decay * hours) / np.expm1(-decay * horizon)
    end = np.log1p(cap / np.maximum(share, 1e-12))
    far, near = (end - mean) / spread, -mean / spread
    below = _normal(far) - _normal(near)
    tilted = _normal(far - spread) - _normal(near - spread)
    within = np.exp(mean + spread**2 / 2) * tilted - below
    found: Doubles = np.maximum(share * within, 0.0) + _normal(-far) * cap
    return np.minimum(found, cap)


def _gelu(x: Floats) -> Floats:
    half: Floats = (x * _normal(x.ravel().astype(np.float64)).reshape(x.shape)).astype(np.float32)
    return half


@numba.njit(cache=True)
def _normal(x: Doubles) -> Doubles:
    """Return the standard normal distribution function of each number."""
    out = np.empty(len(x))
    for i in range(len(x)):
        out[i] = 0.5 * math.erfc(-x[i] / math.sqrt(2.0))
    return out
