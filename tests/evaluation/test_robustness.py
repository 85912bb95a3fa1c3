"""Damage of stated strength."""

import numpy as np
import pytest

from keras_uncover.evaluation.robustness import conditions, damage, damage_batch


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")


def test_clean_comes_first_and_changes_nothing(images):
    assert next(iter(conditions())) == "clean"
    np.testing.assert_array_equal(damage(images, *conditions()["clean"]), images)


@pytest.mark.parametrize("kind", ["jpeg", "resize", "blur", "noise"])
def test_each_level_hurts_more_than_the_one_before(images, kind):
    errors = [np.abs(damage(images, *condition) - images).mean() for condition in conditions().values()
              if condition[0] in ("clean", kind)]
    assert len(errors) == 1 + len([name for name in conditions() if name.startswith(kind)])
    assert (np.diff(errors) > 1e-4).all()


def test_noise_has_its_deviation_and_is_fixed_by_its_seed():
    grey = np.full((4, 64, 64, 3), 2 / 3, "float32")  # where the noise's strength is 1: 1/4 + 3/4 x 2/3 = 3/4
    hurt = damage(grey, "noise", 0.05, seed=3)
    assert (hurt - grey).std() == pytest.approx(0.05 * np.sqrt(0.75), rel=0.02)
    np.testing.assert_array_equal(hurt, damage(grey, "noise", 0.05, seed=3))
    assert np.abs(hurt - damage(grey, "noise", 0.05, seed=4)).max() > 0.01


def test_a_batch_keeps_input_and_target_alike(images):
    batch = damage_batch({"input": images, "target": images, "mask": 1}, "noise", 0.05)
    np.testing.assert_array_equal(batch["input"], batch["target"])
    assert batch["mask"] == 1 and set(damage_batch({"input": images}, "jpeg", 50)) == {"input"}


def test_an_unknown_condition_is_refused(images):
    with pytest.raises(ValueError, match="clean, jpeg_75.*received 'fog'"):
        damage(images, "fog", 1)
