"""Images: what is read is what stands there, and what cannot be read is told and counted."""

import gzip
import re
from base64 import b64decode
from importlib import import_module
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="needs corpus-provenance[images]")
Image = pytest.importorskip("PIL.Image", reason="needs corpus-provenance[images]")

from provenance.errors import ProvError  # noqa: E402
from registry import Registry  # noqa: E402
from trainer import extras  # noqa: E402
from trainer.experiment import Experiment  # noqa: E402
from trainer.images import BadImages, Images, contents_of, digits, read_images  # noqa: E402
from trainer.keeping import InFile, InRegistry, read_results  # noqa: E402
from trainer.pictures import ACROSS, SIDE, grid  # noqa: E402
from trainer.report import report, write_svg  # noqa: E402
from trainer.simulate import simulate  # noqa: E402
from trainer.testbed import make_testbed  # noqa: E402
from trainer.testbeds.vae import Vae, frechet_distance  # noqa: E402

GENERATOR = np.random.default_rng


def idx(values: NDArray[np.uint8]) -> bytes:
    """An IDX file, as http://yann.lecun.com/exdb/mnist describes it."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def mnist(folder: Path, count: int = 6, side: int = 8, pack: bool = False) -> Path:
    """Images and labels, named as those of MNIST."""
    rng = GENERATOR(0)
    suffix, packed = (".gz", gzip.compress) if pack else ("", bytes)
    path = folder / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(packed(idx(rng.integers(0, 256, (count, side, side), np.uint8))))
    labels = folder / f"train-labels-idx1-ubyte{suffix}"
    labels.write_bytes(packed(idx(np.arange(count, dtype=np.uint8) % 3)))
    return path


def pictures(folder: Path, side: int = 8) -> Path:
    """Four pictures of two classes, of which one is coloured."""
    for number in range(4):
        kind = folder / "pictures" / ("bright" if number % 2 else "dark")
        kind.mkdir(parents=True, exist_ok=True)
        grey = Image.fromarray(np.full((side, side), 60 * number, np.uint8))
        (grey.convert("RGB") if number == 3 else grey).save(kind / f"{number}.png")
    return folder / "pictures"


# -- what is read


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 5), side=st.integers(1, 9), pack=st.booleans())
def test_an_idx_file_is_read_as_it_stands(tmp_path: Path, count: int, side: int, pack: bool) -> None:
    values = GENERATOR(side).integers(0, 256, (count, side, side), np.uint8)
    path = tmp_path / "some"
    path.write_bytes(gzip.compress(idx(values)) if pack else idx(values))
    read = read_images(path)
    np.testing.assert_array_equal(np.round(read.pixels * 255), values)
    assert (read.labels, read.classes, read.unreadable) == (None, 0, 0)


@pytest.mark.parametrize("pack", [False, True])
def test_labels_that_stand_beside_are_read_too(tmp_path: Path, pack: bool) -> None:
    read = read_images(mnist(tmp_path, pack=pack))
    assert read.labels is not None
    assert (read.labels.tolist(), read.classes) == ([0, 1, 2, 0, 1, 2], 3)


def test_the_folders_of_pictures_are_classes(tmp_path: Path) -> None:
    read = read_images(pictures(tmp_path))
    assert read.labels is not None
    assert dict(zip((read.pixels[:, 0, 0] * 255).round().tolist(), read.labels.tolist(), strict=True)) == {
        60: 0, 180: 0, 0: 1, 120: 1,
    }  # fmt: skip
    assert read_images(tmp_path / "pictures" / "dark").labels is None
    assert read_images(tmp_path / "pictures", side=4).pixels.shape == (4, 4, 4)


def test_the_digits_are_there_without_a_file() -> None:
    held = digits()
    assert (held.pixels.shape, held.classes) == ((1797, 8, 8), 10)
    assert (held.pixels.min(), held.pixels.max()) == (0, 1)


# -- what cannot be


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no IDX file"),
        (b"\0\0\x0d\3" + bytes(12), "no IDX file of bytes"),
        (idx(np.zeros((2, 4, 4), np.uint8))[:-1], "breaks off"),
        (idx(np.zeros((2, 4, 4), np.uint8)) + b"x", "goes on after its end"),
        (idx(np.zeros((2, 4, 5), np.uint8)), "5 x 4 pixels; squares are wanted: give side="),
        (idx(np.zeros((0, 4, 4), np.uint8)), "there are none"),
        (idx(np.zeros((5, 0, 0), np.uint8)), "there are none"),
        (gzip.compress(idx(np.zeros((2, 4, 4), np.uint8)))[:-9], "ended before|breaks off"),
    ],
    ids=["empty", "not bytes", "cut", "too long", "not square", "none", "no pixels", "cut gzip"],
)
def test_a_broken_file_is_one_line_that_names_it(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "some").write_bytes(content)
    with pytest.raises(BadImages, match=words) as refused:
        read_images(tmp_path / "some")
    assert "some" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_labels_of_other_images_are_refused(tmp_path: Path) -> None:
    path = mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(BadImages, match="6 stand beside 5 labels"):
        read_images(path)


def test_a_picture_that_cannot_be_read_is_told_or_counted(tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    (folder / "dark" / "broken.png").write_bytes((folder / "dark" / "0.png").read_bytes()[:30])
    Image.new("L", (8, 8)).resize((12, 12)).save(folder / "dark" / "large.png")
    with pytest.raises(BadImages, match=r"broken\.png.*skip_bad=true"):
        read_images(folder)
    read = read_images(folder, skip_bad=True)
    assert (len(read.pixels), read.unreadable) == (4, 2)
    assert Vae(data=folder, skip_bad=True).images.unreadable == 2
    for path in folder.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(BadImages, match="none of 6 can be read"):
        read_images(folder, skip_bad=True)


@pytest.mark.parametrize("path", ["nothing", "empty"])
def test_where_there_is_nothing_to_read_a_line_says_so(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadImages, match=r"no such file|holds none of"):
        read_images(tmp_path / path)


def test_images_whose_width_cannot_be_halved_twice_are_refused(tmp_path: Path) -> None:
    (tmp_path / "some").write_bytes(idx(np.zeros((9, 10, 10), np.uint8)))
    with pytest.raises(ProvError, match="10 pixels wide, a multiple of 4 is wanted: give side=8"):
        Vae(data=tmp_path / "some").real(2, 1, GENERATOR(0))
    assert Vae(data=tmp_path / "some", side=8).real(2, 1, GENERATOR(0)).shape == (1, 2, 8, 8)
    assert Vae(side=16).real(2, 1, GENERATOR(0)).shape == (1, 2, 16, 16)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_shades_of_more_than_8_bits_are_refused(tmp_path: Path, kind: type) -> None:
    """Their range is not known: as they stand they would all be white, or black."""
    Image.fromarray(np.arange(64).reshape(8, 8).astype(kind)).save(tmp_path / "deep.tiff")
    with pytest.raises(BadImages, match=r"deep\.tiff: its shades have more than 8 bits"):
        read_images(tmp_path)


def test_a_picture_too_large_to_be_safe_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    pictures(tmp_path)
    with pytest.raises(BadImages, match=r"\.png: Image size \(64 pixels\) exceeds limit"):
        read_images(tmp_path)


def test_what_is_transparent_is_seen_on_white(tmp_path: Path) -> None:
    ink = np.zeros((8, 8, 4), np.uint8)
    ink[2:4, :, 3] = 255  # black, and all else transparent
    Image.fromarray(ink).save(tmp_path / "ink.png")
    (image,) = read_images(tmp_path).pixels
    assert (image[2:4] == 0).all()
    assert (image[4:] == 1).all()


def test_labels_are_found_packed_or_not(tmp_path: Path) -> None:
    path = mnist(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte"
    wanted = read_images(path).labels
    labels.with_name(f"{labels.name}.gz").write_bytes(gzip.compress(labels.read_bytes()))
    labels.unlink()
    assert wanted is not None
    np.testing.assert_array_equal(read_images(path).labels, wanted)


def test_what_a_folder_holds_is_told_by_its_names_and_contents(tmp_path: Path) -> None:
    folder = pictures(tmp_path)
    before = contents_of(folder)
    (folder / "note.txt").write_text("no picture")
    assert contents_of(folder) == before == contents_of(folder.rename(tmp_path / "moved"))
    (tmp_path / "moved" / "dark" / "0.png").rename(tmp_path / "moved" / "bright" / "0.png")
    assert contents_of(tmp_path / "moved") != before
    path = mnist(tmp_path)
    before = contents_of(path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert contents_of(path) != before
    with pytest.raises(ProvError, match=r"cannot read .*nothing: No such file"):
        contents_of(tmp_path / "nothing")


# -- the test-bed


def test_no_model_learns_from_what_is_held_out() -> None:
    bed = Vae()
    drawn, held = ({image.tobytes() for image in part} for part in (bed.real(1438, 1, GENERATOR(0))[0], bed._held_out))
    assert (len(drawn), len(held)) == (1438, 1797 - 1438)
    assert not drawn & held
    with pytest.raises(ProvError, match="1,439 images, there are 1,438 that are not held out"):
        bed.real(1439, 1, GENERATOR(0))


def test_a_model_that_learnt_explains_images_it_never_saw_and_writes_all_classes() -> None:
    bed = Vae(epochs=1)
    samples = bed.real(400, 1, GENERATOR(0))
    models = [bed.model_copy(update={"epochs": epochs}).fit(samples, None, None, GENERATOR(1)) for epochs in (1, 40)]
    short, long = (bed.measure(model, samples) for model in models)
    assert long["elbo"] > short["elbo"] + 10
    assert long["coverage"] > 0.8
    assert long["frechet_distance"] < short["frechet_distance"] / 2
    written = bed.sample(models[1], 20, GENERATOR(2))
    assert written.shape == (1, 20, 8, 8)
    assert (written >= 0).all()
    assert (written <= 1).all()


def test_what_weighs_nothing_is_not_learnt_from() -> None:
    """Half of the images are black, and weigh nothing."""
    bed = Vae(epochs=30)
    samples = np.concatenate([bed.real(200, 1, GENERATOR(0)), np.zeros((1, 200, 8, 8), np.float32)], axis=1)
    weights = np.repeat([1 / 200, 0.0], 200)
    blind, weighed = (bed.fit(samples, held, None, GENERATOR(1)) for held in (None, weights))
    assert bed.sample(weighed, 300, GENERATOR(2)).mean() > 1.3 * bed.sample(blind, 300, GENERATOR(2)).mean()


def test_classes_that_no_image_has_are_not_covered(tmp_path: Path) -> None:
    """Labels that begin at 1, as those of letters do."""
    path = mnist(tmp_path, 30)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(1 + np.arange(30, dtype=np.uint8) % 3))
    bed = Vae(data=path, epochs=1)
    samples = bed.real(20, 1, GENERATOR(0))
    found = bed.measure(bed.fit(samples, None, None, GENERATOR(1)), samples)["coverage"][0]
    assert found in (pytest.approx(1 / 3), pytest.approx(2 / 3), 1)


def test_images_without_labels_have_no_classes_to_cover(tmp_path: Path) -> None:
    path = mnist(tmp_path, 30)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    bed = Vae(data=path, epochs=1)
    samples = bed.real(20, 1, GENERATOR(0))
    measured = bed.measure(bed.fit(samples, None, None, GENERATOR(1)), samples)
    assert measured.keys() == {"elbo", "latent_std", "unreadable"}


def test_the_distance_of_two_gaussians_is_the_closed_form() -> None:
    """N(0, 1) and N(3, 4) in each of two dimensions are 3² + (2 - 1)² apart in each."""
    rng = GENERATOR(0)
    one, other = rng.standard_normal((200_000, 2)), 3 + 2 * rng.standard_normal((200_000, 2))
    assert frechet_distance(one, other) == pytest.approx(20, rel=0.01)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_models_that_replace_their_images_lose_spread_and_those_that_keep_all_lose_less() -> None:
    spec = {"testbed": "vae", "schedule": ["replace", "accumulate"], "generations": 4, "size": 1000, "repeats": 1}
    lost = {}
    for cell in Experiment.of_grid(spec).cells():
        reports = list(cell.run(cell.arm.bed()))
        lost[cell.arm.name] = float(reports[0].measures["latent_std"][0] - reports[-1].measures["latent_std"][0])
    assert lost["replace"] > 0.1
    assert lost["accumulate"] < lost["replace"] / 2


def test_images_are_held_by_what_they_are() -> None:
    assert Images(np.zeros((2, 4, 4), np.float32), np.array([0, 4])).classes == 5


WRITTEN = Experiment.of_grid(
    {"testbed": {"name": "vae", "epochs": 1, "width": 2}, "schedule": ["replace", "accumulate"]}
    | {"generations": 2, "size": 30, "repeats": 2}
)
"""Two arms whose models write pictures."""


def test_a_registry_keeps_what_models_wrote_as_a_file_does(tmp_path: Path) -> None:
    in_file = simulate(WRITTEN, InFile(tmp_path / "out.parquet", WRITTEN))
    with Registry.create(tmp_path / "r.prov") as held:
        simulate(WRITTEN, InRegistry(held, WRITTEN), held, only="replace")
        in_registry = simulate(WRITTEN, InRegistry(held, WRITTEN), held)
        assert len(in_registry.pictures) == 4
        assert list(in_registry.pictures) == list(in_file.pictures)
        assert held.verify().holds
        assert list(InRegistry(held, WRITTEN).close().pictures) == list(in_file.pictures)


def test_a_report_shows_what_the_models_of_each_generation_wrote(tmp_path: Path) -> None:
    simulate(WRITTEN, InFile(tmp_path / "out.parquet", WRITTEN), only="replace")
    results = simulate(WRITTEN, InFile(tmp_path / "out.parquet", WRITTEN))
    kept = read_results(tmp_path / "out.parquet")
    assert list(kept.pictures) == list(results.pictures)
    shown = [(picture.arm, picture.generation, picture.repeat) for picture in kept.pictures]
    assert shown == [("accumulate", 1, 0), ("accumulate", 2, 0), ("replace", 1, 0), ("replace", 2, 0)]
    page = report(kept, command=None)
    assert page.count('src="data:image/svg+xml;base64,') == 4
    assert 'alt="replace, generation 2"' in page
    names = {path.name for path in write_svg(kept, tmp_path / "charts")}
    assert {"elbo.svg", "replace-generation-2.svg"} <= names


def test_a_grid_of_large_images_is_no_larger_than_it_is_shown() -> None:
    drawn = grid(GENERATOR(0).random((ACROSS**2, 128, 128)).astype(np.float32))
    (content,) = re.findall(r'base64,([^"]+)', drawn)
    assert Image.open(BytesIO(b64decode(content))).size == (SIDE, SIDE)
    assert len(drawn) < 150_000


def test_a_grid_shows_each_image_in_its_place() -> None:
    images = np.zeros((ACROSS**2, 8, 8), np.float32)
    images[ACROSS + 1] = 1  # the second of the second row
    (content,) = re.findall(r'base64,([^"]+)', grid(images))
    pixels = np.asarray(Image.open(BytesIO(b64decode(content))))
    assert pixels.shape == (9 * ACROSS - 1,) * 2
    assert (pixels[9:17, 9:17] == 255).all()
    assert (pixels == 255).sum() == 64


@pytest.mark.parametrize(("bed", "extra"), [("vae", "images"), ("diffusion", "molecules"), ("language", "train")])
def test_a_missing_extra_is_one_line_that_says_what_to_install(
    bed: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(extras.EXTRAS, extra, ("nowhere_to_be_found",))
    for module in ("vae", "diffusion"):
        for cached in ("_images", "_molecules"):
            if held := getattr(import_module(f"trainer.testbeds.{module}"), cached, None):
                held.cache_clear()
    spec = {"testbed": bed, "schedule": "replace", "generations": 1, "size": 20, "repeats": 1}
    cell = Experiment.of_grid(spec).cells()[0]
    with pytest.raises(ProvError, match=rf"{bed} wants nowhere_to_be_found.*corpus-provenance\[{extra}\]"):
        list(cell.run(cell.arm.bed()))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("bed", ["vae", "diffusion"])
def test_a_gpu_that_is_not_there_is_one_line(bed: str) -> None:
    if bed == "diffusion":
        pytest.importorskip("rdkit", reason="needs corpus-provenance[molecules]")
    made = make_testbed(bed, {"device": "cuda"} | ({"molecules": 3, "conformers": 2} if bed == "diffusion" else {}))
    samples = made.real(4, 1, GENERATOR(0))
    with pytest.raises(ProvError, match=r"a GPU \(cuda\) was wanted, torch finds none here"):
        made.fit(samples, None, None, GENERATOR(0))
