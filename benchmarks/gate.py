"""Operating characteristics of the gate: how often it approves, refuses or leaves undecided a truly worse, equal or better model.

    python -m benchmarks.gate                 simulated verdicts, no images; prints the table of the trainer's README

Six labels, the same number of images each; 34 base images a label, as in the demo with photographs. On each image the two
models differ by chance: the champion alone is right with 6 % plus the true loss, the challenger alone with 6 % plus the true
gain, and both are right with 70 %. "forgets a label" gains 4 points on all labels but one, on which it is always wrong.
"""

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np

from trainer import gate

LABELS, BASE = 6, 34
CHURN, BOTH = 0.06, 0.70
GOLDEN = (30, 90, 200, 400, 1000)

Draw = Callable[[np.random.Generator, int], list[gate.Pair]]


def pairs(dice: np.random.Generator, label: str, images: int, change: float, both: float = BOTH) -> list[gate.Pair]:
    """Draw the outcomes of both models on images of one label; `change` is the true difference in accuracy."""
    gained, lost = CHURN + max(change, 0), CHURN + max(-change, 0)
    drawn = dice.choice(4, images, p=[both, gained, lost, 1 - both - gained - lost])
    return [gate.Pair(label, kind in (0, 1), kind in (0, 2)) for kind in drawn]


def shifted(change: float) -> Draw:
    """All labels change by the same amount."""
    return lambda dice, each: [p for k in range(LABELS) for p in pairs(dice, f"{k}", each, change)]


def forgets(dice: np.random.Generator, each: int) -> list[gate.Pair]:
    """One label is always wrong, the others are better by 4 points."""
    kept = [p for k in range(1, LABELS) for p in pairs(dice, f"{k}", each, 0.04)]
    return [*kept, *(gate.Pair("0", challenger=False, champion=p.champion) for p in pairs(dice, "0", each, 0))]


FIELD: dict[str, tuple[Draw, Draw]] = {
    **{f"{points:+d} points": (shifted(points / 100), shifted(0)) for points in (-6, -3, 0, 2, 4, 6, 10)},
    "forgets a label in the field": (forgets, shifted(0)),
    "forgets a label of the base set, +6 points": (shifted(0.06), forgets),
    "-8 points on base, +6 points": (shifted(0.06), shifted(-0.08)),
}


def simulate(field: Draw, base: Draw, golden: int, runs: int) -> Counter[str]:
    """Count the verdicts of independent draws."""
    dice = np.random.default_rng(golden)
    return Counter(str(gate.judge(field(dice, golden // LABELS), base(dice, BASE)).state) for _ in range(runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, help="draws for each cell")
    options = parser.parse_args()
    print(f"| challenger in truth | {' | '.join(f'{golden} golden' for golden in GOLDEN)} |")
    print(f"|---|{'---|' * len(GOLDEN)}")
    for name, (field, base) in FIELD.items():
        found = [simulate(field, base, golden, options.runs) for golden in GOLDEN]
        shown = (
            " / ".join(f"{100 * each[state] / options.runs:.0f}" for state in ("approved", "undecided", "refused"))
            for each in found
        )
        print(f"| {name} | {' | '.join(shown)} |", flush=True)


if __name__ == "__main__":
    main()
