"""Confirmed worsening: agreement with pymsprog on 2,000 random courses for each option, and the ratio of their times.

PYTHONPATH=. python benchmarks/bench_worsening.py [courses]
"""

import sys
import time
from dataclasses import replace

import numpy as np

from projection.disability_events import Rule, disability_events
from tests.projection.test_worsening import VARIANTS, oracle, random_courses


def main() -> None:
    courses = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for baseline in ("fixed", "roving"):
        for options in [*VARIANTS, *([{"sub_threshold": True}] if baseline == "roving" else [])]:
            rule = replace(Rule(baseline=baseline), **options)
            edss, days, relapses = random_courses(np.random.default_rng(len(str(rule))), courses)
            start = time.perf_counter()
            patients, kinds, onset = oracle(edss, days, relapses, rule, "all")
            slow = time.perf_counter() - start
            times = []
            for _ in range(5):
                start = time.perf_counter()
                found = disability_events(edss, days, rule=rule, relapse_days=relapses)
                times.append(time.perf_counter() - start)
            same = found.patient.tolist() == patients and found.kind.tolist() == kinds
            days_too = same and found.day.tolist() == onset
            print(
                f"{baseline:7}{options!s:42} events {len(kinds):6}  identical {same} (days {days_too})  "
                f"{slow / float(np.median(times)):6.0f} times faster"
            )
    edss, days, relapses = random_courses(np.random.default_rng(0), 25_726, visits=13)
    start = time.perf_counter()
    disability_events(edss, days, rule=Rule(), relapse_days=relapses)
    print(f"25,726 courses of 13 visits: {1e3 * (time.perf_counter() - start):.0f} ms")


if __name__ == "__main__":
    main()
