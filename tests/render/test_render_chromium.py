"""The HTML report in a real browser: nothing on the console, the answer on the first screen, no sideways scrolling."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from repro.render.html import to_html
from repro.report import Report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FOLD = 900
WIDTH = 1280
TONE = (0x3B, 0x5E, 0xA8)
"""The colour of "not comparable" on the left edge of the answer."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


def browse(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    profile = page.parent / "profile"
    command = [
        str(CHROMIUM),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        f"--user-data-dir={profile}",
        f"--window-size={WIDTH},{FOLD}",
        *flags,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_report_in_a_browser(proxy_report: Report, proxy_plots: dict[str, bytes], tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(to_html(proxy_report, proxy_plots), "utf-8")
    picture = tmp_path / "first.png"
    done = browse(page, f"--screenshot={picture}")
    if not picture.exists():
        pytest.skip(f"Chromium does not start here: {done.stderr[-300:]}")
    # A request that the policy refuses, a broken style and a script error would all be console lines.
    assert "CONSOLE" not in done.stderr, re.findall(r".*CONSOLE.*", done.stderr)

    from PIL import Image

    with Image.open(picture) as image:
        pixels = image.convert("RGB")
        edge = [y for y in range(pixels.height) if pixels.getpixel((74, y)) == TONE]
    assert len(edge) > 100
    assert edge[-1] < FOLD - 1, "the answer, the scale and what to see first end below the first screen"

    dom = browse(page, "--dump-dom").stdout
    assert "Can I trust this model’s claims?" in dom
    assert dom.count("<svg") == 2
