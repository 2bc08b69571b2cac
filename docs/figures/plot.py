#!/usr/bin/env python3
"""Draws the figures of docs/performance.md: plot.py [--check]

Reads the .tsv files beside it and writes the .svg of the same name; --check fails if one is not what its data give.
A data file begins with `# command:` and `# machine:`, which are printed below the figure: no figure without them.
Python's standard library only.
"""
import math
import sys
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).parent
INK, SOFT, GRID = "#1f2328", "#59636e", "#e3e6ea"
COLOURS = ["#1f6feb", "#c2410c", "#1a7f5a", "#8250df"]
# Of a panel's plot area: the more panels, the narrower.
WIDTHS, HEIGHT = {1: 440, 2: 320, 3: 230}, 230
LEFT, RIGHT, TOP, GAP = 62, 94, 58, 46

# What is drawn of each file: panels, each with its own axes in one unit. A line is (column or formula of x, label, dashed).
FIGURES = {
    "validators": {
        "title": "What a block costs as validators are added",
        "x": ("validators", "validators (n)"),
        "panels": [
            ("messages a block", [("messages", "measured", False), (lambda n: 2 * n * n - n - 1, "2n² − n − 1", True)]),
            ("signature checks a validator and block", [("checks", "measured", False), (lambda n: 2 * n - 1, "2n − 1", True)]),
            ("kB a block, all links", [("kilobytes", "measured", False)]),
        ],
    },
    "state": {
        "title": "What a split payment costs as the state grows",
        "x": ("objects", "objects in the state"),
        "panels": [
            ("µs of CPU a payment", [("execute", "all of execute", False), ("contract", "contract", False), ("root", "state root", False), ("verify", "a signature", True)]),
            ("µs of CPU an object touched", [("per_object", "state root", False), (lambda n: 3, "goal at 1M", True)]),
        ],
    },
    "load": {
        "title": "How long until a payment is final, by load",
        "x": ("settled", "payments settled a second"),
        "panels": [("ms until final", [("p99", "p99", False), ("p50", "p50", False)])],
    },
}


def read(path):
    """Notes and rows; a cell that is no number is left out of what is drawn."""
    notes, head, rows = {}, None, []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            name, _, text = line[1:].partition(":")
            notes[name.strip()] = " ".join(filter(None, [notes.get(name.strip()), text.strip()]))
        elif line.strip() and head is None:
            head = line.split("\t")
        elif line.strip():
            cells = line.split("\t")
            if len(cells) != len(head):
                sys.exit(f"{path.name}: {len(cells)} cells in a row of {len(head)} columns: {line}")
            rows.append(dict(zip(head, map(number, cells))))
    for name in ("command", "machine"):
        if not notes.get(name):
            sys.exit(f"{path.name}: no figure without `# {name}:`")
    return notes, rows


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def short(value):
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:g}"


