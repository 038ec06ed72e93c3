"""Tables say what is wrong with them, and where."""

import pytest

from striate.errors import ImageError
from striate.image.concepts.tables import file_inside, read_table, some


def table(tmp_path, content, needed=()):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, needed)


def test_cells_lose_spaces_and_headers_their_case(tmp_path):
    found = table(tmp_path, '\ufeffIndex, Name \r\n 3 ,"a, b"\r\n\r\n ,\r\n4,c\r\n', ["name"])
    assert found.columns == ("index", "name")
    assert [(row.number("index"), row["name"]) for row in found.rows] == [(3, "a, b"), (4, "c")]
    assert found.rows[0]["split"] == ""
    assert found.rows[1].where.startswith("line 5 of ")


def test_a_header_alone_is_a_table_without_rows(tmp_path):
    assert table(tmp_path, "index,name\n").rows == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "lacks index, name; .* found: none"),
        ("index,title\n", "lacks name; .* found: index, title"),
        ("index,name,Name\n", "names a column twice"),
        ("index,name\n1,a\n2,b,c\n", "line 3 of .* has 3 cells where the header has 2"),
        ("index,name\n1\n", "line 2 of .* has 1 cells"),
        ('index,name\n1,"a\n', "cannot read .* as CSV"),
        (b"index,name\n1,\xff\n", "cannot read .* UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, says):
    with pytest.raises(ImageError, match=says):
        table(tmp_path, content, ["index", "name"])


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"cannot read .*gone\.csv"):
        read_table(tmp_path / "gone.csv")


@pytest.mark.parametrize("cell", ["-1", "1.5", "x", "", "٣", "1234567890"])
def test_what_is_no_number_is_refused_by_its_line(tmp_path, cell):
    row = table(tmp_path, f"index,name\n{cell},a\n").rows[0]
    with pytest.raises(ImageError, match=r"line 2 of .*: index is .* whole number"):
        row.number("index")


def test_files_are_found_inside_their_folder_only(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").touch()
    (tmp_path / "b.png").touch()
    assert file_inside(tmp_path / "in", "./a.png", "line 2") == tmp_path / "in" / "a.png"
    with pytest.raises(ImageError, match=r"^line 2: '../b.png' leads out"):
        file_inside(tmp_path / "in", "../b.png", "line 2")
    with pytest.raises(ImageError, match=r"^line 2: .* leads out"):
        file_inside(tmp_path / "in", str(tmp_path / "b.png"), "line 2")
    for missing in ("c.png", "", ".", "c" * 300):
        with pytest.raises(ImageError, match=r"^line 2 names .* no file"):
            file_inside(tmp_path / "in", missing, "line 2")


def test_only_the_first_of_many_are_named():
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"
