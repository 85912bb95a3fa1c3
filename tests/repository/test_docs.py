"""The documentation: links lead somewhere, the API reference is what the source says, commands exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from keras_uncover.cli import main
from keras_uncover.inference.wording import LIMITS

ROOT = Path(__file__).parents[2]
LEFT_OUT = {"build", "dist", "node_modules", "shared"}
PAGES = sorted(
    path for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in LEFT_OUT for part in path.relative_to(ROOT).parts)
    and not any((parent / "pyvenv.cfg").exists() for parent in path.parents)
)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def without_code(text):
    """A page's text without fenced and quoted code, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def anchors(path):
    """The anchors of a page's headings, as Markdown hosts make them."""
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links():
    for page in PAGES:
        for link in LINK.findall(without_code(page.read_text("utf-8"))):
            yield page, link


def test_there_are_pages_and_links():
    names = {str(page.relative_to(ROOT)) for page in PAGES}
    assert {"README.md", "docs/README.md", "docs/tutorial.md", "keras_uncover/presets/small/card.md"} <= names
    assert len(list(links())) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(without_code(page.read_text("utf-8"))):
        if re.match(r"https://[\w.-]+\.[a-z]+(/|$)", link):
            continue
        assert not re.match(r"\w+:", link), f"{link} is neither https nor a file"
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.is_relative_to(ROOT) and target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{target.name} has no heading for #{anchor}"


def test_a_broken_link_would_be_seen():
    assert LINK.findall(without_code("![a](x.png) [b](y.md#z) `[c](no)`\n```\n[d](no)\n```")) == ["x.png", "y.md#z"]


def test_the_api_reference_is_what_the_source_says():
    check = [sys.executable, "-m", "scripts.write_api", "--check"]
    run = subprocess.run(check, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_every_page_of_docs_is_in_their_list():
    listed = (ROOT / "docs" / "README.md").read_text("utf-8")
    names = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert [name for name in sorted(names) if name not in listed] == []


def commands():
    """Every ``keras-uncover`` command line in the pages, with where it stands."""
    for page in PAGES:
        for line in page.read_text("utf-8").splitlines():
            found = re.match(r"^(?:.*&& )?keras-uncover ([^#|]*)", line.strip("`"))
            if found and "COMMAND" not in line:
                yield pytest.param(found[1].replace("…", "").strip(), id=f"{page.name}: {found[1].strip()[:50]}")


@pytest.mark.parametrize("line", list(commands()))
def test_command_lines_in_the_pages_are_understood(line):
    main.build_parser().parse_args(shlex.split(line))


@pytest.mark.parametrize("name", [command.__name__.rsplit(".", 1)[1] for command in main.COMMANDS])
def test_help_has_an_example_that_is_understood(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main.main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "exit codes:" in text
    examples = re.findall(rf"^  keras-uncover ({name}\b[^|\n]*)", text, re.MULTILINE)
    assert examples
    for example in examples:
        main.build_parser().parse_args(shlex.split(example))


def test_the_limits_page_says_what_stands_beside_verdicts():
    text = re.sub(r"\W+", " ", (ROOT / "docs" / "limits.md").read_text("utf-8").lower())
    for words in ("not proof", "may show nobody", "counts as genuine", "was not measured", "camera photographs"):
        assert words in text
        assert words in re.sub(r"\W+", " ", " ".join(LIMITS).lower()) or words == "was not measured"
