"""``python -m benchmarks [name ...] [--quick]``: run all or some, print tables, write results."""

import argparse
import importlib
import sys
import traceback

import torch

from benchmarks.report import write_results

NAMES = (
    "correctness",
    "forward",
    "projections",
    "atlas_pass",
    "decoding",
    "memory",
    "page",
    "maximization",
    "reaching",
    "inversion",
    "dissection",
)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="fewer networks and rounds")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    rounds = asked.rounds or (3 if asked.quick else 5)
    torch.set_num_threads(1)
    failed = []
    for name in asked.names or NAMES:
        benchmark = importlib.import_module(f"benchmarks.{name}")
        try:
            found = benchmark.run(quick=asked.quick, rounds=rounds)
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        print(f"  -> {write_results(name, found, rounds=rounds)}", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
