"""Tables as LaTeX for the package booktabs."""

from sod.evaluation.cells import cell_text, interval_text
from sod.evaluation.lines import BETTER, EMPTY, EQUAL, HEADINGS, LOWER_IS_BETTER, MISSING, WORSE
from sod.evaluation.tables import Table

_LATEX = {"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "": "{}"}
_TEX_MARKS = {
    EQUAL: r"$^\approx$",
    BETTER: r"$^\uparrow$",
    WORSE: r"$^\downarrow$",
    MISSING: r"$^\ddagger$",
    EMPTY: r"$^\emptyset$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
}
_TEX_SPECIAL = str.maketrans(
    {char: rf"\{char}" for char in "&%$#_{}"}
    | {
        "†": r"$^\dagger$",
        **_TEX_MARKS,
        "²": "$^2$",
        "β": r"$\beta$",
        "<": "$<$",
        ">": "$>$",
        "|": "$|$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
)


def latex(table: Table) -> str:
    """Return a LaTeX table for ``booktabs`` with the best value bold and the second underlined."""
    names = [name for _, name in table.columns]
    datasets = list(dict.fromkeys(dataset for dataset, _ in table.columns))
    span = len(names) // max(len(datasets), 1)
    groups = [rf"\multicolumn{{{span}}}{{c}}{{{_tex(dataset)}}}" for dataset in datasets]
    rules = "".join(
        rf"\cmidrule(lr){{{2 + span * k}-{1 + span * (k + 1)}}}" for k in range(len(datasets))
    )
    body: list[str] = []
    for line in table.lines:
        if line.published and body and r"\midrule" not in body:
            body.append(r"\midrule")
        cells = [cell_text(line, column, _LATEX) for column in table.columns]
        body.append(
            " & ".join([_tex(line.label(table.protocol)), *map(_tex_marks, cells)]) + r" \\"
        )
        if line.intervals:
            ends = (interval_text(line, column).replace("–", "--") for column in table.columns)
            small = (rf"\scriptsize {text}" for text in ends)
            body.append(" & ".join(["", *small]) + r" \\")
    heads = " & ".join(["Method", *(_tex_heading(name) for name in names)])
    return "\n".join(
        [
            *(f"% {note}" for note in table.notes),
            rf"\begin{{tabular}}{{l{'r' * len(names)}}}",
            r"\toprule",
            " & ".join(["", *groups]) + r" \\",
            rules,
            heads + r" \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\par\footnotesize " + _tex(" ".join(table.notes)),
            "",
        ]
    )


def _tex_heading(name: str) -> str:
    arrow = "downarrow" if name in LOWER_IS_BETTER else "uparrow"
    return rf"{HEADINGS[name]} $\{arrow}$"


def _tex_marks(cell: str) -> str:
    for mark, tex in _TEX_MARKS.items():
        cell = cell.replace(mark, tex)
    return cell


def _tex(text: str) -> str:
    return text.translate(_TEX_SPECIAL)
