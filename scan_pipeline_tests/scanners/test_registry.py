"""Which scanners there are, and what their headers say."""

from pathlib import Path

import pytest

from scan_pipeline.scanners.registry import BUILTIN_DIR, SqlScanner, find_scanners, read_scanner

SELECT = "select session, symbol from features\n"


def scanner_of(folder: Path, text: str, name: str = "mine") -> SqlScanner:
    path = folder / f"{name}.sql"
    path.write_text(text, encoding="utf-8")
    return read_scanner(path)


def test_a_users_scanners_are_found_beside_the_built_in_ones(tmp_path: Path) -> None:
    built_in = find_scanners(tmp_path / "nothing_there")
    assert [scanner.name for scanner in built_in] == sorted(path.stem for path in BUILTIN_DIR.glob("*.sql"))
    assert len(built_in) >= 6
    (tmp_path / "my_gap.sql").write_text(SELECT)
    (tmp_path / "notes.txt").write_text("no scanner")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "put_away.sql").write_text(SELECT)
    found = find_scanners(tmp_path)
    assert {scanner.name for scanner in found} - {scanner.name for scanner in built_in} == {"my_gap"}
    assert [scanner.name for scanner in found] == sorted(scanner.name for scanner in found)


def test_every_built_in_scanner_has_a_title_an_order_and_a_limit() -> None:
    for path in BUILTIN_DIR.glob("*.sql"):
        scanner = read_scanner(path)
        assert scanner.fault is None
        assert "-- title: " in scanner.text
        assert scanner.rank
        assert scanner.limit


def test_headers_are_read_from_the_comments_at_the_head(tmp_path: Path) -> None:
    text = f"-- title: Quiet: giants\n-- A remark\n--rank:close desc , symbol\n-- limit:  25  \n{SELECT}-- limit: 3\n"
    scanner = scanner_of(tmp_path, text)
    assert (scanner.title, scanner.rank, scanner.limit) == ("Quiet: giants", "close desc , symbol", 25)
    assert scanner.fault is None


def test_a_scanner_needs_no_header(tmp_path: Path) -> None:
    scanner = scanner_of(tmp_path, SELECT, "my_little_scan")
    assert (scanner.title, scanner.rank, scanner.limit) == ("My little scan", "", None)
    assert scanner.fault is None


def test_a_comment_that_looks_like_a_header_but_is_none_is_left_alone(tmp_path: Path) -> None:
    scanner = scanner_of(tmp_path, f"-- note: limit: 5\n-- see also: https://example.com\n{SELECT}")
    assert scanner.limit is None
    assert scanner.fault is None


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "", "5 hits"])
def test_a_limit_that_is_no_whole_number_is_named_with_its_line(tmp_path: Path, limit: str) -> None:
    scanner = scanner_of(tmp_path, f"-- title: Mine\n-- limit: {limit}\n{SELECT}")
    assert scanner.fault
    assert "line 2" in scanner.fault
    assert f"'{limit}'" in scanner.fault


def test_a_limit_in_superscript_is_a_fault_of_that_scanner_alone(tmp_path: Path) -> None:
    assert scanner_of(tmp_path, f"-- limit: ²\n{SELECT}").fault


@pytest.mark.parametrize("name", ["My Scan", "1st", "gap-up", "größe", "a.b"])
def test_a_file_name_that_cannot_be_a_name_is_a_fault(tmp_path: Path, name: str) -> None:
    scanner = scanner_of(tmp_path, SELECT, name)
    assert scanner.fault
    assert str(tmp_path / f"{name}.sql") in scanner.fault


def test_a_file_that_is_no_text_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "binary.sql"
    path.write_bytes(b"\xff\xfe\x00select")
    assert "cannot be read" in (read_scanner(path).fault or "")


def test_a_folder_named_like_a_scanner_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "folder.sql").mkdir()
    assert "cannot be read" in (read_scanner(tmp_path / "folder.sql").fault or "")


def test_a_file_named_like_a_built_in_scanner_is_a_fault_and_takes_nothing_from_it(tmp_path: Path) -> None:
    built_in = find_scanners(tmp_path / "nothing_there")
    (tmp_path / "gap_and_go.sql").write_text(SELECT)
    found = find_scanners(tmp_path)
    (own,) = [scanner for scanner in found if scanner not in built_in]
    assert [scanner for scanner in found if scanner is not own] == built_in
    assert own.fault
    assert str(own.path) in own.fault
    assert "gap_and_go" in own.fault
    assert own.name not in {scanner.name for scanner in built_in}


def test_the_code_version_changes_with_the_text_and_with_nothing_else(tmp_path: Path) -> None:
    first = scanner_of(tmp_path, SELECT)
    (tmp_path / "elsewhere").mkdir()
    assert scanner_of(tmp_path / "elsewhere", SELECT, "other_name").code_version == first.code_version
    assert scanner_of(tmp_path, SELECT + "-- a remark\n").code_version != first.code_version
    assert scanner_of(tmp_path, SELECT.replace("symbol", "symbol, close")).code_version != first.code_version
