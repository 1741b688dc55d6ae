"""Tables for LaTeX: every name is text, columns of numbers end at the right, and pdfLaTeX takes them."""

import re
import shutil
import subprocess

import pytest

from slimbench.reports.tables.latex import latex_table, latex_text
from slimbench.reports.tables.tables import Cell, Table

HOSTILE = [
    "<script>alert(1)</script>",
    r"a_b%$#&{}~^\end{tabular}\input{/etc/passwd}",
    "[2em] starts as an option",
    "* starts as one, too",
    "a--b ''c'' ,,d,, ?`e !`f `` \"g\" |h|",
    "Łukasz Müller-Ångström, Erdős, façade, ŷ, ß, ø",
    "× ÷ – ≥ ≤ ∞ − α Ω λ … ° µ",  # noqa: RUF001
    "中文 🙂 \u202e\x07\ud800 ǖ",
    "line\nbreak\ttab\u2028paragraph\n\nend",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<script>", "$<$script$>$"),
        ("a_b%$#&{}", r"a\_b\%\$\#\&\{\}"),
        ("~^\\", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"),
        ("\\\\", r"\textbackslash{}\textbackslash{}"),
        ("0.9512–0.9804", "0.9512--0.9804"),  # noqa: RUF001
        ("latency ÷ optimal ≥ 1.5×", r"latency $\div$ optimal $\geq$ 1.5$\times$"),  # noqa: RUF001
        ("--a---", "-{}-a-{}-{}-"),  # else dashes
        ("?` !‘ ‘‘ -–", r"?{\ttfamily\char96} !{}` `{}` -{}--"),  # noqa: RUF001
        ("''", "'{}'"),
        ("50 %", r"50 \%"),
        ("slim-sweep[start=slim-dp]", "slim-sweep[start=slim-dp]"),
        ("[2em]", "{}[2em]"),
        ("*", "{}*"),
        ("é Å ő ç", r"\'{e} \r{A} \H{o} \c{c}"),
        ("e\u0301", r"\'{e}"),
        ("α Λ λ ο", r"$\alpha$ $\Lambda$ $\lambda$ \texttt{U+03BF}"),  # noqa: RUF001
        ("中\x00\ud800", r"\texttt{U+4E2D}\texttt{U+0000}\texttt{U+D800}"),
        (" two\n\nlines\t", "two lines"),
        (3, "3"),
    ],
)
def test_text_is_set_as_it_stands(text, expected):
    assert latex_text(text) == expected


def test_a_table_is_a_booktabs_tabular_with_numbers_to_the_right():
    rows = [
        [Cell("a_b", "name"), Cell("0.9512–0.9804"), Cell("1", "number bad"), Cell("–", "text")],  # noqa: RUF001
        [Cell("c", "name"), Cell("1.0000"), Cell("0"), Cell("7")],
    ]
    table = Table(("solver", "min", "failed", "note"), rows, "x")
    assert latex_table(table, "100 % of them", "my_table") == (
        "% needs \\usepackage{booktabs}\n"
        "% \\caption{100 \\% of them}\n"
        "% \\label{tab:my-table}\n"
        "\\begin{tabular}{lrrl}\n"
        "\\toprule\n"
        "solver & min & failed & note \\\\\n"
        "\\midrule\n"
        "a\\_b & 0.9512--0.9804 & 1 & -- \\\\\n"
        "c & 1.0000 & 0 & 7 \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_a_table_without_rows_has_its_titles():
    assert "{ll}\n\\toprule\na & b \\\\\n\\midrule\n\\bottomrule" in latex_table(
        Table(("a", "b"), []), "c", "n"
    )


def test_no_name_leaves_its_cell():
    rows = [[Cell(text, "name"), Cell(text, "text")] for text in HOSTILE]
    text = latex_table(Table(("solver", HOSTILE[1]), rows), HOSTILE[1] + "\n" + HOSTILE[8], "n")
    assert text.isascii()
    lines = text.splitlines()
    assert len(lines) == 3 + 2 + 2 + len(HOSTILE) + 2
    for line in lines[5:6] + lines[7:-2]:
        bare = re.sub(r"\\[&%$#_{}\\]", "", line)
        assert bare.count("&") == 1
        assert not re.search(r"[%#_~^]", bare.replace(r"\^{", "").replace(r"$^\circ$", ""))
        assert bare.count("$") % 2 == 0
        assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\(input|end)\b", text) == ["end"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_pdflatex_takes_every_name(tmp_path):
    rows = [[Cell(text, "name"), Cell("0.5–1.0")] for text in HOSTILE]  # noqa: RUF001
    (tmp_path / "t.tex").write_text(latex_table(Table(("solver", "ratio"), rows), HOSTILE[1], "t"))
    (tmp_path / "main.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{t}\n\\end{document}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "main.tex"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "main.pdf").stat().st_size > 1000
