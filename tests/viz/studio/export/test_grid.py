"""Which networks `--architectures` means."""

from __future__ import annotations

import pytest

from models.command_line import InputError
from viz.studio.export.grid import architectures
from viz.studio.options import ARCHITECTURES


def names(text: str) -> list[str]:
    return [str(each) for each in architectures(text, (28, 28), 10, 255.0)]


def test_the_default_is_the_grid_of_the_help():
    found = names(ARCHITECTURES)
    assert len(found) == len(set(found)) == (1 + 5 + 25) * 2
    assert {"28x28-10_relu_adam_128", "28x28-256-16-10_relu_sgd_128"} <= set(found)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("widths 7; depth 1; optimizer sgd", ["28x28-7-10_relu_sgd_128"]),
        (
            "  optimizer   adamw ;depth 2;  widths 3 , 4-5,3 ;activation tanh",
            [f"28x28-{a}-{b}-10_tanh_adamw_128" for a in (3, 4, 5) for b in (3, 4, 5)],
        ),
        (
            "depth 0; batch 1,64; dropout 0,0.25; optimizer sgd",
            [f"28x28-10_relu_sgd_{batch}{d}" for batch in (1, 64) for d in ("", "_d0.25")],
        ),
    ],
)
def test_a_text_means_all_combinations_and_what_it_leaves_out_is_as_usual(text, wanted):
    assert names(text) == wanted


def test_examples_of_any_shape_and_scale_have_theirs():
    (found,) = architectures("depth 0; optimizer sgd", (8, 8, 3), 4, 16.0)
    assert str(found) == "8x8x3-4_relu_sgd_128_s16"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "clauses of widths, depth, .* found an empty clause"),
        ("depth 1;", "found an empty clause"),
        ("width 16", "clauses of widths, .* found 'width 16'"),
        ("16,32", "found '16,32'"),
        ("depth", "depth from 0 to 8, .* found nothing"),
        ("widths 16,,32", "widths from 1 to 4,096, .* found nothing"),
        ("depth 1; depth 2", "expected depth once, found it twice"),
        ("widths 0", "widths from 1 to 4,096, .* found 0"),
        ("widths 4097", "found 4097"),
        ("widths sixteen", "found sixteen"),
        ("widths 1.5", "found 1.5"),
        ("widths -5", "found -5"),
        ("widths ²", "found ²"),
        ("depth 2-1", "found 2-1"),
        ("depth 0-9", "depth from 0 to 8, .* found 0-9"),
        ("depth 1-2-3", "found 1-2-3"),
        ("batch 0", "batch from 1 to 4,096, .* found 0"),
        ("activation sine", "an activation of relu, .* found sine"),
        ("activation relu,", "an activation, .* found nothing"),
        ("optimizer lbfgs", "an optimizer of sgd, .* found lbfgs"),
        ("dropout much", "a dropout such as 0.2, found much"),
        ("dropout 1", "a dropout of 0 or more, below 1, found 1"),
        ("dropout nan", "found nan"),
        ("widths 1-4096; depth 0-8", "at most 1,000 networks, found [\\d,]{20}"),
        ("widths 4096; depth 8; optimizer adam", "a module of about .* bytes of memory or less"),
    ],
)
def test_what_means_nothing_is_refused_in_words(text, said):
    with pytest.raises(InputError, match=said) as info:
        names(text)
    assert str(info.value).startswith("--architectures: expected ")
