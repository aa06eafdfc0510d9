# SPDX-License-Identifier: MIT
"""The runs of a benchmark, and what is computed from them."""

import statistics

OURS = "xensplit"


def summary(values):
    """Median, smallest, largest, and their distance in parts of the median."""
    median = statistics.median(values)
    return {"median": median, "min": min(values), "max": max(values),
            "spread": (max(values) - min(values)) / median if median else 0.0}


class Results:
    def __init__(self):
        self.runs = {}  # (case name, who) -> {round: result}
        self.cases = {}  # name -> Case
        self.who = {}  # (name, configuration) -> Peer
        self.waits = {}  # (case name, who) -> what its ends do
        self.syscalls = {}  # (case name, who) -> calls a request
        self.problems = []

    def add(self, case, peer, round_nr, result):
        self.cases[case.name] = case
        self.who[(peer.name, peer.config)] = peer
        self.waits[(case.name, peer.name)] = peer.waits
        self.runs.setdefault((case.name, peer.name), {})[round_nr] = result

    def has(self, case, who):
        return (case, who) in self.runs

    def values(self, case, who, key):
        """Of all rounds."""
        return [r[key] for r in self.runs.get((case, who), {}).values()]

    def median(self, case, who, key):
        return statistics.median(self.values(case, who, key))

    def paired(self, function, *wanted):
        """function(result, ...) of the results of the same round, for each
        round in which all (case, who) that are wanted ran."""
        runs = [self.runs.get(w, {}) for w in wanted]
        return [function(*(r[n] for r in runs))
                for n in sorted(set.intersection(*map(set, runs)))]

    def ratios(self, case, who, key=None):
        """Ours to theirs, round by round."""
        if case not in self.cases:
            return []
        key = key or self.cases[case].metric
        return self.paired(lambda a, b: a[key] / b[key],
                           (case, OURS), (case, who))

    def rows(self):
        """What results.json has."""
        return [self.row(case, who) for case, who in self.runs]

    def row(self, case, who):
        runs = list(self.runs[(case, who)].values())
        metric = self.cases[case].metric
        row = {"case": case, "who": who, "rounds": len(runs),
               "waits": self.waits[(case, who)]}
        for key in ("iops", "pps", "mb_s", "p50_us", "p99_us", "front_cpu_us",
                    "back_cpu_us", "front_sleeps", "back_sleeps", "line_ns",
                    "cpu_percent", "front_cpu_percent", "back_cpu_percent",
                    "xen_cpu_percent"):
            values = [r[key] for r in runs if r.get(key) is not None]
            if not values:
                continue
            s = summary(values)
            row[key] = s["median"]
            if key in (metric, "iops", "p50_us", "line_ns"):
                row[key + "_min"] = s["min"]
                row[key + "_max"] = s["max"]
            if key == metric:
                row["spread"] = s["spread"]
        counters = [r["counters"] for r in runs if "counters" in r]
        if counters:
            row["counters"] = {
                name: statistics.median(c[name] for c in counters)
                for name in counters[0]}
        if (case, who) in self.syscalls:
            row["syscalls"] = self.syscalls[(case, who)]
        if who != OURS and self.has(case, OURS):
            ratios = self.ratios(case, who)
            if ratios:
                row["xensplit_ratio"] = summary(ratios)
        return row
