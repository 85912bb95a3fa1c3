"""The one reader of lists: a column spelt a little differently is read or refused by name, never passed over."""

import ast
from pathlib import Path

import pytest

from pipelines.build.folders import BuildError
from pipelines.build.lists import read_list
from pipelines.portraits.sources import list_portraits
from pipelines.swap_pairs.sources import find_parts

ROOT = next(parent for parent in Path(__file__).parents if (parent / "setup.cfg").exists())
ROOMS = ("keras_uncover", "pipelines", "export", "scripts", "benchmarks")
# Files that read CSVs which the programs themselves have written.
OWN = {"run_folder.py", "callbacks.py", "figures.py", "many_files.py"}


def write(folder, text, encoding="utf-8"):
    path = folder / "list.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    "text",
    [
        "file,split\na.jpg,test\n",
        "file, split\na.jpg, test\n",
        "file,Split\na.jpg,Test\n",
        "FILE ,SPLIT\r\na.jpg ,TEST\r\n",
        "\ufefffile,split\na.jpg,test\n",
        '\ufeff"file", "split"\n"a.jpg", "test"\n',
        "file,\u00a0split\u00a0\na.jpg,\u00a0test\n",
        "split,width,file,licence\ntest,448,a.jpg,MIT\n",
        "file,split,,\na.jpg,test,,\n,,,\n",
        "\n,\nfile,split\n\n , \na.jpg,test\n,\n\n",
        "file,split\ra.jpg,test\r",
    ],
    ids=ascii,
)
def test_a_column_spelt_a_little_differently_is_read(tmp_path, text):
    path = write(tmp_path, text)
    assert [(row["file"], row["split"], row["person"]) for row in read_list(path)] == [("a.jpg", "test", "")]
    assert [portrait.split for portrait in list_portraits(path)[0]] == ["test"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("file,spilt\na.jpg,test\n", "split, person, and width.*line 1 of .*csv is no such header; it has 'spilt'"),
        ("file,fold,set\na.jpg,1,test\n", "it has 'fold', 'set'. Separate columns by commas"),
        ("file;split\na.jpg;test\n", "it has 'file;split'. Separate columns by commas"),
        ("a.jpg,test\n", "column named file.*it has 'a.jpg', 'test'"),
        ("\n\nname,split\na.jpg,test\n", "line 3 of"),
        ("", "line 1 of .* holds no such header"),
        ("file,split\n,\n\n", "has a header and at least one row; .*list.csv has no row"),
        ("file,split,Split\na.jpg,test,train\n", "line 1 of .*list.csv names split twice"),
        ("file,split\na.jpg,train\n\n,\nb.jpg,dev\n", "train, validation, test; line 5 of list.csv has 'dev'"),
        ('file,split\n"a\nb.jpg",train\n,test\n', "line 4 of list.csv has ''"),
        ("file,split\nCountess, Ada.jpg,test\n", "line 2 of list.csv has 'test' beyond.*double quotes"),
        ('file,split\na.jpg,train\n"b.jpg,test\nc.jpg,test\n', "line 3 of .*list.csv cannot be read: unexpected end"),
    ],
    ids=ascii,
)
def test_what_makes_no_sense_is_refused_with_its_line(tmp_path, text, words):
    with pytest.raises(BuildError, match=words):
        read_list(write(tmp_path, text))


def test_another_encoding_is_told(tmp_path):
    with pytest.raises(BuildError, match="Save it as UTF-8"):
        read_list(write(tmp_path, "file,split\nZoé.jpg,test\n", "latin-1"))


def test_rows_know_their_line(tmp_path):
    rows = read_list(write(tmp_path, 'file,person\n\n"a\nb.jpg",Ada\nc.jpg,\n'))
    assert [(row["line"], row["file"], row["person"]) for row in rows] == [(3, "a\nb.jpg", "Ada"), (5, "c.jpg", "")]


def test_a_list_inside_a_folder_that_is_given_is_told(tmp_path, capsys):
    write(tmp_path, "file,split\na.jpg,test\n")
    (tmp_path / "a.jpg").touch()
    assert len(list_portraits(tmp_path)[0]) == 1
    assert "splits in list.csv are not read; give that file" in capsys.readouterr().err


def test_split_folders_are_known_whatever_their_capitals_and_others_refused(tmp_path):
    for name in ("Train", "TEST", "Val"):
        for part in ("df", "src", "src_remb"):
            (tmp_path / name / part).mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    assert find_parts(tmp_path) == {"Train": "train", "Val": "validation", "TEST": "test"}
    (tmp_path / "Tset" / "df").mkdir(parents=True)
    with pytest.raises(BuildError, match="Split folders are named train, valid.*has Tset with a df/"):
        find_parts(tmp_path)


def test_no_other_code_reads_lists():
    """A ``csv.reader`` elsewhere would know nothing of the rules above."""
    found = set()
    for path in (*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))):
        if path.name in OWN or path.name == "lists.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("reader", "DictReader", "Sniffer"):
                found.add(path.relative_to(ROOT).as_posix())
    assert found <= {"benchmarks/hostile/victims.py"}  # It looks at a table that a killed command left.
