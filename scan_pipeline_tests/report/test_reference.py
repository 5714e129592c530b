"""The pages in `docs/` say what the code says."""

import pytest

from scan_pipeline.report import reference
from scan_pipeline.report.stubs import stub
from scan_pipeline.settings import PROJECT_DIR


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("tables", reference.tables_page),
        ("features", reference.features_page),
        ("settings", reference.settings_page),
        ("builtin_scanners", reference.scanners_page),
    ],
)
def test_a_generated_page_is_current(page: str, made) -> None:  # type: ignore[no-untyped-def]
    written = (PROJECT_DIR / "docs" / f"{page}.md").read_text(encoding="utf-8")
    assert written == made(), "python -m scan_pipeline.report.reference writes the pages anew"


def test_the_stubs_of_ta_are_current() -> None:
    written = (PROJECT_DIR / "scan_pipeline" / "ta.pyi").read_text(encoding="utf-8")
    assert written == stub(), "python -m scan_pipeline.report.reference writes them anew"
