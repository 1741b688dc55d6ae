"""How figures look: solvers told apart, and room for their names."""

import matplotlib as mpl

from slimbench.reports.drawing import STYLE, frame, legend, styles, svg


def test_first_lines_and_marks_differ():
    looks = styles(f"solver-{i}" for i in range(90)).values()
    assert len({(s.color, str(s.dashes)) for s in list(looks)[:36]}) == 36
    assert len({(s.color, s.marker) for s in looks}) == 90


def test_many_long_names_make_the_figure_higher_and_leave_the_plot_its_size():
    heights = []
    with mpl.rc_context(STYLE):
        for count in (2, 40):
            figure, axes = frame("")
            legend(figure, styles(f"solver-{i}-{'x' * 60}" for i in range(count)), lines=True)
            svg(figure)
            heights.append(axes.get_position().height * figure.get_figheight())
    assert heights[1] > 0.9 * heights[0]
