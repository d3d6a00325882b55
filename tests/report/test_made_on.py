"""Where a variant's provenance is shown, device and threads that made it are."""

from dataclasses import replace

from babelbits.report.build import build
from babelbits.report.views import describe_maker
from report.synthetic import make, manifest


def test_device_and_threads_are_shown_and_unknown_ones_are_a_dash() -> None:
    plain = manifest("w4-g@en", 4.5)
    assert describe_maker(plain) == "–"
    assert describe_maker(replace(plain, device="cpu", n_threads=1)) == "cpu, 1 thread"
    assert describe_maker(replace(plain, device="cuda", n_threads=16)) == "cuda, 16 threads"


def test_the_table_of_variants_has_them() -> None:
    report = make(items=10)
    label, made = next(iter(report.manifests.items()))
    with_device = {**report.manifests, label: replace(made, device="cpu", n_threads=2)}
    page = build(replace(report, manifests=with_device))
    assert "<td>cpu, 2 threads</td>" in page
