"""School holidays of North Rhine-Westphalia, when schools, halls and baths are used otherwise.

As published by the KMK (Ferienregelung); first and last day. Later years are added here.
"""

from __future__ import annotations

from datetime import date

SCHOOL_HOLIDAYS: tuple[tuple[date, date], ...] = (
    (date(2025, 4, 14), date(2025, 4, 26)),
    (date(2025, 6, 10), date(2025, 6, 10)),
    (date(2025, 7, 14), date(2025, 8, 26)),
    (date(2025, 10, 13), date(2025, 10, 25)),
    (date(2025, 12, 22), date(2026, 1, 6)),
    (date(2026, 3, 30), date(2026, 4, 11)),
    (date(2026, 5, 26), date(2026, 5, 26)),
    (date(2026, 7, 20), date(2026, 9, 1)),
    (date(2026, 10, 17), date(2026, 10, 31)),
    (date(2026, 12, 23), date(2027, 1, 6)),
    (date(2027, 3, 22), date(2027, 4, 3)),
    (date(2027, 5, 18), date(2027, 5, 18)),
    (date(2027, 7, 19), date(2027, 8, 31)),
)
