"""Local times to UTC: zones, the hour that is missing in spring, the hour that comes twice in autumn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.times import (
    EPOCH,
    UnknownZone,
    clock_of_name,
    clock_of_offset,
    machine_clock,
    naive_seconds,
    offset_name,
    utc_offset,
)

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1))
ZONES = ["UTC", "America/Chicago", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"]
ZERO = datetime(1970, 1, 1)


def seconds(moment: datetime) -> float:
    """Return the seconds of a naive time as if it were UTC, computed in whole microseconds."""
    return (moment - ZERO) // timedelta(microseconds=1) / 1e6


@pytest.fixture
def machine_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


@settings(deadline=None)
@given(MOMENTS, st.sampled_from([" ", "T"]))
def test_text_of_any_moment_is_read(moment: datetime, between: str) -> None:
    assert naive_seconds(moment.isoformat(between)) == pytest.approx(seconds(moment), abs=1e-6)


@settings(deadline=None)
@given(MOMENTS, st.integers(1, 9), st.sampled_from(".,"))
def test_fractions_of_any_length_are_read(moment: datetime, digits: int, point: str) -> None:
    fraction = f"{moment.microsecond:06}000"[:digits]
    text = f"{moment:%Y-%m-%d %H:%M:%S}{point}{fraction}"
    expected = seconds(moment.replace(microsecond=0)) + int(fraction) / 10**digits
    assert naive_seconds(text) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None)
@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_time_with_a_zone_is_not_naive(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert naive_seconds(aware.isoformat()) is None


@settings(deadline=None)
@given(st.text(max_size=40))
def test_no_text_raises(text: str) -> None:
    found = naive_seconds(text)
    assert found is None or isinstance(found, float)


@pytest.mark.parametrize(
    "text",
    [
        *("", "None", "now", "0000-00-00 00:00:00", "2026-02-30 00:00:00.5", "2026-11-23 25:00:00,123"),
        *("1795397697.1", "2026-11-23 01:34:57.", "2026-11-23 01:34:57.12 x"),
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert naive_seconds(text) is None


@settings(deadline=None)
@given(MOMENTS, st.sampled_from(ZONES))
def test_local_times_of_a_zone_become_utc_and_back(moment: datetime, zone: str) -> None:
    utc = seconds(moment)
    clock = clock_of_name(zone)
    local = moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(zone))
    naive = seconds(local.replace(tzinfo=None))
    assert clock.naive(utc) == pytest.approx(naive, abs=2e-6)
    # The later pass of an hour that comes twice can not be told from the earlier one.
    shift = (local.replace(fold=0).utcoffset() or timedelta()) - (local.utcoffset() or timedelta())
    assert clock.utc(naive) == pytest.approx(utc - shift.total_seconds(), abs=2e-6)


@settings(deadline=None)
@given(MOMENTS, st.integers(-86399, 86399))
def test_an_offset_is_taken_off_and_put_back(moment: datetime, offset: int) -> None:
    clock = clock_of_offset(offset)
    assert clock.evidence == "log"
    utc = seconds(moment)
    assert clock.naive(utc) == pytest.approx(utc + offset, abs=2e-6)
    assert clock.utc(clock.naive(utc)) == pytest.approx(utc, abs=2e-6)


@settings(deadline=None)
@given(MOMENTS)
def test_the_clock_of_epoch_times_changes_nothing(moment: datetime) -> None:
    assert EPOCH.utc(seconds(moment)) == pytest.approx(seconds(moment), abs=1e-6)
    assert EPOCH.evidence == "epoch"


def test_an_hour_that_comes_twice_is_taken_as_the_earlier() -> None:
    clock = clock_of_name("America/Chicago")
    naive = seconds(datetime(2026, 11, 1, 1, 30))
    earlier = datetime(2026, 11, 1, 6, 30, tzinfo=timezone.utc).timestamp()
    assert clock.utc(naive) == earlier
    # Both passes show the same local time.
    assert clock.naive(earlier) == clock.naive(earlier + 3600) == naive
    # Before and after, the order of times is kept.
    assert clock.utc(naive - 3600) == earlier - 3600
    assert clock.utc(naive + 3600) == earlier + 7200


def test_a_local_time_that_never_was_has_a_utc_time() -> None:
    clock = clock_of_name("America/Chicago")
    naive = seconds(datetime(2026, 3, 8, 2, 30))
    before, after = clock.utc(naive - 1800.001), clock.utc(naive + 1800)
    assert after - before == pytest.approx(0.001, abs=1e-5)
    assert before - 3600 <= clock.utc(naive) <= after + 3600


@pytest.mark.parametrize("zone", ["America/Chicago", "Asia/Kathmandu", "UTC"])
def test_the_machines_zone_is_used_where_no_other_is_known(machine_zone: pytest.MonkeyPatch, zone: str) -> None:
    machine_zone.setenv("TZ", zone)
    time.tzset()
    machine = machine_clock()
    assert (machine.name, machine.evidence) == (zone, "machine")
    for moment in (datetime(2026, 7, 1, 12), datetime(2026, 12, 1, 12, 0, 0, 250000)):
        naive = seconds(moment)
        assert machine.utc(naive) == clock_of_name(zone).utc(naive)
        assert machine.naive(machine.utc(naive)) == naive


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("UTC", 0),
        ("utc", 0),
        ("Z", 0),
        ("+02:00", 2),
        ("+0200", 2),
        ("-06:00", -6),
        ("UTC-06:00", -6),
        ("UTC+05:45", 5.75),
        ("-00:30", -0.5),
        ("Etc/GMT+5", -5),
        ("Asia/Kathmandu", 5.75),
    ],
)
def test_names_of_zones(name: str, offset: float) -> None:
    clock = clock_of_name(name)
    assert clock.utc(1795397697.25) == 1795397697.25 - offset * 3600
    assert clock.evidence == "option"
    # The name that the report gives means the same clock.
    assert clock_of_name(clock.name).utc(1795397697.25) == clock.utc(1795397697.25)


@settings(deadline=None)
@given(st.integers(-23 * 4 - 3, 23 * 4 + 3))
def test_the_name_of_an_offset_means_it(quarters: int) -> None:
    clock = clock_of_offset(quarters * 900)
    assert clock_of_name(clock.name, "log") == clock


def test_zones_have_readable_names() -> None:
    assert offset_name(timezone(timedelta(hours=-6))) == "UTC-06:00"
    assert offset_name(timezone.utc) == "UTC+00:00"
    assert offset_name(ZoneInfo("America/Chicago")) == "America/Chicago"


@pytest.mark.parametrize(
    "name", ["Mars/Base", "+2", "+25:00", "-99:99", "", " ", "../etc/passwd", "/etc/localtime", "America", "\0", "é"]
)
def test_what_is_no_zone_is_refused_with_the_way_out(name: str) -> None:
    with pytest.raises(UnknownZone, match="America/Chicago"):
        clock_of_name(name)


@settings(deadline=None)
@given(MOMENTS, st.integers(-14 * 4, 14 * 4), st.floats(-400, 400))
def test_the_offset_of_a_log_is_found_to_a_quarter_hour(moment: datetime, quarters: int, late: float) -> None:
    epoch = seconds(moment)
    assert utc_offset(epoch + quarters * 900 + late, epoch) == quarters * 900


@settings(deadline=None)
@given(MOMENTS, st.floats(86400, 1e12), st.sampled_from([1, -1]))
def test_more_than_a_day_is_no_offset(moment: datetime, apart: float, sign: int) -> None:
    assert utc_offset(seconds(moment) + sign * apart, seconds(moment)) is None
