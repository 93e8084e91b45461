"""Curtain coordinates of a jaw."""

from __future__ import annotations


class Arch:
    pass
