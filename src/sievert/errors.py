"""What can go wrong, in one tree; each error says what happened, where, and what to do next.

SievertError
├── InputError               something that was sent to us is wrong
│   ├── InvalidField         one field of one record; names it
│   ├── MalformedInput       not readable as a record at all
│   ├── TooLarge             over a stated limit
│   ├── ContentConflict      the same post revision came before with other content
│   ├── CaseConflict         somebody else has the case, or it is closed otherwise
│   └── MediaUnavailable     a picture cannot be had now; it may be had later
├── NotFound                 no such record
├── NotStanding              an action that was taken back already, or that nobody can take back
├── AccessError
│   ├── Unauthenticated      no key, or a key we do not know
│   └── Forbidden            a known key without the scope
├── Overloaded               come back later; says when
├── ExposureReached          a reviewer saw enough that is heavy for now
├── StoreError
│   ├── StoreUnavailable     the disk or the database does not answer
│   │   └── Overtaken        another process was faster; nothing was recorded, and it can be done again
│   ├── StoreCorrupt         what was read is not what was written
│   └── MigrationNeeded      the database is older or newer than this release
├── BundleError              a bundle's files are missing, altered or of another version
├── ConfigurationError       settings, policies or recipes; all problems together
├── TrainingStopped          a model met numbers from which it cannot learn on
└── MissingExtra             a part of Sievert that is not installed; says how to get it
"""

from collections.abc import Sequence


class SievertError(Exception):
    """The root of everything that Sievert raises on purpose.

    Args:
        what: one sentence: what happened, and where.
        remedy: one sentence: what to do next.
        field: the name of the field at fault, with its path, or None.
    """

    slug = "error"

    def __init__(self, what: str, *, remedy: str = "", field: str | None = None) -> None:
        """Keep the three parts apart, so that doors can show them in their own shape."""
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy
        self.field = field


class InputError(SievertError):
    """Something that was sent to us is wrong; nothing was recorded."""

    slug = "input"


class InvalidField(InputError):
    """One field of one record is wrong; the error names it."""

    slug = "invalid-field"


class MalformedInput(InputError):
    """The bytes cannot be read as a record at all."""

    slug = "malformed"


class TooLarge(InputError):
    """A field or a body is over its limit."""

    slug = "too-large"


class ContentConflict(InputError):
    """The same post id and revision came before, with other content."""

    slug = "content-conflict"


class CaseConflict(InputError):
    """A case, or an action's appeal, does not stand as this asks for; the error says how it stands."""

    slug = "case-conflict"


class MediaUnavailable(InputError):
    """A picture could not be had from where it lies; the very same request may go through later."""

    slug = "media-unavailable"


class NotFound(SievertError):
    """There is no such record."""

    slug = "not-found"


class NotStanding(SievertError):
    """An action cannot be taken back: it was before, or it is none that can be."""

    slug = "not-standing"


class AccessError(SievertError):
    """The caller may not do this."""

    slug = "access"


class Unauthenticated(AccessError):
    """No API key came with the request, or one that we do not know."""

    slug = "unauthenticated"


class Forbidden(AccessError):
    """The API key is known but lacks the scope for this."""

    slug = "forbidden"


class Overloaded(SievertError):
    """Too much work is waiting; the same request may go through in `retry_after` seconds."""

    slug = "overloaded"

    def __init__(self, what: str, *, remedy: str = "", retry_after: int = 1) -> None:
        """Say when to come back, in whole seconds."""
        super().__init__(what, remedy=remedy)
        self.retry_after = retry_after


class ExposureReached(SievertError):
    """A reviewer was given as many heavy cases as anybody shall see in a while, and nothing milder waits."""

    slug = "exposure-reached"


class StoreError(SievertError):
    """Something durable could not be read or written."""

    slug = "store"


class StoreUnavailable(StoreError):
    """The disk or the database does not answer; nothing was acknowledged."""

    slug = "store-unavailable"


class Overtaken(StoreUnavailable):
    """Another process recorded some of it meanwhile; nothing was recorded: done again, it finds what is there."""


class StoreCorrupt(StoreError):
    """What was read back is not what was written."""

    slug = "store-corrupt"


class MigrationNeeded(StoreError):
    """The database's schema is of another release."""

    slug = "migration-needed"


class BundleError(SievertError):
    """A bundle's files are missing, were altered, or do not fit this release."""

    slug = "bundle"


class ConfigurationError(SievertError):
    """Settings, policies or a recipe are wrong; every problem is listed at once."""

    slug = "configuration"

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        """Collect all problems of one place, so that one run shows them all."""
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{where}: {len(self.problems)} problem(s).{lines}", remedy="")


class TrainingStopped(SievertError):
    """A model met numbers from which it cannot learn on; what it had learned before is kept."""

    slug = "training-stopped"


class MissingExtra(SievertError):
    """What was asked for needs packages that a serving installation does not have."""

    slug = "missing-extra"
