"""Medians over the rounds, and the tables that people read (Markdown)."""

import statistics

FIELDS = ("iops", "bytes_per_s", "server_cpu_us_per_io", "core_us_per_io", "iops_per_cpu_s",
          "server_cpu_percent", "load_cpu_us_per_io", "others_percent", "interrupt_percent",
          "stolen_percent")
LATENCIES = ("p50", "p90", "p99", "p99.9")


def summary(rounds):
    """Medians and the spread of IOPS; None when no round has succeeded."""
    good = [one for one in rounds if "error" not in one]
    if not good:
        return None
    result = {field: statistics.median(one[field] for one in good)
              for field in FIELDS if all(field in one for one in good)}
    result["latency_us"] = {name: statistics.median(one["latency_us"][name] for one in good)
                            for name in LATENCIES}
    result["iops_min"] = min(one["iops"] for one in good)
    result["iops_max"] = max(one["iops"] for one in good)
    result["rounds"] = len(good)
    return result


def count(number):
    """Three digits that count: 4.21, 42.1, 421."""
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"


def kilo(number):
    return f"{count(number / 1000)} k"


def mib(number):
    return "–" if number is None else f"{number / (1 << 20):.1f}"


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if theirs else "–"


def markdown(header, rows):
    cells = [header, *rows]
    widths = [max(len(str(row[i])) for row in cells) for i in range(len(header))]

    def line(row):
        return "| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |"
    return "\n".join([line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|",
                      *map(line, rows)])


def targets_table(targets):
    return markdown(("group", "target", "its disk"),
                    [(one["group"], one["name"], one["backing"]) for one in targets])


def case_table(rows, with_fio):
    """@rows: one case of one group; a column of ratios for each of our own rows."""
    ours = [row for row in rows if row["ours"] and row["median"]]
    header = ["target", "IOPS", "min..max", "MB/s", "p50 µs", "p99 µs", "CPU µs/IO",
              "core µs/IO", "IOPS/CPU-s"] + (["fio IOPS"] if with_fio else [])
    # a reader has to know which of ours: all are named "ringlun KIND"
    header += [f"{row['target'].partition(' ')[2]} is ×" for row in ours]
    lines = []
    for row in rows:
        middle = row["median"]
        if not middle:
            lines.append([row["target"], f"failed: {row['error']}"] + [""] * (len(header) - 2))
            continue
        line = [row["target"] + (f" ({row['failed']} failed)" if row["failed"] else ""),
                kilo(middle["iops"]),
                f"{kilo(middle['iops_min'])[:-2]}..{kilo(middle['iops_max'])[:-2]}",
                f"{middle['bytes_per_s'] / 1e6:.0f}", count(middle["latency_us"]["p50"]),
                count(middle["latency_us"]["p99"]), count(middle["server_cpu_us_per_io"]),
                count(middle["core_us_per_io"]), kilo(middle["iops_per_cpu_s"])]
        if with_fio:
            line.append(kilo(row["fio"]["iops"]) if row["fio"] else "–")
        for one in ours:
            line.append("–" if one is row else
                        ratio(one["median"]["iops"], middle["iops"]) + " / "
                        + ratio(one["median"]["iops_per_cpu_s"], middle["iops_per_cpu_s"]))
        lines.append(line)
    return markdown(header, lines)


def idle_table(rows):
    header = ("target", "RSS MiB at start", "after the race", "CPU ms/s idle", "sessions",
              "RSS MiB with them", "KiB each", "CPU ms/s with them")
    lines = []
    for row in rows:
        if "error" in row:
            lines.append([row["target"], f"failed: {row['error']}"] + [""] * (len(header) - 2))
            continue
        grown = (row["rss_sessions"] - row["rss_start"]) / row["sessions"] / 1024
        lines.append([row["target"], mib(row["rss_start"]), mib(row.get("rss_after")),
                      f"{row['cpu_ms_per_s']:.2f}", row["sessions"], mib(row["rss_sessions"]),
                      f"{grown:.1f}", f"{row['cpu_ms_per_s_sessions']:.2f}"])
    return markdown(header, lines)


def scaling_table(rows):
    header = ("case", "reactors", "IOPS", "min..max", "CPU µs/IO", "server CPU %", "× one")
    lines = []
    for row in rows:
        middle = row["median"]
        if not middle:
            lines.append([row["case"], row["reactors"], f"failed: {row['error']}"] + [""] * 4)
            continue
        one = next((other["median"] for other in rows
                    if other["case"] == row["case"] and other["reactors"] == 1), None)
        lines.append([row["case"], row["reactors"], kilo(middle["iops"]),
                      f"{kilo(middle['iops_min'])[:-2]}..{kilo(middle['iops_max'])[:-2]}",
                      count(middle["server_cpu_us_per_io"]),
                      f"{middle['server_cpu_percent']:.0f}",
                      ratio(middle["iops"], one["iops"]) if one else "–"])
    return markdown(header, lines)
