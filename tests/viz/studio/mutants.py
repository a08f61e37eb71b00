"""Uploads of weights that no network can be made of, of every kind: what a studio must refuse.

`mutants(count, seed)` gives the kind of each, its body and its headers.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from models.mlp import MLP
from models.runs.arrays import pack, unpack
from tests.few import drawn
from viz.studio.weights.text import to_json

FILE, BINARY = "application/vnd.safetensors", "application/octet-stream"
SIZES = (16, 8, 3)
ARRAYS = MLP(SIZES, seed=1).state_dict()
ARRAYS |= {"optimizer.count": np.array(3.0), "optimizer.velocity": np.ones_like(ARRAYS["0.bias"])}
SAID = {
    "sizes": SIZES,
    "activation": "relu",
    "dataset": drawn((4, 4), "abc").describe(),
    "seed": 1,
    "step": 3,
}
WHOLE = pack(ARRAYS, SAID)
DEEP = ["[" * 100_000, '{"a":' * 100_000, "[" * 900 + "]" * 900]


class Mutant(NamedTuple):
    """kind: in words. headers: besides those that name the version."""

    kind: str
    body: bytes
    headers: dict[str, str]


def mutants(count: int, seed: int = 0) -> Iterator[Mutant]:
    """So many, of each kind as many."""
    choose = random.Random(seed)
    for i in range(count):
        name, (make, headers) = list(KINDS.items())[i % len(KINDS)]
        body = make(choose)
        yield Mutant(name, body, headers(choose))


def header_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a file, and its numbers."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def file(header: Any, numbers: bytes = b"") -> bytes:
    """A file of whatever header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + numbers


# --- files ----------------------------------------------------------------------------------------


def truncated(choose: random.Random) -> bytes:
    return WHOLE[: choose.randrange(len(WHOLE))]


def longer(choose: random.Random) -> bytes:
    return WHOLE + choose.randbytes(choose.randrange(1, 9))


def not_finite(choose: random.Random) -> bytes:
    arrays = {name: array.copy() for name, array in ARRAYS.items()}
    name = choose.choice(list(arrays))
    number = choose.choice([np.nan, np.inf, -np.inf, 1e39, -1e300])
    array = arrays[name].astype(np.float64 if abs(number) > 1e38 else arrays[name].dtype)
    array.flat[choose.randrange(array.size)] = number
    return pack({**arrays, name: array}, SAID)


def wrong_names(choose: random.Random) -> bytes:
    arrays = dict(ARRAYS)
    old = choose.choice(["0.weight", "0.bias", "2.weight", "2.bias"])
    new = choose.choice(
        ["", " ", "weight", f"{old} ", old.upper(), "1.weight", "4.weight", "../../etc/passwd",
         "model." + old, "é" * 500, "\x00", "optimizer", "a" * 100_000]
    )  # fmt: skip
    array = arrays.pop(old)
    if choose.random() < 0.7:
        arrays[new] = array
    return pack(arrays, SAID)


def further_names(choose: random.Random) -> bytes:
    count = choose.choice([1, 2, 2000])
    more = {f"{choose.randrange(3, 10**6)}.bias": np.zeros(2, np.float32) for _ in range(count)}
    return pack({**ARRAYS, **more}, SAID)


def wrong_shapes(choose: random.Random) -> bytes:
    name = choose.choice(list(ARRAYS)[:4])
    array = ARRAYS[name]
    others = [array[None], array.reshape(-1, 1), array[:-1], array[:0], array.ravel()[0], array[0]]
    others += [array.T, array.ravel()] if array.ndim > 1 else []
    return pack({**ARRAYS, name: choose.choice(others)}, SAID)


def wrong_dtypes(choose: random.Random) -> bytes:
    name = choose.choice(list(ARRAYS)[:4])
    dtype = choose.choice([np.float16, np.int8, np.int64, np.uint8, np.uint32, bool, np.complex64])
    return pack({**ARRAYS, name: ARRAYS[name].astype(dtype)}, SAID)


def wrong_states(choose: random.Random) -> bytes:
    state = choose.choice(
        [np.ones((2, 2)), np.ones(0), np.ones((1, 1, 1)), np.ones(3, np.complex64),
         np.ones((8, 16), bool), np.array(np.nan), np.ones((16, 8))]
    )  # fmt: skip
    return pack({**ARRAYS, f"optimizer.{choose.choice(['rate', 'x', '', '0'])}": state}, SAID)


# --- headers --------------------------------------------------------------------------------------


