"""What a run shows: sample grids, TensorBoard's files, curves, rates. On either backend."""

import types

import numpy as np
import pytest
from PIL import Image

from keras_uncover.cli import main
from keras_uncover.training.callbacks import COLUMNS, DrawSamples, TellRate, draw_grid
from keras_uncover.training.figures import draw_history
from keras_uncover.training.run_folder import read_history

HISTORY = """epoch,images_per_second,learning_rate,loss,p_fake_auc,val_loss,val_p_fake_auc
0,10.5,0.001,3.5,0.5,3.6,0.4
1,11.5,0.0005,2.5,0.7,2.8,0.6
"""


def make_answers(count=3, size=16):
    rng = np.random.default_rng(0)
    image, mask = rng.random((count, size, size, 3), "float32"), rng.random((count, size, size, 1), "float32")
    truth = {"mask": mask, "target": rng.random((count, size, size, 4), "float32"), "donor": image[..., [0, 1, 2, 2]]}
    answer = {"mask": 1 - mask, "target": 1 - image, "donor": image[:, ::-1] * 3 - 1}
    return image, truth, answer


def test_a_grid_has_answers_beside_truths():
    image, truth, answer = make_answers()
    grid = draw_grid(image, truth, answer)
    assert grid.shape == (3 * 16, len(COLUMNS) * 16, 3) and grid.dtype == np.uint8
    cells = grid.reshape(3, 16, len(COLUMNS), 16, 3).transpose(2, 0, 1, 3, 4) / 255
    expected = [image, answer["mask"], truth["mask"], answer["target"], truth["target"][..., :3],
                answer["donor"].clip(0, 1), truth["donor"][..., :3]]
    for cell, picture in zip(cells, expected, strict=True):
        assert np.abs(cell - picture).max() < 1 / 255


def test_the_same_examples_are_drawn_every_time_the_last_one_among_them(tmp_path):
    image, truth, _ = make_answers(12)
    draw = DrawSamples(tmp_path, (image, truth, {}))
    assert len(draw.image) == 8
    assert np.array_equal(draw.image[[0, -1]], image[[0, -1]])
    assert np.array_equal(draw.truth["mask"][-1], truth["mask"][-1])


def test_tensorboard_reads_scalars_and_pictures_of_both_lines(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from keras_uncover.training.callbacks import Board

    grid = draw_grid(*make_answers())
    board = Board(tmp_path)
    for epoch, loss in enumerate((3.0, 2.0, 1.5)):
        board.add_image("samples", grid, epoch + 1)
        board.on_epoch_end(epoch, {"loss": loss, "val_loss": loss + 1, "learning_rate": 0.1})
    board.on_train_end()
    # The third epoch was lost: the run goes on after two.
    again = Board(tmp_path, start=2)
    again.on_epoch_end(2, {"loss": 1.0, "val_loss": 2.0})
    again.on_train_end()
    read = {name: EventAccumulator(str(tmp_path / "tensorboard" / name)).Reload() for name in ("train", "validation")}
    assert set(read["train"].Tags()["scalars"]) == {"loss", "learning_rate"}
    for name, losses in (("train", [3, 2, 1]), ("validation", [4, 3, 2])):
        assert [(event.step, event.value) for event in read[name].Scalars("loss")] == list(zip((1, 2, 3), losses))
    picture = read["validation"].Images("samples")[0]
    assert (picture.height, picture.width) == grid.shape[:2]


def test_plot_draws_the_curves_of_a_run(tmp_path, capsys):
    (tmp_path / "history.csv").write_text(HISTORY)
    assert main.main(["plot", str(tmp_path)]) == 0
    path = tmp_path / "curves.png"
    assert capsys.readouterr().out.strip() == str(path)
    assert np.asarray(Image.open(path).convert("L")).std() > 10
    figure = draw_history(read_history(tmp_path), "mine")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "p_fake_auc", "learning_rate", "images_per_second"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].get_lines()}
    assert lines == {"training": [[1, 3.5], [2, 2.5]], "validation": [[1, 3.6], [2, 2.8]]}
    assert len(figure.axes[2].get_lines()) == 1


def test_plot_says_what_is_missing(tmp_path, capsys):
    assert main.main(["plot", str(tmp_path)]) == 1
    assert "there is no" in capsys.readouterr().err
    (tmp_path / "history.csv").write_text("epoch,loss\n")
    assert main.main(["plot", str(tmp_path)]) == 1
    assert "must have a row an epoch; it has none" in capsys.readouterr().err


def test_rate_and_time_left_are_told(capsys, monkeypatch):
    from keras_uncover.training import callbacks

    now = [100.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])
    tell = TellRate(batch_size=8, steps=40, per_epoch=10)
    tell.set_model(types.SimpleNamespace(optimizer=types.SimpleNamespace(learning_rate=0.5)))
    tell.on_epoch_begin(1)
    now[0] += 4
    tell.on_train_batch_end(9)
    now[0] += 1  # of validation
    logs = {}
    tell.on_epoch_end(1, logs)
    assert logs == {"learning_rate": 0.5, "images_per_second": 20.0}
    assert "step 20 of 40: 20.0 images/s, 10 s left" in capsys.readouterr().err
