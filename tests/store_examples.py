"""A cell and its rows, hostile text included."""

from babelbits.records import CellMeta, Failure, ItemRow, Metric, TaskInfo, digest

HOSTILE = '</script><script>alert(1)</script> "quotes" \x1b[31m\u2028\u202e\x00 नमस्ते'


def meta(*, n_items: int = 5, chunk: int = 2, variant: str = "baseline") -> CellMeta:
    identity = {"variant_id": variant, "recipe": variant}
    task = TaskInfo(
        name="sums_nb",
        suite="sums",
        language="nb",
        metrics=(Metric(name="acc", kind="binary", chance=0.5),),
        primary="acc",
        output_type="generation",
        parallel=True,
        scorer_version="1",
        origin="test",
    )
    return CellMeta(
        cell_id=digest(identity),
        identity=identity,
        variant=variant,
        variant_id=variant,
        replicate=0,
        task=task,
        n_items=n_items,
        chunk=chunk,
        smoke=False,
    )


def row(index: int, *, variant: str = "baseline") -> ItemRow:
    failed = index == 3
    return ItemRow(
        item_id=f"i{index}",
        source_id=f"s{index}",
        task="sums_nb",
        language="nb",
        variant=variant,
        target="7",
        output=HOSTILE,
        scores={"acc": None if failed else float(index % 2)},
        choice_logprobs=None if index % 2 else (-1.25, -0.5),
        prompt_hash="h",
        prompt="Hva er 3 pluss 4?",
        prompt_tokens=9,
        output_tokens=2,
        finish_reason="stop",
        failure=Failure(kind="nan_logits", message="NaN") if failed else None,
    )


def rows(indices: range, *, variant: str = "baseline") -> list[ItemRow]:
    return [row(index, variant=variant) for index in indices]