def decades(low, high):
    return [10.0**e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


class Axis:
    """Logarithmic over more than a decade, linear from zero otherwise."""

    def __init__(self, values, length):
        low, high = min(values), max(values)
        self.log, self.length = high / low > 10, length
        if self.log:
            self.low, self.high = math.log10(low / 1.25), math.log10(high * 1.25)
            self.ticks = [t for t in decades(low, high) if self.low <= math.log10(t) <= self.high]
            if len(self.ticks) < 3:
                halves = [m * t for t in decades(low, high) for m in (1, 2, 5)]
                self.ticks = [t for t in halves if self.low <= math.log10(t) <= self.high]
        else:
            step = 10 ** math.floor(math.log10(high))
            step = next(s for s in (step / 5, step / 2, step, step * 2) if high * 1.1 / s <= 6)
            self.low, self.high = 0.0, math.ceil(high * 1.05 / step) * step
            self.ticks = [i * step for i in range(round(self.high / step) + 1)]

    def at(self, value):
        place = math.log10(value) if self.log else value
        return (place - self.low) / (self.high - self.low) * self.length


def text(x, y, what, size=12, colour=INK, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}"{more}>{escape(what)}</text>'


def panel(left, width, rows, x_name, x_label, unit, lines):
    xs = [row[x_name] for row in rows]
    series = []
    for source, label, dashed in lines:
        value = (lambda row, f=source: f(row[x_name])) if callable(source) else (lambda row, c=source: row[c])
        points = [(row[x_name], value(row)) for row in rows if value(row) is not None]
        series.append((label, dashed, points, not callable(source)))
    x, y = Axis(xs, width), Axis([v for _, _, points, _ in series for _, v in points], HEIGHT)
    out = [text(left, TOP - 12, unit, 12, SOFT)]
    for tick in y.ticks:
        at = TOP + HEIGHT - y.at(tick)
        out.append(f'<line x1="{left}" x2="{left + width}" y1="{at:.1f}" y2="{at:.1f}" stroke="{GRID}"/>')
        out.append(text(left - 8, at + 4, short(tick), 11, SOFT, "end"))
    shown = xs if len(xs) <= 6 else x.ticks
    for tick in shown:
        at = left + x.at(tick)
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP + HEIGHT}" y2="{TOP + HEIGHT + 4}" stroke="{SOFT}"/>')
        out.append(text(at, TOP + HEIGHT + 18, short(tick), 11, SOFT, "middle"))
    out.append(f'<line x1="{left}" x2="{left + width}" y1="{TOP + HEIGHT}" y2="{TOP + HEIGHT}" stroke="{SOFT}"/>')
    out.append(text(left + width / 2, TOP + HEIGHT + 38, x_label, 12, SOFT, "middle"))
    labels = []
    for at, (label, dashed, points, measured) in enumerate(series):
        colour = SOFT if dashed else COLOURS[at % len(COLOURS)]
        places = [(left + x.at(px), TOP + HEIGHT - y.at(py)) for px, py in points]
        path = "M" + " L".join(f"{px:.1f},{py:.1f}" for px, py in places)
        dash = ' stroke-dasharray="5 4" stroke-width="1.5"' if dashed else ' stroke-width="2"'
        out.append(f'<path d="{path}" fill="none" stroke="{colour}"{dash}/>')
        if measured and not dashed:
            out += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="4" fill="{colour}" stroke="#fff" stroke-width="1.5"/>' for px, py in places]
        labels.append([places[-1][1], places[-1][0], label, colour])
    # Labels stand at the ends of their lines, a line's height apart.
    labels.sort()
    for before, after in zip(labels, labels[1:]):
        after[0] = max(after[0], before[0] + 15)
    out += [text(px + 9, py + 4, label, 12, colour) for py, px, label, colour in labels]
    return out


def wrapped(what, width):
    lines, line = [], ""
    for word in what.split():
        if line and len(line) + 1 + len(word) > width:
            lines, line = lines + [line], word
        else:
            line = f"{line} {word}".strip()
    return lines + [line]


def draw(name):
    figure = FIGURES[name]
    notes, rows = read(HERE / f"{name}.tsv")
    count = len(figure["panels"])
    wide = WIDTHS[count]
    width = LEFT + count * (wide + RIGHT) + (count - 1) * GAP
    body = [text(16, 24, figure["title"], 15, INK, more=' font-weight="600"')]
    for at, (unit, lines) in enumerate(figure["panels"]):
        body += panel(LEFT + at * (wide + RIGHT + GAP), wide, rows, *figure["x"], unit, lines)
    below = [line for key in ("command", "machine") for line in wrapped(f"{key}: {notes[key]}", int(width / 5.6))]
    for at, line in enumerate(below):
        body.append(text(16, TOP + HEIGHT + 60 + 14 * at, line, 10, SOFT))
    height = TOP + HEIGHT + 60 + 14 * len(below)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img"'
    style = 'font-family="system-ui, sans-serif"'
    title = f"<title>{escape(figure['title'])}</title>"
    return "\n".join([f"{head} {style}>", title, f'<rect width="{width}" height="{height}" fill="#fff"/>', *body, "</svg>", ""])


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.exit(__doc__.strip().splitlines()[0])
    stale = []
    for name in FIGURES:
        path, svg = HERE / f"{name}.svg", draw(name)
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != svg:
                stale.append(path.name)
        else:
            path.write_text(svg, encoding="utf-8")
    if stale:
        sys.exit(f"not drawn from their data: {', '.join(stale)}; run docs/figures/plot.py")


main()
