"""Molecules: their shapes are those of RDKit, what has none is told and counted, and no turn of a shape matters."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs corpus-provenance[molecules]")
pytest.importorskip("rdkit", reason="needs corpus-provenance[molecules]")

from torch import Tensor  # noqa: E402

from provenance.errors import ProvError  # noqa: E402
from trainer.denoiser import SCALE, Denoiser, Graphs, _kept  # noqa: E402
from trainer.experiment import Experiment  # noqa: E402
from trainer.molecules import BadMolecule, Molecule, Points, drawing, read_molecules  # noqa: E402
from trainer.testbeds.diffusion import Diffusion  # noqa: E402

GENERATOR = np.random.default_rng
SMALL: dict[str, Any] = {"molecules": 6, "conformers": 5, "width": 16, "layers": 2, "denoising": 10}


def turned(shapes: Points, seed: int) -> Points:
    """Shapes, each turned, and moved, another way."""
    turns = np.linalg.qr(GENERATOR(seed).standard_normal((len(shapes), 3, 3)))[0]
    turns *= np.where(np.linalg.det(turns) < 0, -1, 1)[:, None, None]
    moved = shapes @ turns + GENERATOR(seed).standard_normal((len(shapes), 1, 3))
    held: Points = moved.astype(np.float32)
    return held


@pytest.fixture(scope="module")
def aspirin() -> Molecule:
    return read_molecules(None, 6, most=1).held[0]


# -- what is read


def test_a_molecule_is_its_heavy_atoms_with_their_bonds(aspirin: Molecule) -> None:
    assert (aspirin.name, len(aspirin), aspirin.shapes.shape) == ("aspirin", 13, (6, 13, 3))
    assert sorted(aspirin.elements.tolist()) == [6] * 9 + [8] * 4
    assert len(aspirin.pairs) == 13
    assert (aspirin.bonds == aspirin.bonds.T).all()
    np.testing.assert_allclose(aspirin.shapes.mean(axis=1), 0, atol=1e-5)
    lengths = aspirin.lengths(aspirin.shapes)
    assert ((lengths > 1.15) & (lengths < 1.6)).all()


def test_conformers_of_a_molecule_that_bends_differ(aspirin: Molecule) -> None:
    apart = aspirin.distances(aspirin.shapes)
    assert apart.max() > 0.5
    assert len(np.unique(apart.round(3))) > 3


def test_all_molecules_that_come_with_it_are_small_and_have_shapes() -> None:
    known = read_molecules(None, 1)
    assert len(known.held) >= 60
    assert not known.refused
    assert max(map(len, known.held)) <= 20
    assert len({molecule.name for molecule in known.held}) == len(known.held)


@pytest.mark.parametrize(
    ("smiles", "words"),
    [
        ("nonsense", "none that RDKit understands"),
        ("CCO.CCO", "several parts"),
        ("C[Fe]C", "does not know|conformers"),
        ("CO", "fewer than 3 atoms"),
        ("OCC", "is ethanol once more"),
        ("CN(C)(C)->O", "not single, double, triple or aromatic"),
        ("C" * 30, "from its middle, 10 at most"),
    ],
)
def test_what_has_no_shape_is_told_or_counted(tmp_path: Path, smiles: str, words: str) -> None:
    path = tmp_path / "some.smi"
    path.write_text(f"CCO ethanol\n\n{smiles} other\nCCNC\n")
    with pytest.raises(BadMolecule, match=words) as refused:
        read_molecules(path, 2)
    assert "skip_bad=true" in str(refused.value)
    assert "\n" not in str(refused.value)
    known = read_molecules(path, 2, skip_bad=True)
    assert ([molecule.name for molecule in known.held], len(known.refused)) == (["ethanol", "CCNC"], 1)
    bed = Diffusion(smiles=path, skip_bad=True, conformers=2, epochs=1, width=4, layers=1, denoising=2)
    samples = bed.real(2, 1, GENERATOR(0))
    assert bed.measure(bed.fit(samples, None, None, GENERATOR(0)), samples)["refused"] == 1


def test_more_molecules_than_there_are_is_one_line() -> None:
    with pytest.raises(ProvError, match="1,000 molecules are wanted, prov has 63: give a smaller molecules="):
        read_molecules(None, 2, most=1000)


@pytest.mark.parametrize(("content", "words"), [(b"", "holds no molecule"), (b"\xff\xfe", "cannot read")])
def test_a_file_without_molecules_is_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "some.smi").write_bytes(content)
    with pytest.raises(ProvError, match=words):
        read_molecules(tmp_path / "some.smi", 2)
    with pytest.raises(ProvError, match="cannot read"):
        read_molecules(tmp_path / "nothing.smi", 2)


def test_an_experiment_on_other_molecules_is_another_one(tmp_path: Path) -> None:
    path = tmp_path / "some.smi"
    path.write_text("CCO\nCCNC\nCCCO\n")
    quick = {"conformers": 2, "epochs": 1, "width": 4, "layers": 1, "denoising": 2}
    spec = {"testbed": {"name": "diffusion", "smiles": str(path), **quick}, "schedule": "replace"}
    sizes = {"generations": 1, "size": 4, "repeats": 1}
    first, again = (Experiment.of_grid(spec | sizes) for _ in range(2))
    assert first.digest == again.digest
    assert Experiment.of_grid(first.spec()).digest == first.digest
    path.write_text("CCO\nCCNC\nCCCN\n")
    assert Experiment.of_grid(spec | sizes).digest != first.digest
    (arm,) = first.arms
    with pytest.raises(ProvError, match=r"some\.smi does not hold what it did when the experiment began"):
        arm.bed().real(4, 1, GENERATOR(0))
    with pytest.raises(ProvError, match="does not hold what it did"):
        Experiment.of_grid(first.spec())


# -- turns


def test_shapes_that_are_turned_and_moved_are_the_same(aspirin: Molecule) -> None:
    apart = aspirin.distances(turned(aspirin.shapes, 0))
    np.testing.assert_allclose(np.diagonal(apart), 0, atol=1e-3)
    stretched = aspirin.distances(1.2 * aspirin.shapes)
    assert (np.diagonal(stretched) > 0.2).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_noise_that_is_told_turns_with_the_shape(aspirin: Molecule, mirrored: bool) -> None:
    """So that all turns of a shape are equally likely to be written; what is moved is put back to its middle before."""
    torch.manual_seed(0)
    network, size = Denoiser(16, 3), len(aspirin.shapes)
    for held in network.springs.parameters():
        torch.nn.init.normal_(held, std=0.1)  # where a fit begins they are 0
    graphs = Graphs.of([aspirin] * size, len(aspirin) + 2)
    shapes = np.pad(aspirin.shapes, ((0, 0), (0, 2), (0, 0)))
    turn = np.linalg.qr(GENERATOR(1).standard_normal((3, 3)))[0].astype(np.float32)
    turn *= np.sign(np.linalg.det(turn)) * (-1 if mirrored else 1)
    with torch.no_grad():
        levels = torch.linspace(0.1, 1, size)
        plain, other = (network.noise(graphs, torch.from_numpy(one), levels) for one in (shapes, shapes @ turn))
    np.testing.assert_allclose(plain.numpy() @ turn, other.numpy(), atol=1e-5)
    assert plain.abs().max() > 1e-3
    assert (plain[:, -2:] == 0).all()
    np.testing.assert_allclose(plain.sum(1), 0, atol=1e-5)


def test_room_for_larger_molecules_changes_nothing(aspirin: Molecule) -> None:
    torch.manual_seed(0)
    network, levels = Denoiser(16, 2), torch.linspace(0.1, 1, len(aspirin.shapes))
    for held in network.springs.parameters():
        torch.nn.init.normal_(held, std=0.1)  # where a fit begins they are 0
    found = []
    for more in (0, 5):
        graphs = Graphs.of([aspirin] * len(aspirin.shapes), len(aspirin) + more)
        shapes = torch.from_numpy(np.pad(aspirin.shapes, ((0, 0), (0, more), (0, 0))))
        with torch.no_grad():
            found.append(network.noise(graphs, shapes, levels)[:, : len(aspirin)].numpy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


# -- the test-bed


def test_no_model_learns_from_molecules_that_are_held_out() -> None:
    bed = Diffusion(**SMALL)
    samples = bed.real(25, 1, GENERATOR(0))
    model = bed.model_copy(update={"epochs": 1}).fit(samples, None, None, GENERATOR(0))
    for held in (samples, bed.sample(model, 60, GENERATOR(0))):
        numbers = set(held[0, :, 0, 0].astype(int).tolist())
        assert len(numbers) == 5
        assert not numbers & set(bed._held_out)
    with pytest.raises(ProvError, match="26 conformers, there are 25"):
        bed.real(26, 1, GENERATOR(0))
    with pytest.raises(ProvError, match="2 or more are wanted"):
        Diffusion(smiles=None, molecules=2).model_copy(update={"molecules": 1}).real(1, 1, GENERATOR(0))


class Oracle(Denoiser):
    """Knows the shape, so that it tells all noise."""

    shape: Tensor

    def noise(self, graphs: Graphs, places: Tensor, levels: Tensor) -> Tensor:
        kept = _kept(levels)[:, None, None]
        return (places - kept.sqrt() * self.shape) / (1 - kept).sqrt()


@pytest.mark.parametrize("steps", [1, 10, 50])
def test_where_all_noise_is_told_none_is_left_in_what_is_written(aspirin: Molecule, steps: int) -> None:
    oracle = Oracle(4, 1)
    oracle.shape = torch.from_numpy(aspirin.shapes[0]) / SCALE
    written = oracle.write(Graphs.of([aspirin] * 3, len(aspirin)), steps, 0)
    np.testing.assert_allclose(written, np.broadcast_to(aspirin.shapes[0], written.shape), atol=1e-3)


def test_a_model_that_tells_no_noise_loses_1(aspirin: Molecule) -> None:
    silent = Denoiser(4, 1)
    for held in silent.parameters():
        torch.nn.init.zeros_(held)
    shapes = np.repeat(aspirin.shapes, 50, axis=0)
    assert silent.loss(Graphs.of([aspirin] * len(shapes), len(aspirin)), shapes) == pytest.approx(1, abs=0.03)


def test_what_is_written_is_held_against_conformers_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """All conformers twice; one of them alone, which forgets and does not distort; all of them stretched."""
    bed = Diffusion(**SMALL)
    samples = bed.real(25, 1, GENERATOR(0))
    model = bed.model_copy(update={"epochs": 1}).fit(samples, None, None, GENERATOR(0))
    (held,) = bed._held_out
    shapes = bed._padded(bed.known.held[held])
    found = {}
    for name, written in {
        "all": np.concatenate([shapes, shapes]),
        "one": np.repeat(shapes[:1], 10, axis=0),
        "stretched": 1.5 * np.concatenate([shapes, shapes]),
    }.items():
        monkeypatch.setattr(Diffusion, "_write", lambda *_, written=written: turned(written, 3))
        found[name] = {metric: float(value[0]) for metric, value in bed.measure(model, samples).items()}
    sure = {"coverage": 1, "matching": 0, "coverage_precision": 1, "matching_precision": 0, "bond_validity": 1}
    assert {metric: found["all"][metric] for metric in sure} == pytest.approx(sure, abs=2e-3)
    assert found["one"]["matching"] > 0.05
    assert found["one"]["matching_precision"] == pytest.approx(0, abs=2e-3)
    assert found["one"]["bond_validity"] == 1
    assert found["stretched"]["matching"] > 0.5
    assert found["stretched"]["bond_validity"] == 0


def test_a_model_that_learnt_tells_noise_and_writes_shapes_of_the_molecules_it_is_asked() -> None:
    bed = Diffusion(**SMALL, epochs=60, batch_size=8)
    samples = bed.real(25, 1, GENERATOR(0))
    short, long = (
        bed.model_copy(update={"epochs": epochs}).fit(samples, None, None, GENERATOR(1)) for epochs in (1, 60)
    )
    before, after = (bed.measure(model, samples) for model in (short, long))
    assert after["denoising_loss"] < 0.7 * before["denoising_loss"]
    assert after["matching"] < before["matching"]
    written = bed.sample(long, 12, GENERATOR(2))[0]
    for sample in written:
        size = len(bed.known.held[int(sample[0, 0])])
        assert np.isfinite(sample).all()
        assert (sample[1 + size :] == 0).all()
        np.testing.assert_allclose(sample[1 : 1 + size].mean(axis=0), 0, atol=1e-3)


def test_a_drawing_has_a_line_for_each_bond_and_a_dot_for_each_atom(aspirin: Molecule) -> None:
    drawn = drawing(aspirin, list(aspirin.shapes[:4]))
    assert (drawn.count("<line"), drawn.count("<circle")) == (4 * 13, 4 * 13)
    bed = Diffusion(**SMALL, epochs=1)
    samples = bed.real(10, 1, GENERATOR(0))
    assert bed.picture(bed.fit(samples, None, None, GENERATOR(0))).startswith("<svg")


@pytest.mark.slow
def test_generations_of_shapes_run_under_a_schedule() -> None:
    spec = {"testbed": {"name": "diffusion", **SMALL, "epochs": 5}, "schedule": ["replace", "accumulate"]}
    for cell in Experiment.of_grid(spec | {"generations": 3, "size": 20, "repeats": 1}).cells():
        reports = list(cell.run(cell.arm.bed()))
        assert [report.generation for report in reports] == [1, 2, 3]
        assert all(report.picture for report in reports)
