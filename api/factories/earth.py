"""Positions on the globe as points in space, so that nearness is exact and has an index.

A chord through a sphere grows with the arc above it, so ordering by straight-line distance in
three dimensions orders by distance on the ground, at every latitude and across the date line.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

RADIUS_M = 6_371_008.8
"""Mean radius R1 of the WGS 84 ellipsoid, in metres."""

THAILAND = (5.5, 20.6, 97.2, 105.8)
"""South, north, west, east: a box around the country, with a little sea."""


def point(lat: float, lng: float) -> tuple[float, float, float]:
    """Metres from the earth's centre; degrees in."""
    across = RADIUS_M * cos(radians(lat))
    return across * cos(radians(lng)), across * sin(radians(lng)), RADIUS_M * sin(radians(lat))


def cube_text(lat: float, lng: float) -> str:
    """The point as PostgreSQL's `cube` reads it, to the millimetre."""
    x, y, z = point(lat, lng)
    return f"({x:.3f},{y:.3f},{z:.3f})"


def chord(metres: float) -> float:
    """The straight line under an arc of `metres` on the ground."""
    return 2 * RADIUS_M * sin(min(metres, RADIUS_M * 3.14159) / (2 * RADIUS_M))


def arc(chord: float) -> float:
    """The way on the ground, in metres, between two points a straight `chord` apart."""
    return 2 * RADIUS_M * asin(min(1.0, chord / (2 * RADIUS_M)))


def distance(lat1: float, lng1: float, lat2: float, lng2: float) -> float:
    """Metres on the ground between two positions."""
    a, b = point(lat1, lng1), point(lat2, lng2)
    return arc(sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True))))


def in_thailand(lat: float, lng: float) -> bool:
    south, north, west, east = THAILAND
    return south <= lat <= north and west <= lng <= east
