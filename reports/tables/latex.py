"""LaTeX tabulars in the style of booktabs, in ASCII alone."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import pandas as pd

from slimbench.reports.tables.tables import Table

# Commands that any pdfLaTeX knows in any font encoding, without a package.
_COMMANDS: Final = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$",
    '"': r"{\ttfamily\char34}", "`": r"{\ttfamily\char96}",  # else a closing and an opening quote
    "–": "--", "—": "---", "…": r"\ldots{}", "“": "``", "”": "''", "‘": "`", "’": "'",  # noqa: RUF001
    "×": r"$\times$", "÷": r"$\div$", "±": r"$\pm$", "·": r"$\cdot$", "−": "$-$", "∞": r"$\infty$",  # noqa: RUF001
    "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$", "≈": r"$\approx$", "→": r"$\to$", "←": r"$\gets$",
    "°": r"$^\circ$", "²": "$^2$", "³": "$^3$", "µ": r"$\mu$", "√": r"$\surd$", "§": r"\S{}",
    "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}", "ø": r"\o{}", "Ø": r"\O{}",
    "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}",  # noqa: RUF001
}  # fmt: skip
_ACCENTS: Final = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0323": "d", "\u0327": "c",
}  # fmt: skip
_GREEK_NAME: Final = re.compile(r"GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)")
_GREEK: Final = frozenset({
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu",
    "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta",
    "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega",
})  # fmt: skip
# Between two characters that TeX would join into another one: a dash, a quote, an inverted mark.
_LIGATURES: Final = re.compile("(?<=[-–—])(?=[-–—])|(?<=['’])(?=['’])|(?<=[‘?!])(?=‘)|(?<=,)(?=,)")  # noqa: RUF001
_READ_AS_OPTION: Final = ("[", "*")  # after the end of a row


def latex_table(table: Table, caption: str, name: str) -> str:
    r"""A ``tabular``, to be ``\input`` into a ``table`` whose caption and label a comment proposes.

    Columns of numbers are right aligned, all others left. Colours are left out: what they mark is said in
    words as well.
    """
    columns = range(len(table.titles))
    frame = pd.DataFrame([[latex_text(cell.text) for cell in row] for row in table.rows], columns=columns)
    numbers = [all(row[i].kind.startswith("number") for row in table.rows) for i in columns]
    style = frame.style.hide(axis="index").format_index(lambda i: latex_text(table.titles[i]), axis="columns")
    drawn = style.to_latex(
        column_format="".join("r" if number and table.rows else "l" for number in numbers), hrules=True
    )
    label = re.sub(r"[^A-Za-z0-9]+", "-", name)
    lines = (
        r"% needs \usepackage{booktabs}",
        rf"% \caption{{{latex_text(caption)}}}",
        rf"% \label{{tab:{label}}}",
    )
    return "\n".join([*lines, drawn])


def latex_text(text: object) -> str:
    """Text that pdfLaTeX sets as it stands; a character that it has no command for is named, ``U+4E2D``."""
    flat = unicodedata.normalize("NFC", " ".join(str(text).split()))
    escaped = "{}".join("".join(map(_character, part)) for part in _LIGATURES.split(flat))
    return f"{{}}{escaped}" if flat.startswith(_READ_AS_OPTION) else escaped


def _character(character: str) -> str:
    if character in _COMMANDS:
        return _COMMANDS[character]
    if character.isascii() and character.isprintable():
        return character
    base, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) == 1 and marks[0] in _ACCENTS and base.isascii() and base.isalpha():
        return rf"\{_ACCENTS[marks[0]]}{{{base}}}"
    if greek := _GREEK_NAME.fullmatch(unicodedata.name(character, "")):
        name = greek[2].replace("LAMDA", "LAMBDA")
        command = name.lower() if greek[1] == "SMALL" else name.capitalize()
        if command in _GREEK:
            return rf"$\{command}$"
    return rf"\texttt{{U+{ord(character):04X}}}"
