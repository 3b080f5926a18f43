"""Files of data: what was written is read, what is damaged, unclear, too large or able to run code is refused."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import expandcluster as ec
from expandcluster.data import files, pictures
from expandcluster.data.inputs import Inputs, image_shape, read_inputs
from expandcluster.errors import BadInput, MissingExtra
from expandcluster.read_run import read_description
from expandcluster.report import write_report
from expandcluster.report.repeat import command_line
from expandcluster.teachers.table import read_table

Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5, 4), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)


def idx(array: np.ndarray, code: int = 8) -> bytes:
    return bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def batch(images: np.ndarray, labels: int = 1) -> bytes:
    """CIFAR's records of images ``(samples, 3, 32, 32)``."""
    return np.concatenate([np.full((len(images), labels), 7, np.uint8), images.reshape(len(images), -1)], 1).tobytes()


def same(found: Inputs, wanted: np.ndarray, shape: tuple[int, ...] | None) -> None:
    assert found.x.dtype == np.float64 and found.image_shape == shape
    np.testing.assert_array_equal(found.x, wanted.reshape(len(wanted), -1))


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "renamed", "a.idx.gz"])
def test_idx_images_are_read_and_scaled(name: str, tmp_path: Path) -> None:
    data = idx(GREY)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    same(read_inputs(tmp_path / name), GREY / 255.0, (5, 4))
    same(read_inputs(tmp_path / name, unit=False), GREY, (5, 4))


