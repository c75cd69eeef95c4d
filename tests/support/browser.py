"""Debian's Chromium, for tests of pages."""

import shutil

CHROMIUM = shutil.which("chromium") or ""
