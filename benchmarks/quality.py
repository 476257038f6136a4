"""Does live accuracy cover the truth, and how much narrower is it than plain random audits with as many labels?

    python -m benchmarks.quality                 simulated fleets, no images; prints the tables of docs/quality.md

Ten fleets of six labels; `tests/audited_fleets.py` describes them.
"""

import argparse

from tests import audited_fleets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2000, help="windows of each fleet")
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 400], help="labelled audits of a window")
    options = parser.parse_args()
    for labels in options.labels:
        print(f"\n| fleet, {labels} labels | accuracy | covered | width / plain | plain covered | precision | recall |")
        print("|---|---|---|---|---|---|---|")
        for fleet in audited_fleets.FLEETS:
            truth, covered, width = audited_fleets.simulate(fleet, options.repeats, labels)
            shown = [f"{100 * share:.1f}" for share in covered]
            print(
                f"| {fleet.name} | {truth:.3f} | {shown[0]} | {width[0] / width[1]:.2f} | {' | '.join(shown[1:])} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