def header_entry(choose: random.Random) -> bytes:
    """An entry that says something that cannot be."""
    header, numbers = header_of(WHOLE)
    entry = header[choose.choice([name for name in header if name != "__metadata__"])]
    huge = choose.choice([2**40, 2**53, 2**63, 2**64, -1, 10**300])
    field = choose.choice(["shape", "data_offsets", "dtype", "gone", "more", "whole"])
    begin, end = entry["data_offsets"]
    shapes = [[huge], [huge, 0], [1] * 100, [2**40] * 3, [1.5], ["8"], None, {}, [[8]], [True]]
    offsets = [[begin, huge], [huge, huge], [end, begin - 1], [begin + 1, end + 1], [begin], [], 0,
               [0, len(numbers)], [begin, end, end], [str(begin), end]]  # fmt: skip
    match field:
        case "shape":
            entry["shape"] = choose.choice(shapes)
        case "data_offsets":
            entry["data_offsets"] = choose.choice(offsets)
        case "dtype":
            entry["dtype"] = choose.choice(
                ["F128", "f32", "", "BF16", "F8_E4M3", None, 32, ["F32"]]
            )
        case "gone":
            del entry[choose.choice(list(entry))]
        case "more":
            entry["strides"] = [1]
        case "whole":
            name = choose.choice([name for name in header if name != "__metadata__"])
            header[name] = choose.choice([None, [], 1, "F32", {}])
    return file(header, numbers)


def header_of_entries(choose: random.Random) -> bytes:
    """2**40 entries, in one array or in many."""
    if choose.random() < 0.5:
        entry = {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}
        return file({"0.weight": entry}, bytes(choose.randrange(100)))
    empty = b'{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    count = choose.choice([10, 5000, 60_000])
    return file(b"{" + b",".join(b'"%d.bias":%s' % (i, empty) for i in range(count)) + b"}")


def header_length(choose: random.Random) -> bytes:
    size = choose.choice([0, 1, 2**22 + 1, 10**8, 2**31, 2**32, 2**40, 2**63, 2**64 - 1])
    return size.to_bytes(8, "little") + WHOLE[8:]


def header_bytes(choose: random.Random) -> bytes:
    """A byte that no JSON has, or a piece that is gone."""
    end = 8 + int.from_bytes(WHOLE[:8], "little")
    place = choose.randrange(8, end - 8)  # not among the spaces at its end
    if choose.random() < 0.5:
        return WHOLE[:place] + bytes([choose.choice([0, 0x1F, 0xFF, 0xC0])]) + WHOLE[place + 1 :]
    text = WHOLE[8:place] + b" " * (end - place)
    return file(text, WHOLE[end:])


def header_of_no_object(choose: random.Random) -> bytes:
    text = choose.choice(
        [*DEEP, "", " ", "null", "[]", "1", '"a"', "{", "{}{}", "NaN", '{"a":NaN}', "9" * 100_000,
         '{"a":1,"a":2}', '{"__metadata__":1}', '{"__metadata__":{"a":1}}', '\ufeff{}',
         '{"__metadata__":{"a":"\\ud800"}}']
    )  # fmt: skip
    return file(text.encode())


def header_twice(choose: random.Random) -> bytes:
    """A name that stands twice, of which two readers take two arrays."""
    end = 8 + int.from_bytes(WHOLE[:8], "little")
    text = WHOLE[8:end].rstrip()
    name = choose.choice(["0.weight", "2.bias", "__metadata__"])
    again = json.dumps(header_of(WHOLE)[0][name])
    return file(text[:-1] + f',"{name}":{again}}}'.encode(), WHOLE[end:])


def metadata(choose: random.Random) -> bytes:
    """Metadata that do not say what network it is, or another one."""
    wrong: dict[str, list[Any]] = {
        "sizes": [None, [], [16], [16, 3], [16, 9, 3], [16, -8, 3], [16, 2**40, 3], [16.0, 8, 3],
                  [16] + [1] * 10_000 + [3], "16-8-3", {}, [[16, 8, 3]], [True, 8, 3]],
        "activation": [None, "", "swish", 1, ["relu"], "relu\n", "__class__"],
        "dataset": [None, {}, [], "mnist", {"name": "x"}],
        "seed": [-1, 2**32, 1.5, "1", None, [1], True],
        "step": [-1, 2**53, 1.5, "1", None],
        "temperature": [0, -1, 1e31, "1", None, [1]],
    }  # fmt: skip
    name = choose.choice(list(wrong))
    return pack(ARRAYS, {**SAID, name: choose.choice(wrong[name])})


def metadata_of_dataset(choose: random.Random) -> bytes:
    wrong: dict[str, list[Any]] = {
        "shape": [[], [0], [-4, -4], [2**52] * 50_000, [17], [4.0, 4], "4x4", [4, 4, 2]],
        "classes": [[], ["a"], list("abcd"), [1, 2, 3], "abc", None, ["a"] * 100_000],
        "scale": [0, -1, 1e40, "255", None],
        "splits": [[], {"train": 1}, {"train": {"count": -1, "sha256": ""}}, None],
        "source": [None, [], {}, {"source": []}, {"source": [1]}, {"source": ["x"], "path": "/"}],
        "name": [None, 1, ["mnist"]],
    }
    name = choose.choice(list(wrong))
    described = {**SAID["dataset"], name: choose.choice(wrong[name])}
    return pack(ARRAYS, {**SAID, "dataset": described})


