# SPDX-License-Identifier: MIT
"""results.json, table.md and plot.png of a run."""

import json
import os
import platform
import subprocess

from cases import IMAGE_BYTES, STORES
from results import OURS
from targets import verdicts

PLOT_CASES = ("4k-randread/qd1", "4k-randread/qd8", "4k-randread/qd32",
              "4k-randread/qd128", "4k-randwrite/qd1", "4k-randwrite/qd32")


COLOURS = ("#9400d3", "#c79fef", "#444444", "#e51e10", "#f0a000", "#f0e442",
           "#56b4e9", "#0072b2", "#80c0c0", "#009e73", "#a0d070", "#999999")


def markdown(header, lines):
    out = ["| " + " | ".join(header) + " |",
           "|" + "|".join("---" for _ in header) + "|"]
    out += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(out) + "\n"


def section(title, text, header, lines):
    return [f"## {title}\n", text + "\n", markdown(header, lines)] \
        if lines else []


def machine():
    model = "?"
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}"


def number(x):
    if x >= 1e6:
        return f"{x / 1e6:.2f} M"
    return f"{x / 1e3:.1f} k" if x >= 1e4 else f"{x:.0f}"


def ratio_text(row):
    s = row.get("xensplit_ratio")
    if not s:
        return ""
    return f"{s['median']:.2f} ({s['min']:.2f} to {s['max']:.2f})"


def result_line(row):
    return [row["case"], row["who"], row["waits"], number(row["iops"]),
            f"{row['mb_s']:.0f}", f"{row['p50_us']:.2f}",
            f"{row['p99_us']:.1f}", f"{row['front_cpu_us']:.2f}",
            f"{row['back_cpu_us']:.2f}", f"{row['spread'] * 100:.0f} %",
            ratio_text(row), f"{row['line_ns']:.0f}"]


def net_line(row):
    c = row.get("counters", {})
    return [row["case"], row["who"], row["waits"], number(row["pps"]),
            f"{row['mb_s']:.0f}", f"{row['spread'] * 100:.0f} %",
            ratio_text(row), f"{row['line_ns']:.0f}"] + [
        f"{c[key]:.4f}" if key in c else "-"
        for key in ("front_kicks", "events_sent", "batch")]


def quiet_line(row):
    return [row["case"], row["who"], row["waits"]] + [
        f"{row[key]:.2f}" if key in row else "-"
        for key in ("cpu_percent", "front_cpu_percent", "back_cpu_percent",
                    "xen_cpu_percent")] + [f"{row['p50_us']:.1f}", ratio_text(row)]


def counter_line(row):
    c = row["counters"]
    calls = row.get("syscalls")
    return [row["case"], row["who"],
            f"{c['front_kicks_sent']:.3f}",
            f"{c['front_kicks_suppressed']:.3f}", f"{c['events_sent']:.3f}",
            f"{c['events_suppressed']:.3f}",
            f"{calls['front']:.2f}" if calls else "-",
            f"{calls['back']:.2f}" if calls else "-",
            f"{row['front_sleeps']:.3f}", f"{row['back_sleeps']:.3f}",
            f"{c['grants_mapped']:.3f}", f"{c['grant_copy_bytes']:.0f}"]


