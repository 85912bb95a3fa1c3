"""A report as words and as rows of a table: the same rows on the terminal and in a preset's card."""

from keras_uncover.evaluation.report import BASELINES, NAMES

ANSWERS = "**answer**"


def number(entry, digits=3):
    """A measured value with its interval as text; ``n/a`` for None."""
    if entry is None:
        return "n/a"
    if "interval" not in entry:
        return f"{entry['value']:.{digits}f} (n {entry['n']})"
    low, high = entry["interval"]
    return f"{entry['value']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def headline_rows(report):
    """Name and text of the numbers that the headline is made of."""
    for key, entry in report["detection"].items():
        yield f"detection, {key}", number(entry)
    for group in ("localisation", "genuine"):
        for key, entry in (report[group] or {}).items():
            yield f"{group}, {key}", number(entry)
    for role in BASELINES:
        for key, entry in (report[role] or {}).items():
            yield f"{role}, {key}", entry if isinstance(entry, str) else number(entry)
    if report["reswap"]:
        yield "reswap, auc of the residual", number(report["reswap"]["auc"])


def baseline_table(report, role):
    """Rows of a role's answers and all baselines, the first the header; None where there is no such answer."""
    if report[role] is None:
        return None
    columns = ["distance", "rank1", "l1", NAMES[role]["ssim"], NAMES[role]["psnr"]]
    rows = [[role, *columns, "kid", "ours over it"]]
    for name, entry in ((ANSWERS, report[role]), *report["baselines"][role].items()):
        if entry is None:
            rows.append([name, *["n/a"] * (len(columns) + 2)])
            continue
        digits = [2 if column.startswith("psnr") else 3 for column in columns]
        cells = [number(entry[column], digit) for column, digit in zip(columns, digits)]
        ours = number(entry["ours_over_it"]) if "ours_over_it" in entry else ""
        rows.append([name, *cells, number(entry["kid"], 5), ours])
    return rows


def condition_table(report):
    """Detection and localisation of every family, strength and kind of damage."""
    rows = [["fakes", "AUC", "TPR at 1 % FPR", "mask IoU", "target L1 closed"]]
    for group in ("families", "strengths", "robustness"):
        for name, entry in report[group].items():
            where, target = entry["localisation"] or {}, entry["target"] or {}
            found = [entry["detection"][key] for key in ("auc", "tpr_at_fpr_1")]
            rows.append([name, *map(number, (*found, where.get("iou"), target.get("l1_closed")))])
    return rows


def role_table(report, role):
    """A role's numbers by family, with the best baseline of each."""
    rows = [[role, "distance", f"over {'copy' if role == 'target' else 'masked copy'}", "over best baseline", "rank1"]]
    for name, entry in report["families"].items():
        numbers = entry[role]
        if numbers is not None:
            over = numbers[NAMES[role]["distance"]]
            best = f"{number(numbers['distance_over_best_baseline'])} ({numbers['best_baseline']})"
            rows.append([name, number(numbers["distance"]), number(over), best, number(numbers["rank1"])])
    return rows


def tables(report):
    """All tables of a report, each a list of rows of text."""
    found = [[["headline", ""], *map(list, headline_rows(report))]]
    for role in BASELINES:
        if report[role] is not None:
            found += [baseline_table(report, role), role_table(report, role)]
    return [*found, condition_table(report)]


def align(rows):
    """Rows as lines with columns of equal width."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def to_markdown(rows):
    """Rows as a Markdown table."""
    header, *lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([header, "|---" * len(rows[0]) + "|", *lines])


def describe(report):
    """A report as lines for a terminal."""
    mixed = ", ".join(report["families_mixed"])
    yield (
        f"{report['model']} on {report['n_people']} people of {report['split']}, seed {report['seed']}, "
        f"{report['n_pairs']} fakes a family; headline: {mixed}, full strength, post-processed"
    )
    for table in tables(report):
        yield ""
        yield from align(table)
    cost = report["cost"]
    yield ""
    yield f"{cost['parameters']:,} parameters, {cost['ms']:.1f} ms a crop, {cost['ms_in_batch']:.1f} ms in a batch"
