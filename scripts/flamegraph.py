#!/usr/bin/env python3
"""Draws a flame graph of what `perf script` prints, as one SVG without scripts.

    perf record -F 499 -a --call-graph dwarf,16384 -- sleep 5
    perf script --no-inline -F comm,pid,tid,ip,sym > stacks.txt
    scripts/flamegraph.py stacks.txt PATTERN TITLE > graph.svg

Samples count whose process has PATTERN in its command line (it must still run), or whose thread
does in its name. Width is processor time, the root is below; frames under 0.3 % are left out. The
title of a frame (pointer over it) has its whole name and share.
"""

import html
import pathlib
import re
import sys

WIDTH, ROW, LEAST = 1200, 16, 0.003
HASH = re.compile(r"::h[0-9a-f]{16}$")
NOISE = re.compile(
    r"^(\[unknown\]|clone3|start_thread|std::sys::backtrace|core::ops::function::FnOnce"
    r"|<std::sys::thread|tokio::runtime::(context|blocking|scheduler|task))"
)


def command(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def samples(text, pattern):
    known = {}
    for block in text.split("\n\n"):
        head, *frames = block.strip().split("\n")
        found = re.match(r"(\S.*?)\s+(\d+)/\d+", head)
        if not found:
            continue
        name, pid = found.groups()
        if pid not in known:
            known[pid] = command(pid)
        if pattern not in known[pid] and pattern not in name:
            continue
        names = [HASH.sub("", re.sub(r"^\s*[0-9a-f]+ ", "", frame).strip()) for frame in frames]
        yield [frame for frame in reversed(names) if not NOISE.search(frame)]


def tree(stacks):
    root = {"count": 0, "below": {}}
    for stack in stacks:
        node = root
        node["count"] += 1
        for name in stack:
            node = node["below"].setdefault(name, {"count": 0, "below": {}})
            node["count"] += 1
    return root


def depth(node, total):
    kept = [child for child in node["below"].values() if child["count"] >= LEAST * total]
    return 1 + max((depth(child, total) for child in kept), default=0)


def draw(node, name, left, level, scale, total, rows, out):
    width = node["count"] * scale
    share = f"{100 * node['count'] / total:.1f} %"
    top = (rows - level - 1) * ROW + 24
    warm = 40 + sum(name.encode()) % 160
    label = name.split("<")[0].split("::")[-1] or name
    shown = html.escape(label[: int(width / 7)]) if width > 30 else ""
    out.append(
        f'<g><title>{html.escape(name)}: {share}</title>'
        f'<rect x="{left:.1f}" y="{top}" width="{max(width - 0.5, 0.2):.1f}" height="{ROW - 1}" '
        f'fill="rgb(230,{warm},60)"/>'
        f'<text x="{left + 2:.1f}" y="{top + 11}">{shown}</text></g>'
    )
    for child, below in sorted(node["below"].items()):
        if below["count"] >= LEAST * total:
            draw(below, child, left, level + 1, scale, total, rows, out)
        left += below["count"] * scale


def main():
    path, pattern, title = sys.argv[1:]
    root = tree(samples(pathlib.Path(path).read_text(), pattern))
    total = root["count"]
    if not total:
        sys.exit(f"no sample of `{pattern}` in {path}")
    rows = depth(root, total)
    out = []
    draw(root, f"all, {total} samples", 0.0, 0, WIDTH / total, total, rows, out)
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {rows * ROW + 30}" '
        'font-family="monospace" font-size="11">'
        f'<text x="4" y="15">{html.escape(title)}</text>' + "\n".join(out) + "</svg>"
    )


if __name__ == "__main__":
    main()