def summary_text(results):
    rows = sorted((r for r in results.rows() if "iops" in r or "pps" in r),
                  key=lambda r: r["who"] != OURS)
    # by case, in the order of the run; ours first
    rows = [r for case in results.cases for r in rows if r["case"] == case]
    lines = [v.line() for v in verdicts(results)]
    measured = [line for line in lines if line[4] != "not measured"]
    parts = [
        "# Benchmark\n",
        f"{machine()}. Rounds: {max((r['rounds'] for r in rows), default=0)}. "
        f"Images: {IMAGE_BYTES >> 20} MiB. Medians of the rounds; in brackets "
        "the smallest and the largest ratio of one round. docs/benchmarks.md "
        "says what is compared.\n",
        "## Targets\n",
        markdown(["Target", "Wanted", "Measured", "Range", "Verdict"], lines)
        if measured else "No case of a target was in this run.\n",
        "## Results\n",
        "CPU: time of both ends for a request. Line: cache-line round trip "
        "just before.\n",
        markdown(["Case", "Who", "Waits", "IOPS", "MB/s", "p50 µs", "p99 µs",
                  "CPU front µs", "CPU back µs", "Spread", "xensplit ÷ it",
                  "Line ns"],
                 [result_line(r) for r in rows
                  if results.cases[r["case"]].kind == "load"]),
        *section(
            "Quiet disks",
            "CPU of all processes, in per cent of one core.",
            ["Case", "Who", "Waits", "All %", "Front %", "Back %", "Xen %",
             "p50 µs", "xensplit ÷ it"],
            [quiet_line(r) for r in rows if "cpu_percent" in r]),
        *section(
            "NICs",
            "Frames one way, from the guest (-rx: to it); the ratio is of "
            "frames a second where there is a ring only, of bytes where it "
            "is TCP. Notifications are for a frame; batch: frames that the "
            "backend handles at once.",
            ["Case", "Who", "Waits", "Frames/s", "MB/s", "Spread",
             "xensplit ÷ it", "Line ns", "front: sent", "back: sent",
             "batch"],
            [net_line(r) for r in rows if "pps" in r]),
        *section(
            "Counters of xensplit, for a request",
            "Notifications and system calls of the frontend (the guest) and "
            "the backend; context switches; pages mapped; bytes copied "
            "besides the store's own.",
            ["Case", "Who", "front: sent", "suppressed", "back: sent",
             "suppressed", "front: calls", "back: calls", "front: sleeps",
             "back: sleeps", "mapped", "copied"],
            [counter_line(r) for r in rows
             if "grants_mapped" in r.get("counters", {})]),
        "## Configurations\n",
        markdown(["Who", "Waits", "What"],
                 [[p.name, p.waits, p.config]
                  for p in results.who.values()]),
    ]
    if results.problems:
        parts += ["## Problems\n",
                  "\n".join(f"- {p}" for p in results.problems) + "\n"]
    return "\n".join(parts)


def plot_script(results, out):
    who = [w for w in dict.fromkeys(name for name, _ in results.who)
           if w not in ("eventfd", "eventfd-1cpu", "xensplit-null")]
    stores = [s for s in STORES if any(
        results.has(f"blk/{c}/{s}", w) for c in PLOT_CASES for w in who)]
    if not stores:
        return None
    text = ["set terminal pngcairo size 1500,1000 font 'sans,10'",
            f"set output '{out}'", "set style data histograms",
            "set style histogram clustered gap 1",
            "set style fill solid 0.9", "set logscale y",
            "set ylabel 'IOPS'", "set xtics rotate by -20", "set grid y",
            "set key outside right", "set datafile missing '-'",
            f"set multiplot layout {2 if len(stores) > 1 else 1},"
            f"{2 if len(stores) > 2 else 1}"]
    for store in stores:
        here = [w for w in who if any(
            results.has(f"blk/{c}/{store}", w) for c in PLOT_CASES)]
        text.append(f"${store} << END")
        for c in PLOT_CASES:
            case = f"blk/{c}/{store}"
            values = [f"{results.median(case, w, 'iops'):.0f}"
                      if results.has(case, w) else "-" for w in here]
            if any(v != "-" for v in values):
                text.append(" ".join([c, *values]))
        text.append("END")
        text.append(f"set title '{store}'")
        text.append("plot " + ", ".join(
            f"${store} using {i + 2}:xtic(1) title '{w}' noenhanced "
            f"lc rgb '{COLOURS[who.index(w) % len(COLOURS)]}'"
            for i, w in enumerate(here)))
    text.append("unset multiplot")
    return "\n".join(text) + "\n"


def replace(path, text):
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(path + ".new", path)


def write(results, directory):
    """All files; returns what is to be printed."""
    replace(os.path.join(directory, "results.json"),
            json.dumps(results.rows(), indent=1) + "\n")
    replace(os.path.join(directory, "table.md"), summary_text(results))
    script = plot_script(results, os.path.join(directory, "plot.png"))
    if script:
        path = os.path.join(directory, "plot.gp")
        replace(path, script)
        subprocess.run(["gnuplot", path], check=False)
    lines = []
    for v in verdicts(results):
        text, wanted, measured, spread, verdict = v.line()
        if verdict != "not measured":
            lines.append(f"  {verdict.strip('*'):11s}  {text}: {measured} "
                         f"({spread}), wanted {wanted}")
    return lines
