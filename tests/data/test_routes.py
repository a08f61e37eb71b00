"""One dataset by each route: scikit-learn's 8 x 8 digits as CSV, .npz, IDX and a folder of PNGs."""

import numpy as np
import pytest

import data
from tests.data.written import idx_pair, pictures, table, whole

digits = pytest.importorskip("sklearn.datasets")


@pytest.fixture(scope="module")
def routes(tmp_path_factory):
    """The digits as `load` gives them, by the name of the route; class by class, as a folder is."""
    folder = tmp_path_factory.mktemp("digits")
    x, y = digits.load_digits(return_X_y=True)
    by_class = np.argsort(y, kind="stable")
    x, y = x[by_class].astype(np.uint8).reshape(-1, 8, 8), y[by_class]
    rows = np.column_stack([x.reshape(-1, 64), y])
    table(folder / "table.csv", rows.tolist(), [*(f"pixel {i}" for i in range(64)), "target"])
    np.savetxt(folder / "text.csv", rows, delimiter=";")
    np.savez(folder / "stored.npz", data=rows[:, :-1].astype(float), target=y)
    np.savez_compressed(folder / "packed.npz", images=x.astype(float), labels=y.astype(str))
    pictures(folder / "folder", {str(name): list(x[y == name]) for name in range(10)})
    return {
        "table": data.load(folder / "table.csv", label="target", size=(8, 8)),
        "text": data.load(folder / "text.csv", size=(8, 8)),
        "stored": data.load(folder / "stored.npz", size=(8, 8)),
        "packed": data.load(folder / "packed.npz"),
        "idx": data.load(*idx_pair(folder, x, y.astype(np.uint8))),
        "folder": data.load(folder / "folder"),
        "resized": data.load(folder / "folder", size=(8, 8)),
    }


def test_every_route_gives_the_same(routes):
    """Else what a network learns depends on how its data was kept."""
    expected = routes["idx"]
    assert expected.shape == (8, 8) and expected.scale == 16.0
    assert len(expected.train) == 1438 and len(expected.test) == 359
    for name, found in routes.items():
        for one, other in zip(whole(found), whole(expected), strict=True):
            assert one.dtype == other.dtype and np.array_equal(one, other), name
        mine, theirs = found.describe(), expected.describe()
        assert all(mine[key] == theirs[key] for key in ("shape", "classes", "splits", "scale"))
