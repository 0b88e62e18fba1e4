"""Which bundle decides about a post while a candidate acts, and what is written down of that with its decision.

The control's parts are those of the server; the candidate's are the same with its bundle in place of the other. What
is stored says which experiment, which arm, and with what chance; of watched posts also what the other bundle said.
"""

import dataclasses
from collections.abc import Sequence

from sievert.errors import ConfigurationError
from sievert.guardrail.acting import acting_now, arm_for, arms_key, is_watched, watching_chance
from sievert.policy.removal import unmet
from sievert.schema.arm import Acted, Arm, ArmRows
from sievert.schema.batch import DecidedBatch, PostBatch, ScoredBatch
from sievert.schema.certificate import Certificate, Running
from sievert.schema.clock import Micros
from sievert.schema.experiment import Experiment
from sievert.schema.policy import PolicySet
from sievert.scoring.bundle import Bundle
from sievert.stores.guardrail.base import GuardrailStore


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OfArm:
    """The part of one arm in an experiment: what is permitted in it, and what is noted. `arm` None: outside."""

    experiment: Experiment
    arm: Arm | None
    other: Bundle | None  # the bundle that does not decide here; None outside
    key: bytes
    rows: tuple[ArmRows, ...]

    def permitted(
        self,
        certificates: Sequence[Certificate],
        policies: PolicySet,
        running: tuple[Running, Running],
        *,
        now: Micros,
    ) -> tuple[Certificate, ...]:
        """Return what permits removals in an arm: what holds for the bundles of both, each as it would run here."""

        def holds(one: Certificate, run: Running) -> bool:
            policy = policies.named(one.policy)
            return policy is not None and not unmet(one, policy, platform=one.platform, running=run, now=now)

        named = [{(one.policy, one.platform) for one in certificates if holds(one, run)} for run in running]
        both = named[0] & named[1]
        return tuple(one for one in certificates if (one.policy, one.platform) in both)

    def noted(
        self, posts: PostBatch, scored: ScoredBatch, decided: DecidedBatch, beside: ScoredBatch | None
    ) -> DecidedBatch:
        """Add to decisions under which experiment they were made, and which posts are watched."""
        number = 0 if self.arm is None else 1 + [*Arm].index(self.arm)
        watched: dict[int, Acted] = {}
        acted = self.rows[number].acted
        if self.arm is not None and acted is not None and beside is not None:
            own, other = (one.of(self.experiment.policy).tolist() for one in (scored, beside))
            for row in range(len(posts)):
                if row in decided.isolated_for:
                    continue
                chance = watching_chance(self.experiment, self.arm, own[row], other[row])
                if is_watched(posts.decision_id(row), chance, key=self.key):
                    watched[row] = Acted(
                        experiment=acted.experiment,
                        arm=acted.arm,
                        propensity=acted.propensity,
                        chance=chance,
                        other=other[row],
                    )
        return dataclasses.replace(decided, arms=self.rows, arm=number, watched=watched)


class Candidate:
    """A bundle beside the one that decides, and what the store says of its acting now. For the thread that walks the path."""

    def __init__(self, bundle: Bundle, store: GuardrailStore, *, control: Bundle) -> None:
        """Hold a bundle that speaks of the same policies.

        Raises:
            ConfigurationError: it does not, or is the one that decides.
        """
        if bundle.version == control.version or bundle.policy_heads != control.policy_heads:
            raise ConfigurationError(
                "Settings",
                [
                    f"candidate {bundle.version} must be another bundle than the one that decides, with its heads."
                ],
            )
        self.bundle = bundle
        self._control = control
        self._store = store
        self._seen = -1
        self._arms: dict[Arm | None, OfArm] = {}

    def arms(self) -> dict[Arm | None, OfArm]:
        """Return each arm's part, none while the candidate does not act; read anew when anything changed.

        Raises:
            StoreUnavailable: nobody can say whether it acts.
        """
        version = self._store.version
        if version != self._seen:
            experiment = acting_now(self._store, self.bundle.version)
            self._arms = {} if experiment is None else self._parts_of(experiment)
            self._seen = version
        return self._arms

    def arm(self, platform: str, creator: str | None) -> Arm | None:
        """Return in which arm a creator is; None outside."""
        outside = self._arms.get(None)
        return None if outside is None else arm_for(outside.experiment, platform, creator, key=outside.key)

    def _parts_of(self, experiment: Experiment) -> dict[Arm | None, OfArm]:
        share = experiment.acting.share if experiment.acting is not None else 0.0
        bundles = {Arm.CANDIDATE: self.bundle, Arm.CONTROL: self._control}
        rows = (
            ArmRows(bundle=self._control.version),
            *(
                ArmRows(
                    bundle=bundles[arm].version,
                    acted=Acted(experiment=experiment.experiment_id, arm=arm, propensity=share),
                )
                for arm in Arm
            ),
        )
        others = {None: None, Arm.CANDIDATE: self._control, Arm.CONTROL: self.bundle}
        return {
            arm: OfArm(
                experiment=experiment,
                arm=arm,
                other=others[arm],
                key=arms_key(self._store, experiment.experiment_id),
                rows=rows,
            )
            for arm in (None, *Arm)
        }