@pytest.mark.parametrize("code, kind", [(8, "u1"), (9, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"),
                                        (0x0E, ">f8")])
def test_every_type_of_idx_comes_back_as_it_was(code: int, kind: str, tmp_path: Path) -> None:
    array = RNG.integers(0, 100, (7, 3)).astype(kind)
    (tmp_path / "a-idx2").write_bytes(idx(array, code))
    same(read_inputs(tmp_path / "a-idx2"), array.astype(float), None)
    (tmp_path / "labels-idx1").write_bytes(idx(array[:, 0].copy(), code))
    same(read_inputs(tmp_path / "labels-idx1"), array[:, :1].astype(float), None)


WHOLE = idx(GREY)
IDX = {
    "cut off": (WHOLE[:-1], r"got 119 bytes of numbers; expected 120, for an array of shape \(6, 5, 4\).*cut off"),
    "too long": (WHOLE + b"\0", r"got 121 bytes of numbers; expected 120.*too long"),
    "no head": (WHOLE[:9], r"got 9 bytes; expected at least 16"),
    "wrong magic": (b"\1" + WHOLE[1:], r"got a file that starts with 01 00 08 03; expected 00 00"),
    "wrong type": (b"\0\0\7" + WHOLE[3:], r"got a file that starts with 00 00 07 03"),
    "nothing": (b"", r"got a file that starts with nothing"),
    "claims too much": (WHOLE[:4] + struct.pack(">3I", 2**31, 2**31, 4) + WHOLE[16:], r"got 18,.* bytes; expected at"),
}


@pytest.mark.parametrize("case", IDX)
def test_damaged_idx_files_are_refused(case: str, tmp_path: Path) -> None:
    data, message = IDX[case]
    for name, content in (("t-idx3-ubyte", data), ("t-idx3-ubyte.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=message):
            read_inputs(tmp_path / name)
    (tmp_path / "t-idx3-ubyte.gz").write_bytes(gzip.compress(data)[:-9])
    with pytest.raises(BadInput, match=r"damaged|got"):
        read_inputs(tmp_path / "t-idx3-ubyte.gz")


def test_arrays_are_named_and_images_of_bytes_scaled(tmp_path: Path) -> None:
    floats = RNG.normal(size=(6, 20))
    np.savez(tmp_path / "m.npz", x_train=GREY, y_train=np.arange(6), floats=floats, flat=GREY.reshape(6, -1))
    same(read_inputs(f"{tmp_path}/m.npz:x_train"), GREY / 255.0, (5, 4))
    same(read_inputs(tmp_path / "m.npz", "x_train"), GREY / 255.0, (5, 4))
    same(read_inputs(tmp_path / "m.npz", "floats"), floats, None)
    same(read_inputs(tmp_path / "m.npz", "flat"), GREY.reshape(6, -1).astype(float), None)
    with pytest.raises(BadInput, match=r"got no x, but x_train, y_train, floats, flat;.*m.npz:NAME"):
        read_inputs(tmp_path / "m.npz")
    with pytest.raises(BadInput, match=r"got no x_test, but x_train"):
        read_inputs(f"{tmp_path}/m.npz:x_test")
    np.savez_compressed(tmp_path / "one.npz", GREY / 3.0)
    same(read_inputs(tmp_path / "one.npz"), GREY / 3.0, (5, 4))
    np.save(tmp_path / "c.npy", COLOUR)
    same(read_inputs(tmp_path / "c.npy"), COLOUR / 255.0, (5, 4, 3))
    with pytest.raises(BadInput, match=r"got a member 'x'; expected none"):
        read_inputs(f"{tmp_path}/c.npy:x")


def test_shapes_that_are_images_and_shapes_that_are_not() -> None:
    for shape, wanted in (((9, 5, 4), (5, 4)), ((9, 5, 4, 3), (5, 4, 3)), ((9, 3, 5, 4), (3, 5, 4)), ((9, 20), None),
                          ((9, 5, 4, 1), (5, 4)), ((9, 1, 5, 4), (5, 4)), ((9, 5, 4, 2), None), ((9,), None),
                          ((9, 2, 3, 5, 4), None)):
        assert image_shape(np.zeros(shape)) == wanted, shape


@pytest.mark.parametrize("ending, mode", [(".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar", "w")])
def test_the_binary_version_of_cifar_is_read(ending: str, mode: str, tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (9, 3, 32, 32), dtype=np.uint8)
    members = {"c/data_batch_2.bin": batch(images[3:6]), "c/data_batch_1.bin": batch(images[:3]),
               "c/test_batch.bin": batch(images[6:]), "c/batches.meta.txt": b"airplane\n", "../../c/readme.html": b"x"}
    path = tar(tmp_path / f"cifar-10-binary{ending}", members, mode)
    same(read_inputs(path), images[:6] / 255.0, (3, 32, 32))
    same(read_inputs(f"{path}:test"), images[6:] / 255.0, (3, 32, 32))
    same(read_inputs(path, "data_batch_2.bin", unit=False), images[3:6], (3, 32, 32))
    with pytest.raises(BadInput, match=r"got no other, but data_batch_1.bin, data_batch_2.bin, test_batch.bin;"):
        read_inputs(f"{path}:other")
    (tmp_path / "data_batch_1.bin").write_bytes(batch(images))
    same(read_inputs(tmp_path / "data_batch_1.bin"), images / 255.0, (3, 32, 32))
    fine = {"c/train.bin": batch(images, 2), "c/test.bin": batch(images, 2)}
    path = tar(tmp_path / f"cifar-100-binary{ending}", fine, mode)
    same(read_inputs(path), images / 255.0, (3, 32, 32))
    assert sorted(f.name for f in tmp_path.iterdir()) == sorted(
        {f"cifar-10-binary{ending}", f"cifar-100-binary{ending}", "data_batch_1.bin"}), "nothing is unpacked to disk"


def test_cut_batches_are_refused(tmp_path: Path) -> None:
    whole = batch(RNG.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8))
    for data in (whole[:-1], whole[:3000], b""):
        (tmp_path / "data_batch_1.bin").write_bytes(data)
        path = tar(tmp_path / "c.tar.gz", {"c/data_batch_1.bin": data})
        for file in (tmp_path / "data_batch_1.bin", path):
            with pytest.raises(BadInput, match=r"CIFAR batch data_batch_1.bin: got .* expected a multiple of 3,073"):
                read_inputs(file)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput):
        read_inputs(path)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_pickles_are_refused_and_never_loaded(tmp_path: Path) -> None:
    trap = pickle.dumps({b"data": Trap(tmp_path / "sprung")})
    (tmp_path / "data_batch_1").write_bytes(trap)
    path = tar(tmp_path / "cifar-10-python.tar.gz", {"c/data_batch_1": trap, "c/batches.meta": trap})
    for file in (tmp_path / "data_batch_1", path):
        with pytest.raises(BadInput, match=r"Python version of CIFAR.*pickles.*Take the binary version"):
            read_inputs(file)
    np.savez(tmp_path / "t.npz", x=np.array([Trap(tmp_path / "sprung")], dtype=object))
    with pytest.raises(BadInput, match="pickled objects are never loaded"):
        read_inputs(tmp_path / "t.npz")
    assert not (tmp_path / "sprung").exists()


def test_links_and_devices_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1.bin").write_bytes(batch(np.zeros((1, 3, 32, 32), np.uint8)))
    with tarfile.open(tmp_path / "c.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            entry = tarfile.TarInfo("data_batch_1.bin")
            entry.type, entry.linkname = kind, str(tmp_path / "data_batch_1.bin")
            archive.addfile(entry)
    with pytest.raises(BadInput, match=r"got no train, but data_batch_1.bin"):
        read_inputs(tmp_path / "c.tar")


def test_what_unfolds_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused by what the files say, and by what comes out of them."""
    limit = 100_000
    for module in ("files", "cifar"):
        monkeypatch.setattr(f"expandcluster.data.{module}.MOST_BYTES", limit)
    zeros = np.zeros((1000, 20, 20), np.uint8)
    (tmp_path / "a-idx3.gz").write_bytes(gzip.compress(idx(zeros)))
    (tmp_path / "b-idx3.gz").write_bytes(gzip.compress(idx(GREY) + bytes(limit)))
    np.savez_compressed(tmp_path / "a.npz", x=zeros)
    tar(tmp_path / "a.tar.gz", {"data_batch_1.bin": bytes(3073 * 100)})
    tar(tmp_path / "b.tar.gz", {"other": bytes(limit + 1), "data_batch_1.bin": bytes(3073)})
    tar(tmp_path / "c.tar.gz", {f"{i}": b"" for i in range(2000)})
    for name in ("a-idx3.gz", "b-idx3.gz", "a.npz", "a.tar.gz", "b.tar.gz", "c.tar.gz"):
        assert (tmp_path / name).stat().st_size < 60_000
        with pytest.raises(BadInput, match=r"expected at most 100,000 once|more than 1000 files"):
            read_inputs(tmp_path / name)
    (tmp_path / "f").mkdir()
    Image.new("L", (400, 400)).save(tmp_path / "f" / "a.png")
    with pytest.raises(BadInput, match=r"1 images like .*a.png: got 480,000 bytes"):
        read_inputs(tmp_path / "f")


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 100_000)
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10**6, np.uint8))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "a.npz") as file:
        at = file.start_dir
    data[at + 24 : at + 28] = struct.pack("<I", 1000)  # the size that the directory states
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(BadInput, match="damaged or unreadable"):
        read_inputs(tmp_path / "a.npz")


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "images"
    place.mkdir()
    return place


@pytest.mark.parametrize("images, shape", [(GREY, (5, 4)), (COLOUR, (5, 4, 3))])
def test_a_folder_of_images_is_read_in_the_order_of_its_names(images: np.ndarray, shape: tuple[int, ...],
                                                               folder: Path) -> None:
    for i in (3, 0, 5, 1, 4, 2):
        Image.fromarray(images[i]).save(folder / f"{i}.PNG", format="PNG")
    (folder / "notes.txt").write_text("no image")
    (folder / "more.png").mkdir()
    same(read_inputs(folder), images / 255.0, shape)
    same(read_inputs(folder, unit=False), images, shape)


def test_jpeg_palette_and_black_and_white_images(folder: Path) -> None:
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8)
    Image.fromarray(smooth).save(folder / "a.jpeg", quality=95)
    Image.fromarray(smooth > 10).save(folder / "b.png")
    found = read_inputs(folder, unit=False)
    assert found.image_shape == (16, 16) and np.abs(found.x[0] - smooth.ravel()).max() <= 3
    np.testing.assert_array_equal(found.x[1], 255 * (smooth.ravel() > 10))
    (folder / "a.jpeg").unlink()
    (folder / "b.png").unlink()
    Image.fromarray(np.stack([smooth, smooth, 0 * smooth], 2)).quantize(64).save(folder / "c.png")
    assert read_inputs(folder).image_shape == (16, 16, 3)


def test_folders_that_are_no_data_set_are_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"images: got no image; expected files ending in .png, .jpg, .jpeg"):
        read_inputs(folder)
    Image.fromarray(GREY[0]).save(folder / "a.png")
    Image.fromarray(GREY[0].T.copy()).save(folder / "b.png")
    with pytest.raises(BadInput, match=r"got 5 x 4 grey pixels in a.png and 4 x 5 grey pixels in b.png"):
        read_inputs(folder)
    Image.fromarray(COLOUR[0]).save(folder / "b.png")
    with pytest.raises(BadInput, match=r"5 x 4 grey pixels in a.png and 5 x 4 colour pixels in b.png"):
        read_inputs(folder)
    Image.new("RGBA", (4, 5)).save(folder / "b.png")
    with pytest.raises(BadInput, match=r"b.png: got an image of mode RGBA"):
        read_inputs(folder)
    for data in ((folder / "a.png").read_bytes()[:-40], b"", b"GIF89a" + bytes(30), pickle.dumps(GREY)):
        (folder / "b.png").write_bytes(data)
        with pytest.raises(BadInput, match=r"b.png: got a damaged image"):
            read_inputs(folder)


def test_images_without_pillow_name_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "a.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"Pillow is not installed; it comes with the extra 'images'"):
        read_inputs(folder)


def test_jpeg_files_in_one_array_are_read(tmp_path: Path) -> None:
    images = [np.add.outer(np.arange(16), np.arange(16))[..., None] * [1, 2, 3] + i for i in range(4)]
    parts = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image.astype(np.uint8)).save(buffer, format="JPEG", quality=95, subsampling=0)
        parts.append(np.frombuffer(buffer.getvalue(), np.uint8))
    offsets = np.cumsum([0, *map(len, parts)])
    np.savez(tmp_path / "j.npz", jpeg_train=np.concatenate(parts), offsets_train=offsets, y_train=np.arange(4))
    found = read_inputs(f"{tmp_path}/j.npz:jpeg_train", unit=False)
    assert found.image_shape == (16, 16, 3)
    assert np.abs(found.x - np.reshape(images, (4, -1))).max() <= 6
    for bad in (offsets[::-1], offsets + 1, offsets[:1], offsets * 1.0, offsets - 1):
        with pytest.raises(BadInput, match="got offsets that do not fit"):
            pictures.read_jpegs(np.concatenate(parts), bad, "array")


def test_other_files_are_refused_with_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("1,2\n")
    with pytest.raises(BadInput, match=r"got a file of no known format; expected .npy, .npz.*folder of .png"):
        read_inputs(tmp_path / "t.txt")
    for missing in ("t.npz", "t-idx3", "t.npz:x"):
        with pytest.raises(BadInput, match="got no such file"):
            read_inputs(tmp_path / missing)


def test_a_table_may_be_images_and_answers_in_two_files(tmp_path: Path) -> None:
    images = RNG.integers(0, 256, (12, 5, 4), dtype=np.uint8)
    answers = RNG.normal(size=(12, 2)).astype(np.float32)
    (tmp_path / "i-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    np.savez(tmp_path / "a.npz", x=images, y=answers, logits=2 * answers)
    table = read_table(tmp_path / "i-idx3-ubyte.gz", tmp_path / "a.npz")
    np.testing.assert_array_equal(table.x, images.reshape(12, -1) / 255.0)
    np.testing.assert_array_equal(table.y, answers)
    assert (table.dtype, table.image_shape, table.name) == (np.float32, (5, 4), "i-idx3-ubyte.gz + a.npz")
    np.testing.assert_array_equal(read_table(tmp_path / "a.npz", f"{tmp_path}/a.npz:logits").y, 2 * answers)
    whole = read_table(tmp_path / "a.npz")
    assert whole.image_shape == (5, 4) and whole.x.max() <= 1.0
    given = ec.Teacher.from_data(images, answers)
    np.testing.assert_array_equal(given.x, whole.x)
    opened = ec.open_teacher(str(tmp_path / "i-idx3-ubyte.gz"), outputs=str(tmp_path / "a.npz"))
    assert opened.fingerprint == table.fingerprint
    with pytest.raises(BadInput, match=r"outputs of .*got an array of shape \(12, 5, 4\)"):
        ec.Teacher.from_data(answers, images)


def test_recover_asks_the_images_and_the_report_shows_weights_as_such(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (800, 2, 3), dtype=np.uint8)
    np.save(tmp_path / "i.npy", images)
    truth = ec.Network((rng.normal(size=(2, 6)), rng.normal(size=(1, 2))), (np.zeros(2), np.zeros(1)), "tanh")
    asked = []

    def teacher(x: np.ndarray) -> np.ndarray:
        asked.append(x)
        return truth(x)

    inputs = ec.read_inputs(tmp_path / "i.npy")
    asks = ec.Teacher.from_callable(teacher, 6, outputs=1, dtype=np.float64)
    found = ec.recover(asks, activation="tanh", inputs=inputs, out=tmp_path / "run")
    assert found.exact and ec.compare(found, truth).max_parameter_error < 1e-8
    known = set(map(bytes, inputs.x))
    assert all(bytes(row) in known for row in np.concatenate(asked))
    assert read_description(tmp_path / "run").image_shape == (2, 3)
    assert "images of 2 by 3" in write_report(tmp_path / "run").read_text()


def test_the_command_takes_images_to_ask_and_tables_in_two_files(tmp_path: Path) -> None:
    images = np.random.default_rng(2).integers(0, 256, (700, 2, 3), dtype=np.uint8)
    rng = np.random.default_rng(3)
    truth = ec.Network((rng.normal(size=(2, 6)), rng.normal(size=(1, 2))), (np.zeros(2), np.zeros(1)), "tanh")
    (tmp_path / "images-idx3.gz").write_bytes(gzip.compress(idx(images)))
    np.savez(tmp_path / "a.npz", logits=truth(images.reshape(700, 6) / 255.0))
    ec.save_network(truth, tmp_path / "truth.safetensors")
    for arguments in (["truth.safetensors", "--inputs", "images-idx3.gz"],
                      ["images-idx3.gz", "--outputs", "a.npz:logits"]):
        done = subprocess.run([sys.executable, "-m", "expandcluster", "recover", *arguments, "--activation", "tanh",
                               "--out", f"run-{len(arguments[0])}", "--json"], cwd=tmp_path, capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == 0 and json.loads(done.stdout)["verdict"] == "EXACT", done.stderr
        network = ec.load_network(tmp_path / f"run-{len(arguments[0])}" / "network.safetensors")
        assert ec.compare(network, truth).max_parameter_error < 1e-8
    about = read_description(tmp_path / "run-14")
    assert about.image_shape == (2, 3)
    assert command_line(about) == ("expandcluster recover images-idx3.gz --activation tanh --hidden-layers 1 --seed 0 "
                                   "--outputs a.npz:logits")
    for wrong, said in ((["--inputs", "a.npz:labels"], "got no labels, but logits; expected an array labels"),
                        (["--raw-bytes"], "--raw-bytes: got no --inputs")):
        done = subprocess.run([sys.executable, "-m", "expandcluster", "recover", "truth.safetensors", *wrong,
                               "--activation", "tanh"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 2 and said in done.stderr


READ = {"t-idx3": idx(GREY), "t-idx3.gz": gzip.compress(idx(GREY)),
        "data_batch_1.bin": batch(RNG.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8))}


@pytest.mark.parametrize("name", [*READ, "t.tar.gz", "t.npz", "folder"])
@given(data=st.data())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_refused_or_read(name: str, tmp_path: Path, data: st.DataObject) -> None:
    """Never another exception than BadInput."""
    path = tmp_path / name
    if name == "t.tar.gz":
        tar(path, {"data_batch_1.bin": READ["data_batch_1.bin"]})
    elif name == "t.npz":
        np.savez_compressed(path, x=GREY)
    elif name == "folder":
        path.mkdir(exist_ok=True)
        Image.fromarray(COLOUR[0]).save(path / "a.png")
    else:
        path.write_bytes(READ[name])
    damaged = path / "a.png" if name == "folder" else path
    whole = bytearray(damaged.read_bytes())
    end = data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole) - 1)), label="cut to")
    for _ in range(data.draw(st.integers(1, 4), label="flips")):
        bit = data.draw(st.integers(0, 8 * len(whole) - 1), label="bit")
        whole[bit // 8] ^= 1 << bit % 8
    damaged.write_bytes(bytes(whole[:end]))
    try:
        found = read_inputs(path)
    except BadInput as error:
        assert error.got and error.expected and error.remedy
    else:
        assert found.x.ndim == 2 and found.x.dtype == np.float64
        assert found.image_shape is None or math.prod(found.image_shape) == found.x.shape[1]