def metadata_of_no_json(choose: random.Random) -> bytes:
    header, numbers = header_of(WHOLE)
    texts = header["__metadata__"]
    if choose.random() < 0.2:
        del header["__metadata__"]
    else:
        wrong = [*DEEP[:2], "", "{", "nul", "9" * 5000, "'relu'", "\x00"]
        texts[choose.choice(list(texts))] = choose.choice(wrong)
    return file(header, numbers)


# --- no files -------------------------------------------------------------------------------------


def noise(choose: random.Random) -> bytes:
    return choose.randbytes(choose.choice([0, 1, 7, 8, 9, 100, 10_000, 1_000_000]))


def other_formats(choose: random.Random) -> bytes:
    archive = io.BytesIO()
    np.savez_compressed(archive, **{name.replace(".", "_"): each for name, each in ARRAYS.items()})
    return choose.choice(
        [gzip.compress(WHOLE), zlib.compress(WHOLE), archive.getvalue(), to_json(WHOLE),
         pickle.dumps(ARRAYS), b"\x89PNG\r\n\x1a\n" + bytes(100), b"<html></html>", b"PK\x03\x04"]
    )  # fmt: skip


def bomb(choose: random.Random) -> bytes:
    return gzip.compress(bytes(choose.choice([10**3, 10**6, 5 * 10**7])), 1)


def large(choose: random.Random) -> bytes:
    """Nothing but zeros, or a header of 30 MB, or more than a body may have."""
    size = choose.choice([2**20, 2**24, 2**25, 2**26, 2**26 + 1])
    return choose.choice([bytes(size), (size - 8).to_bytes(8, "little") + b"[" * (size - 8)])


# --- JSON -----------------------------------------------------------------------------------------


def json_text(choose: random.Random) -> bytes:
    text = to_json(WHOLE).decode()
    place = choose.randrange(1, len(text))
    number = text.index("data") + 8
    return choose.choice(
        [text[:place], text + "x", text.replace(", ", ",, ", 1), f"[{text}]", "", "null", *DEEP,
         text[:number] + "NaN, " + text[number:], text[:number] + "1, " + text[number:],
         text[:number] + '"1", ' + text[number:], text[:number] + "9" * 5000 + text[number:],
         text.replace("float32", "float16", 1), text.replace("float32", "object", 1),
         text.replace('"shape": [', '"shape": [1099511627776, ', 1),
         text.replace('"data": [', '"data": [[', 1), text.replace('"metadata"', '"meta"', 1),
         text.replace('"arrays"', '"metadata"', 1), text.replace("0.weight", "0.wight", 1),
         text.replace('"activation": "relu"', '"activation": null', 1)]
    ).encode()  # fmt: skip


def json_large(choose: random.Random) -> bytes:
    piece = choose.choice([b"[],", b"{},", b"0,", b'"",', b" "])
    size = choose.choice([2**20, 11 * 2**20, 12 * 2**20, 2**25])
    return b'{"metadata": {}, "arrays": [' + piece * (size // len(piece))


def whole(choose: random.Random) -> bytes:
    return WHOLE


def as_file(choose: random.Random) -> dict[str, str]:
    return {"Content-Type": choose.choice([FILE, BINARY])}


def as_json(choose: random.Random) -> dict[str, str]:
    return {"Content-Type": choose.choice(["application/json", "application/json; charset=utf-8"])}


def packed(choose: random.Random) -> dict[str, str]:
    codes = [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "compress",
        "gzip, gzip",
        "x-gzip",
        "GZIP",
    ]
    return {"Content-Type": FILE, "Content-Encoding": choose.choice(codes)}


def another_type(choose: random.Random) -> dict[str, str]:
    kinds = ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", "*/*", "a",
             "application/gzip", "application/jsonp", "text/json"]  # fmt: skip
    return {"Content-Type": choose.choice(kinds)}


KINDS: dict[str, tuple[Callable[[random.Random], bytes], Callable[[random.Random], dict[str, str]]]]
KINDS = {
    **{make.__name__.replace("_", " "): (make, as_file) for make in (
        truncated, longer, not_finite, wrong_names, further_names, wrong_shapes, wrong_dtypes,
        wrong_states, header_entry, header_of_entries, header_length, header_bytes,
        header_of_no_object, header_twice, metadata, metadata_of_dataset, metadata_of_no_json,
        noise, other_formats, large)},
    "JSON text": (json_text, as_json),
    "large JSON": (json_large, as_json),
    "a file as JSON": (whole, as_json),
    "another Content-Type": (whole, another_type),
    "a bomb by Content-Encoding": (bomb, packed),
    "a whole file by Content-Encoding": (whole, packed),
}  # fmt: skip
assert unpack(WHOLE)[0].keys() == ARRAYS.keys()
