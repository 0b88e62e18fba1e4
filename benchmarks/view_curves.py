"""Do the views of real posts fade as forecasts say? Shares of news items on two platforms, by age and horizon.

    python benchmarks/view_curves.py --data FOLDER --write

FOLDER holds `NAME_Palestine.csv.gz` of Moniz and Torgo 2018 (arXiv 1801.07055): shares so far in slices of
20 minutes. Given what came within 24 hours of an age, each form says what had come within 1, 3, 6 and 12;
the error is the mean distance of log(1 + shares). One decay for all items is fitted on half of them. One of
an item's own is read off its first three hours, and says the rest: then only the curve's form is judged.
Items with fewer than 20 shares in all, or 10 within the 24 hours, are left out.
"""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np

RESULT = Path(__file__).parent / "results" / "view_curves.json"
HOUR = 3  # slices
DAY = 24.0
AGES = (1, 6, 18, 36)  # slices
HORIZONS = (1, 3, 6, 12)
DECAYS = np.geomspace(1e-4, 4.0, 400)
_LONG = 130  # slices that an item must have


def curves(path):
    """Read items [n, slices] of shares so far, from publication on."""
    with gzip.open(path) as file:
        raw = np.genfromtxt(file, delimiter=",", skip_header=1)[:, 1:]
    kept = []
    for row in raw:
        began = np.flatnonzero(row >= 0)
        item = row[began[0] :] if len(began) else row[:0]
        if len(item) >= _LONG and item[-1] - item[0] >= 20:
            kept.append(np.maximum.accumulate(item)[:_LONG])
    return np.array(kept)


def exponential(decay, hours, _age):
    """Share of a day's views that came within these hours, by an exponential kernel (HWK)."""
    return np.expm1(-decay * hours) / np.expm1(-decay * DAY)


def power(decay, hours, age):
    """The same by a power law of the time since publication, which begins half an hour in."""
    begin = age + 0.5
    return (begin**-decay - (begin + hours) ** -decay) / (begin**-decay - (begin + DAY) ** -decay)


FORMS = {"exponential": exponential, "power law": power}


def measure(items):
    """Return a row for each age."""
    half = np.random.default_rng(1).random(len(items)) < 0.5
    rows = []
    for at in AGES:
        base, age = items[:, at], at / HOUR
        day = items[:, at + 24 * HOUR] - base
        came = {hours: items[:, at + hours * HOUR] - base for hours in HORIZONS}
        fit, test = half & (day >= 10), ~half & (day >= 10)

        def error(share, rows, hours, came=came, day=day):
            return float(np.abs(np.log1p(came[hours][rows]) - np.log1p(share * day[rows])).mean())

        row = {"age": round(age, 2), "items": int(test.sum())}
        row["even"] = np.mean([error(hours / DAY, test, hours) for hours in HORIZONS])
        for name, form in FORMS.items():
            together = [
                np.mean([error(form(decay, hours, age), fit, hours) for hours in HORIZONS])
                for decay in DECAYS
            ]
            decay = DECAYS[int(np.argmin(together))]
            row[name] = np.mean([error(form(decay, hours, age), test, hours) for hours in HORIZONS])
            early = came[3][test] / day[test]
            own = DECAYS[np.abs(form(DECAYS, 3.0, age) - early[:, None]).argmin(axis=1)]
            for hours in (6, 12):
                row[f"{name}, own decay, {hours} h"] = error(form(own, hours, age), test, hours)
        rows.append({key: round(float(value), 3) for key, value in row.items()})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", action="store_true", help="keep the result")
    options = parser.parse_args()
    result = {
        name: measure(curves(options.data / f"{name}_Palestine.csv.gz"))
        for name in ("Facebook", "GooglePlus")
    }
    for name, rows in result.items():
        print(f"\n{name}: " + " | ".join(rows[0]))
        for row in rows:
            print(" | ".join(str(value) for value in row.values()))
    if options.write:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
