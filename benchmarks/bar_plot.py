"""Bar plots as SVG, for figures that are checked in: no library, light or dark background alike."""

from pathlib import Path

from sievert.training.line_plot import GREY, ink_of


def bars(path, *, title, columns, line):
    """Write shares as bars: a row for each name, a column {title: {name: share}} each; `line` marks the first one."""
    names = list(next(iter(columns.values())))
    wide, row, left, top = 700, 20, 150, 52
    height = top + row * len(names) + 30
    room = (wide - left) / len(columns) - 60
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height}" font-family="sans-serif"'
            f' font-size="11" fill="{GREY}">'
        ),
        f"<title>{title}</title>",
        f'<text x="{wide / 2}" y="18" text-anchor="middle" font-size="13">{title}</text>',
    ]
    for place, name in enumerate(names):
        parts.append(f'<text x="{left - 8}" y="{top + row * place + 13}" text-anchor="end">{name}</text>')
    for column, (about, shares) in enumerate(columns.items()):
        x = left + column * (room + 60)
        most = max(1.0, *shares.values())
        clear = room * line[1] / most if column == 0 else 0.0
        parts.append(f'<text x="{x}" y="{top - 10}">{about}</text>')
        for place, share in enumerate(shares.values()):
            y, length = top + row * place + 3, room * share / most
            parts += [
                f'<rect x="{x}" y="{y}" width="{max(length, 0.5):.1f}" height="13" fill="{ink_of(1 - column)}"/>',
                f'<text x="{x + max(length, clear) + 4:.1f}" y="{y + 10}">{share:.1%}</text>',
            ]
        if column == 0:
            at, foot = x + clear, top + row * len(names) + 4
            parts += [
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{foot}" stroke="{GREY}" stroke-dasharray="3 2"/>',
                f'<text x="{at:.1f}" y="{foot + 14}">{line[0]}</text>',
            ]
    Path(path).write_text("\n".join([*parts, "</svg>\n"]))
